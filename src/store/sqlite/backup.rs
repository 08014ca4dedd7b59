//! A copy of the books while a guard writes them: whole as of one moment, and looked through before it
//! counts as one.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::open::{self, APPLICATION_ID, LOCKED_FOR};
use crate::store::OpenError;

/// Why there is no backup. Nothing is left behind where it should have been.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} is there already: name a file that is not, for a backup never takes another's place", path.display())]
    Exists { path: PathBuf },
    #[error("{} is no store of this program", path.display())]
    NotOurs { path: PathBuf },
    #[error("the copy {} cannot be written", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the books cannot be copied to {}", path.display())]
    NotCopied {
        path: PathBuf,
        #[source]
        cause: sqlx::Error,
    },
    #[error("the copy is damaged, and so may be the books: {what}; run `quota-guard doctor`")]
    Damaged { what: String },
    #[error(transparent)]
    Store(#[from] OpenError),
}

/// What was copied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backup {
    pub bytes: u64,
    /// Lines of the journal in it.
    pub lines: u64,
}

/// Copies the books in `path` to `to`, which must not be there.
pub async fn backup(path: &Path, to: &Path) -> Result<Backup, BackupError> {
    let unwritable = |cause| BackupError::Unwritable {
        path: to.into(),
        cause,
    };
    let source = reading(path).await?;
    // whoever else wants this name now is told that it is taken
    let claim = OpenOptions::new().write(true).create_new(true).open(to);
    claim.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists { path: to.into() },
        _ => unwritable(cause),
    })?;
    let partial = beside(to);
    let copied = copied(source, &partial).await;
    let kept = copied.and_then(|backup| {
        keep(&partial, to).map_err(unwritable)?;
        Ok(backup)
    });
    if kept.is_err() {
        _ = std::fs::remove_file(&partial);
        _ = std::fs::remove_file(to);
    }
    kept
}

/// The books, to be read alone: a guard may write them meanwhile.
async fn reading(path: &Path) -> Result<SqliteConnection, BackupError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let options = options.disable_statement_logging(); // to copy it all takes its time
    let opened = options.busy_timeout(LOCKED_FOR).connect().await;
    let mut source = opened.map_err(|cause| open::not_ours(path, cause))?;
    let marked: Result<i64, _> = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut source)
        .await;
    match marked.map_err(|cause| open::not_ours(path, cause))? {
        APPLICATION_ID => Ok(source),
        _ => Err(BackupError::NotOurs { path: path.into() }),
    }
}

async fn copied(mut source: SqliteConnection, to: &Path) -> Result<Backup, BackupError> {
    let failed = |cause| BackupError::NotCopied {
        path: to.into(),
        cause,
    };
    let name = to.to_str().ok_or_else(|| BackupError::Unwritable {
        path: to.into(),
        cause: io::Error::other("its name is not plain text"),
    })?;
    sqlx::query("VACUUM INTO ?")
        .bind(name)
        .execute(&mut source)
        .await
        .map_err(failed)?;
    source.close().await.map_err(failed)?;
    let mut copy = reading(to).await?;
    let damage: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(3)")
        .fetch_all(&mut copy)
        .await
        .map_err(failed)?;
    if damage != ["ok"] {
        return Err(BackupError::Damaged {
            what: damage.join("; "),
        });
    }
    let lines: i64 = sqlx::query_scalar("SELECT count(*) FROM entry")
        .fetch_one(&mut copy)
        .await
        .map_err(failed)?;
    copy.close().await.map_err(failed)?;
    let bytes = std::fs::metadata(to).map(|file| file.len());
    Ok(Backup {
        bytes: bytes.map_err(|cause| BackupError::Unwritable {
            path: to.into(),
            cause,
        })?,
        lines: lines.unsigned_abs(),
    })
}

/// Puts the copy where it belongs, when all of it is on the disk.
fn keep(partial: &Path, to: &Path) -> io::Result<()> {
    File::open(partial)?.sync_all()?;
    std::fs::rename(partial, to)?;
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn beside(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}
