//! The journal of a replica: a small file on its own disk that says who it is, which life it leads, and
//! how much of each lease may have been spent in it.
//!
//! Lines are added and synced before what they allow is spent. Each ends with a checksum: a line that a
//! power cut tore was never relied upon, and neither is what follows it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ledger::{AccountKey, Epoch, Marks, Proof, ReplicaId};
use crate::store::OpenError;
use crate::store::lock::StoreLock;
use crate::units::{Amount, Unit, UtcTime};

/// The first line of every journal.
const TITLE: &str = "quota-guard journal, version 1";
/// A journal that has grown beyond this is written anew.
const MOST_BYTES: u64 = 1 << 20;
#[derive(Debug, thiserror::Error)]
#[error("the journal {} cannot be written", path.display())]
pub struct JournalError {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// A write failed, perhaps in the middle of a line: the file must be written anew.
    torn: bool,
    replica: ReplicaId,
    proof: Option<Proof>,
    /// The life that the marks in the file belong to.
    epoch: Option<Epoch>,
    _lock: StoreLock,
}

/// One line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Replica(String),
    Life(i64),
    /// The last report that the books have taken.
    Reported(u64),
    Mark {
        budget: String,
        partition: String,
        unit: Unit,
        starts_at: i64,
        micros: i64,
    },
}

impl Journal {
    /// Opens the journal, or makes one for a replica that is new: `name` is what it is called then.
    pub fn open(path: &Path, name: ReplicaId) -> Result<Self, OpenError> {
        let lock = StoreLock::take(path).map_err(|error| match error {
            OpenError::InUse { path } => OpenError::JournalInUse { path },
            other => other,
        })?;
        let unreachable = |cause: io::Error| OpenError::Unreachable {
            place: path.display().to_string(),
            cause: cause.into(),
        };
        let text = match std::fs::read(path) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(unreachable)?,
        };
        let lines = read_lines(&text).ok_or_else(|| OpenError::NotOurs {
            place: path.display().to_string(),
            instead: "another file with store.journal",
        })?;
        let (replica, proof) = understand(lines);
        let replica = replica.unwrap_or(name);
        // what it proves stays on the disk until another life has begun
        let lines = match &proof {
            None => vec![Line::Replica(replica.to_string())],
            Some(Proof {
                epoch,
                reported,
                marks,
            }) => lines_of(
                replica,
                *epoch,
                *reported,
                marks.as_ref().unwrap_or(&Marks::new()),
            ),
        };
        Ok(Self {
            path: path.into(),
            file: written_anew(path, &lines).map_err(unreachable)?,
            bytes: 0,
            torn: false,
            replica,
            proof,
            epoch: None,
            _lock: lock,
        })
    }

    pub const fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// What it shows of the last life; `None` of a replica that is new.
    pub const fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    /// Nothing is known any more of earlier lives: the books are taken as they are.
    pub fn forget(&mut self) -> Result<(), JournalError> {
        self.proof = None;
        let lines = [Line::Replica(self.replica.to_string())];
        self.file = self.told(written_anew(&self.path, &lines))?;
        Ok(())
    }

    /// Another life has begun, in which nothing is spent yet.
    pub fn begin(&mut self, epoch: Epoch) -> Result<(), JournalError> {
        let lines = lines_of(self.replica, epoch, 0, &Marks::new());
        self.file = self.told(written_anew(&self.path, &lines))?;
        (self.epoch, self.bytes, self.torn) = (Some(epoch), 0, false);
        Ok(())
    }

    /// Makes marks durable. `all` are those that count, for when the file must be written anew. Marks of a
    /// life that is over are not written, and nothing of it may be spent.
    pub fn mark(
        &mut self,
        epoch: Epoch,
        reported: u64,
        marks: &Marks,
        all: impl FnOnce() -> Marks,
    ) -> Result<(), JournalError> {
        if self.epoch != Some(epoch) {
            return Err(self.failed(io::Error::other("another life has begun")));
        }
        if self.bytes > MOST_BYTES || self.torn {
            let mut all = all();
            for (key, mark) in marks {
                all.insert(key.clone(), *mark);
            }
            let lines = lines_of(self.replica, epoch, reported, &all);
            self.file = self.told(written_anew(&self.path, &lines))?;
            (self.bytes, self.torn) = (0, false);
            return Ok(());
        }
        let mut text = text_of(&Line::Reported(reported));
        for (key, mark) in marks {
            text += &text_of(&Line::of(key, *mark));
        }
        let wrote = self
            .file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data());
        self.torn = wrote.is_err(); // nobody reads what stands behind half a line
        self.told(wrote)?;
        self.bytes = self
            .bytes
            .saturating_add(text.len().try_into().unwrap_or(u64::MAX));
        Ok(())
    }

    fn told<T>(&self, wrote: io::Result<T>) -> Result<T, JournalError> {
        wrote.map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: io::Error) -> JournalError {
        JournalError {
            path: self.path.clone(),
            cause,
        }
    }
}

