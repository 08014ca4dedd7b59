//! The journal, replayed line by line and held against the rows of the books.

use std::collections::BTreeMap;

use crate::ledger::{AccountKey, Balance, Entry};
use crate::store::Shelf;
use crate::units::Amount;

/// Balances as the journal has them.
#[derive(Debug, Default)]
pub(super) struct Replay {
    rows: BTreeMap<AccountKey, Row>,
    pub(super) lines: u64,
}

#[derive(Debug)]
enum Row {
    Sum(Balance),
    /// A line could not be applied, and what came behind it means nothing.
    Broken(String),
}

impl Replay {
    pub(super) fn take(&mut self, entry: &Entry) {
        self.lines += 1;
        let key = AccountKey::from(&entry.account);
        let row = self
            .rows
            .entry(key)
            .or_insert_with(|| Row::Sum(Balance::empty(entry.account.clone())));
        let Row::Sum(balance) = row else { return };
        *row = match balance.after(entry.kind, entry.reserved, entry.charged) {
            Ok(next) => Row::Sum(next),
            Err(cause) => Row::Broken(format!("line {} ({cause})", entry.sequence)),
        };
    }

    /// A sentence for each row that says something else than the journal.
    pub(super) fn differences(&self, shelves: &[Shelf]) -> Vec<String> {
        let differs = |shelf: &Shelf| {
            let untouched = || Row::Sum(Balance::empty(shelf.balance.account.clone()));
            let what = match self.rows.get(&shelf.key()) {
                Some(Row::Broken(line)) => format!("the journal does not add up at {line}"),
                Some(Row::Sum(sum)) => columns(&shelf.balance, sum)?,
                None => match untouched() {
                    Row::Sum(sum) => columns(&shelf.balance, &sum)?,
                    Row::Broken(_) => return None,
                },
            };
            Some(format!("{}: {what}", named(&shelf.key())))
        };
        shelves.iter().filter_map(differs).collect()
    }
}

/// A row of the books in words.
pub(super) fn named(key: &AccountKey) -> String {
    let AccountKey {
        budget,
        partition,
        unit,
        starts_at,
    } = key;
    let part = if partition.is_empty() {
        String::new()
    } else {
        format!(", {partition}")
    };
    format!("budget {budget} ({unit}{part}, window of {starts_at})")
}

/// Which columns differ; `None` when none does.
fn columns(row: &Balance, journal: &Balance) -> Option<String> {
    let pairs: [(&str, Amount, Amount); 6] = [
        ("settled", row.settled, journal.settled),
        ("overrun", row.overrun, journal.overrun),
        ("unknown", row.unknown, journal.unknown),
        ("held", row.held, journal.held),
        ("leased", row.leased, journal.leased),
        ("drawn", row.drawn, journal.drawn),
    ];
    let wrong = pairs.iter().filter(|(_, row, journal)| row != journal);
    let told = wrong
        .map(|(column, row, journal)| format!("{column} is {row} and by the journal {journal}"));
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::EntryKind;
    use crate::policy::Account;
    use crate::units::{Span, Unit, UtcTime};

    fn account() -> Account {
        Account {
            budget: "org".into(),
            partition: "team=ag".into(),
            unit: Unit::Pu,
            window: Span {
                start: UtcTime::UNIX_EPOCH,
                end: None,
            },
        }
    }

    fn line(kind: EntryKind, reserved: u64) -> Entry {
        Entry {
            sequence: 7,
            at: UtcTime::UNIX_EPOCH,
            request: None,
            account: account(),
            kind,
            reserved: Amount::from_whole(reserved).unwrap(),
            charged: Amount::ZERO,
            note: "".into(),
        }
    }

    fn shelf(held: u64) -> Shelf {
        Shelf {
            balance: Balance {
                held: Amount::from_whole(held).unwrap(),
                ..Balance::empty(account())
            },
            leases: BTreeMap::new(),
            draws: BTreeMap::new(),
        }
    }

    #[test]
    fn each_row_that_differs_is_named_with_what_differs() {
        let mut replay = Replay::default();
        let row = "budget org (pu, team=ag, window of 1970-01-01T00:00:00Z)";
        assert_eq!(
            replay.differences(&[shelf(2)]),
            [format!("{row}: held is 2 and by the journal 0")]
        );
        replay.take(&line(EntryKind::Reserve, 3));
        assert_eq!(replay.differences(&[shelf(3)]), [""; 0]);
        replay.take(&line(EntryKind::Void, 4));
        replay.take(&line(EntryKind::Reserve, 9));
        let told = replay.differences(&[shelf(3)]);
        assert!(told[0].contains("does not add up at line 7"), "{told:?}");
    }
}
