//! One guard per file: a lock beside the store that the system lets go of when the process ends,
//! however it ends. The store's own file is not used for it: SQLite's locks live there.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::store::OpenError;

/// Proof that no other guard has the store open, for as long as it lives.
#[derive(Debug)]
pub(super) struct StoreLock {
    _file: File,
}

impl StoreLock {
    pub(super) fn take(store: &Path) -> Result<Self, OpenError> {
        let unreachable = |cause: std::io::Error| OpenError::Unreachable {
            place: store.display().to_string(),
            cause: cause.into(),
        };
        let path = beside(store).map_err(unreachable)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let file = options.open(path).map_err(unreachable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: store.into() }),
            Err(TryLockError::Error(cause)) => Err(unreachable(cause)),
        }
    }
}

/// Whether some guard has the store open now. To find out the lock is tried and let go at once.
pub(super) fn is_held(store: &Path) -> Result<bool, OpenError> {
    let there = beside(store).is_ok_and(|path| path.exists());
    match there.then(|| StoreLock::take(store)) {
        None | Some(Ok(_)) => Ok(false),
        Some(Err(OpenError::InUse { .. })) => Ok(true),
        Some(Err(cause)) => Err(cause),
    }
}

/// The lock's own path, the same for every way of naming one store.
fn beside(store: &Path) -> std::io::Result<PathBuf> {
    let mut real = match store.canonicalize() {
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            let folder = match store.parent() {
                Some(folder) if folder != Path::new("") => folder,
                _ => Path::new("."),
            };
            folder
                .canonicalize()?
                .join(store.file_name().ok_or(missing)?)
        }
        answer => answer?,
    };
    real.as_mut_os_string().push(".lock");
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_can_be_locked_once_however_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("books.db");
        let first = StoreLock::take(&store).unwrap();
        std::fs::write(&store, "").unwrap();
        let detour = folder.path().join(".").join("books.db");
        assert!(matches!(
            StoreLock::take(&detour),
            Err(OpenError::InUse { .. })
        ));
        drop(first);
        assert!(StoreLock::take(&detour).is_ok());
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named_in_the_error() {
        let error = StoreLock::take(Path::new("/nowhere/books.db")).unwrap_err();
        assert_eq!(error.to_string(), "cannot open the store /nowhere/books.db");
    }
}