impl Line {
    fn of(key: &AccountKey, mark: Amount) -> Self {
        Self::Mark {
            budget: key.budget.to_string(),
            partition: key.partition.to_string(),
            unit: key.unit,
            starts_at: key.starts_at.as_microsecond(),
            micros: mark.micros(),
        }
    }
}

fn lines_of(replica: ReplicaId, epoch: Epoch, reported: u64, marks: &Marks) -> Vec<Line> {
    let mut lines = vec![
        Line::Replica(replica.to_string()),
        Line::Life(epoch.number()),
        Line::Reported(reported),
    ];
    lines.extend(marks.iter().map(|(key, mark)| Line::of(key, *mark)));
    lines
}

fn text_of(line: &Line) -> String {
    let text = serde_json::to_string(line).unwrap_or_default();
    format!("{text} {}\n", checksum(&text))
}

fn checksum(text: &str) -> String {
    let mut first = [0; 8];
    let digest = Sha256::digest(text);
    first
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    format!("{:016x}", u64::from_be_bytes(first))
}

/// Replaces the file in one step, so that a power cut leaves the old one or the new one.
fn written_anew(path: &Path, lines: &[Line]) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let text: String = lines.iter().map(text_of).collect();
    let mut file = File::create(&new)?;
    file.write_all(format!("{TITLE}\n{text}").as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        File::open(folder)?.sync_all()?;
    }
    OpenOptions::new().append(true).open(path)
}

/// The lines up to the first that is torn; `None` when the file is no journal.
fn read_lines(text: &[u8]) -> Option<Vec<Line>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let text = String::from_utf8_lossy(text);
    let rest = text.strip_prefix(TITLE)?.strip_prefix('\n')?;
    let whole = rest
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    let read = |line: &str| {
        let (text, check) = line.rsplit_once(' ')?;
        (checksum(text) == check).then(|| serde_json::from_str(text).ok())?
    };
    Some(whole.map_while(read).collect())
}

fn understand(lines: Vec<Line>) -> (Option<ReplicaId>, Option<Proof>) {
    let (mut replica, mut proof): (Option<ReplicaId>, Option<Proof>) = (None, None);
    for line in lines {
        match (line, &mut proof) {
            (Line::Replica(name), _) => replica = name.parse().ok(),
            (Line::Life(epoch), proof) => {
                *proof = Some(Proof {
                    epoch: Epoch::from_number(epoch),
                    reported: 0,
                    marks: Some(Marks::new()),
                });
            }
            (Line::Reported(number), Some(proof)) => proof.reported = proof.reported.max(number),
            (
                Line::Mark {
                    budget,
                    partition,
                    unit,
                    starts_at,
                    micros,
                },
                Some(proof),
            ) => {
                let starts_at = UtcTime::from_microsecond(starts_at).ok();
                let mark = Amount::from_micros(micros);
                if let (Some(starts_at), Some(mark), Some(marks)) =
                    (starts_at, mark, &mut proof.marks)
                {
                    let key = AccountKey {
                        budget: budget.into(),
                        partition: partition.into(),
                        unit,
                        starts_at,
                    };
                    marks.insert(key, mark);
                }
            }
            (Line::Reported(_) | Line::Mark { .. }, None) => {}
        }
    }
    (replica, proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(budget: &str) -> AccountKey {
        AccountKey {
            budget: budget.into(),
            partition: "team=a b".into(),
            unit: Unit::Pu,
            starts_at: UtcTime::UNIX_EPOCH,
        }
    }

    fn name() -> ReplicaId {
        ReplicaId::from_uuid(uuid::Uuid::from_u128(7))
    }

    fn other() -> ReplicaId {
        ReplicaId::from_uuid(uuid::Uuid::from_u128(8))
    }

    fn marks(budget: &str, whole: u64) -> Marks {
        Marks::from([(key(budget), Amount::from_whole(whole).unwrap())])
    }

    #[test]
    fn it_says_after_a_restart_what_it_was_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.replica");
        let mut journal = Journal::open(&path, name()).unwrap();
        assert!(journal.proof().is_none());
        let life = Epoch::from_number(3);
        journal.begin(life).unwrap();
        journal.mark(life, 1, &marks("a", 5), Marks::new).unwrap();
        journal.mark(life, 4, &marks("a", 9), Marks::new).unwrap();
        journal.mark(life, 4, &marks("b", 2), Marks::new).unwrap();
        drop(journal);
        for _ in 0..2 {
            let journal = Journal::open(&path, other()).unwrap();
            assert_eq!(journal.replica(), name(), "it is the same replica");
            let mut all = marks("a", 9);
            all.extend(marks("b", 2));
            let proof = Proof {
                epoch: life,
                reported: 4,
                marks: Some(all),
            };
            assert_eq!(journal.proof(), Some(&proof), "until another life begins");
        }
        let mut journal = Journal::open(&path, other()).unwrap();
        journal.begin(Epoch::from_number(4)).unwrap();
        assert!(journal.mark(life, 5, &marks("a", 10), Marks::new).is_err());
    }

    #[test]
    fn a_torn_line_was_never_relied_upon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.replica");
        let mut journal = Journal::open(&path, name()).unwrap();
        let life = Epoch::from_number(1);
        journal.begin(life).unwrap();
        journal.mark(life, 0, &marks("a", 5), Marks::new).unwrap();
        let whole = std::fs::read(&path).unwrap();
        journal.mark(life, 0, &marks("a", 9), Marks::new).unwrap();
        drop(journal);
        let all = std::fs::read(&path).unwrap();
        for length in whole.len()..all.len() {
            std::fs::write(&path, &all[..length]).unwrap();
            let journal = Journal::open(&path, name()).unwrap();
            let proof = journal.proof().unwrap();
            assert_eq!(
                proof.marks,
                Some(marks("a", 5)),
                "{length} of {}",
                all.len()
            );
        }
    }

    #[test]
    fn marks_behind_a_line_that_tore_while_it_was_written_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.replica");
        let mut journal = Journal::open(&path, name()).unwrap();
        let life = Epoch::from_number(1);
        journal.begin(life).unwrap();
        journal.mark(life, 0, &marks("a", 5), Marks::new).unwrap();
        let mut half = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
        half.write_all(b"{\"mark").unwrap();
        assert!(journal.mark(life, 0, &marks("a", 7), Marks::new).is_err());
        journal.file = half; // the disk has room again
        journal
            .mark(life, 0, &marks("a", 9), || marks("b", 3))
            .unwrap();
        journal.mark(life, 0, &marks("b", 4), Marks::new).unwrap();
        drop(journal);
        let journal = Journal::open(&path, name()).unwrap();
        let mut all = marks("a", 9);
        all.extend(marks("b", 4));
        assert_eq!(journal.proof().unwrap().marks, Some(all));
    }

    #[test]
    fn it_is_written_anew_before_it_is_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.replica");
        let mut journal = Journal::open(&path, name()).unwrap();
        let life = Epoch::from_number(1);
        journal.begin(life).unwrap();
        journal.bytes = MOST_BYTES + 1;
        journal
            .mark(life, 2, &marks("a", 9), || marks("b", 3))
            .unwrap();
        drop(journal);
        let journal = Journal::open(&path, name()).unwrap();
        let mut all = marks("a", 9);
        all.extend(marks("b", 3));
        assert_eq!(journal.proof().unwrap().marks, Some(all));
    }

    #[test]
    fn a_file_that_is_no_journal_and_one_in_use_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.replica");
        std::fs::write(&path, "something else").unwrap();
        assert!(matches!(
            Journal::open(&path, name()),
            Err(OpenError::NotOurs { .. })
        ));
        std::fs::remove_file(&path).unwrap();
        let _first = Journal::open(&path, name()).unwrap();
        let second = Journal::open(&path, name());
        assert!(matches!(second, Err(OpenError::JournalInUse { .. })));
    }
}
