//! Lines of the journal into fewer lines that say the same: pure, and checked by replaying both.

use std::collections::BTreeMap;

use super::Line;
use crate::ledger::{AccountKey, Balance, Entry, EntryKind, LedgerError};

/// What stands in a line that took the place of others.
const NOTE: &str = "rolled up";

/// How balances stand at a place in the journal.
pub(super) type Sums = BTreeMap<AccountKey, Balance>;

/// What a stretch of the journal may become.
#[derive(Debug)]
pub(super) struct Rolled {
    /// The places of lines that go.
    pub(super) gone: Vec<u64>,
    /// Lines that come, in some of those places.
    pub(super) new: Vec<Line>,
    /// How balances stand behind the stretch, before and after.
    pub(super) sums: Sums,
}

/// Rolls up a stretch that lies between two places in the journal, where balances stand at `before`. Lines
/// that must stay stay where they are. `None` where there is nothing to do, or where the result would not
/// replay.
///
/// What only adds comes first in the stretch and everything else last, each kind behind what it takes from.
/// So no column is ever short, and what comes behind the stretch finds what it found before.
pub(super) fn roll_up(stretch: &[Line], before: &Sums) -> Result<Option<Rolled>, LedgerError> {
    let sums = replayed(before, stretch)?;
    let (going, staying): (Vec<&Line>, Vec<&Line>) = stretch.iter().partition(|line| line.may_go);
    let groups = gathered(&going);
    let nameless = |line: &&Line| line.entry.request.is_none();
    if groups.len() == going.len() && going.iter().all(nameless) {
        return Ok(None);
    }
    let new = in_place(groups, &going);
    let mut lines: Vec<&Line> = new.iter().chain(staying).collect();
    lines.sort_by_key(|line| line.entry.sequence);
    if !matches!(replayed(before, lines), Ok(same) if same == sums) {
        return Ok(None);
    }
    let gone = going.iter().map(|line| line.entry.sequence).collect();
    Ok(Some(Rolled { gone, new, sums }))
}

/// How balances stand behind these lines.
pub(super) fn replayed<'a>(
    before: &Sums,
    lines: impl IntoIterator<Item = &'a Line>,
) -> Result<Sums, LedgerError> {
    let mut sums = before.clone();
    for Line { entry, .. } in lines {
        let row = sums
            .entry(AccountKey::from(&entry.account))
            .or_insert_with(|| Balance::empty(entry.account.clone()));
        *row = row.after(entry.kind, entry.reserved, entry.charged)?;
    }
    Ok(sums)
}

/// One line for each account, kind, and whether more was charged than reserved: those two cannot be told
/// apart in a sum. What is too large for one amount goes on in another line.
fn gathered(going: &[&Line]) -> Vec<Line> {
    let mut groups: BTreeMap<(usize, AccountKey, bool), Vec<Line>> = BTreeMap::new();
    for line in going {
        let entry = &line.entry;
        let over = entry.charged > entry.reserved;
        let key = (rank(entry.kind), AccountKey::from(&entry.account), over);
        let group = groups.entry(key).or_default();
        let sum = group.last_mut().and_then(|sum| add(&mut sum.entry, entry));
        if sum.is_none() {
            group.push(of_no_request(line));
        }
    }
    groups.into_values().flatten().collect()
}

/// `None` and nothing done where the sum is too large for one amount.
fn add(sum: &mut Entry, entry: &Entry) -> Option<()> {
    let reserved = sum.reserved.checked_add(entry.reserved)?;
    let charged = sum.charged.checked_add(entry.charged)?;
    (sum.reserved, sum.charged) = (reserved, charged);
    sum.at = sum.at.max(entry.at);
    sum.note = NOTE.into();
    Some(())
}

fn of_no_request(line: &Line) -> Line {
    let mut line = line.clone();
    if line.entry.request.take().is_some() {
        line.entry.note = NOTE.into();
    }
    line
}

/// The lines in the places that are free now: what only adds in the first, the rest in the last.
fn in_place(mut groups: Vec<Line>, going: &[&Line]) -> Vec<Line> {
    let adds = groups
        .iter()
        .take_while(|line| rank(line.entry.kind) < ADDING)
        .count();
    let rest = groups.len() - adds;
    let places: Vec<u64> = going.iter().map(|line| line.entry.sequence).collect();
    let (first, last) = (places.iter(), places.iter().skip(going.len() - rest));
    for (line, place) in groups.iter_mut().zip(first.take(adds).chain(last)) {
        line.entry.sequence = *place;
    }
    groups
}

/// How many kinds only add.
const ADDING: usize = 3;

/// The order of kinds in a stretch: first what only adds, then each behind what it takes from.
fn rank(kind: EntryKind) -> usize {
    const ORDER: [EntryKind; 12] = [
        EntryKind::Draw,
        EntryKind::Lease,
        EntryKind::Reserve,
        EntryKind::Unknown,
        EntryKind::Doubt,
        EntryKind::Settle,
        EntryKind::Spend,
        EntryKind::Reopen,
        EntryKind::Reconcile,
        EntryKind::Void,
        EntryKind::Return,
        EntryKind::Undraw,
    ];
    let place = ORDER.iter().position(|known| *known == kind);
    place.unwrap_or(ORDER.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::RequestId;
    use crate::policy::Account;
    use crate::units::{Amount, Span, Unit, UtcTime};

    const NOW: UtcTime = UtcTime::UNIX_EPOCH;

    fn account(budget: &str) -> Account {
        Account {
            budget: budget.into(),
            partition: "".into(),
            unit: Unit::Pu,
            window: Span {
                start: NOW,
                end: None,
            },
        }
    }

    fn micros(micros: i64) -> Amount {
        Amount::from_micros(micros).unwrap()
    }

    /// Writes a journal line by line.
    #[derive(Default)]
    struct Journal(Vec<Line>);

    impl Journal {
        fn line(&mut self, kind: EntryKind, reserved: i64, charged: i64, may_go: bool) {
            let sequence = u64::try_from(self.0.len()).unwrap() + 1;
            let mut random = [0; 10];
            random[9] = u8::try_from(sequence % 256).unwrap();
            self.0.push(Line {
                entry: Entry {
                    sequence,
                    at: NOW,
                    request: Some(RequestId::new(NOW, random)),
                    account: account("org"),
                    kind,
                    reserved: micros(reserved),
                    charged: micros(charged),
                    note: "".into(),
                },
                account_id: 1,
                may_go,
            });
        }
    }

    fn rolled(journal: &Journal) -> Vec<Line> {
        let rolled = roll_up(&journal.0, &Sums::new()).unwrap();
        merged(&journal.0, rolled.expect("it can be rolled up"))
    }

    /// What stands in the journal then.
    fn merged(stretch: &[Line], rolled: Rolled) -> Vec<Line> {
        let stays = |line: &&Line| !rolled.gone.contains(&line.entry.sequence);
        let mut lines: Vec<Line> = stretch.iter().filter(stays).cloned().collect();
        lines.extend(rolled.new);
        lines.sort_by_key(|line| line.entry.sequence);
        lines
    }

    fn told(lines: &[Line]) -> Vec<(u64, &'static str, i64, i64)> {
        let told = |line: &Line| {
            let entry = &line.entry;
            let (reserved, charged) = (entry.reserved.micros(), entry.charged.micros());
            (entry.sequence, entry.kind.name(), reserved, charged)
        };
        lines.iter().map(told).collect()
    }

    #[test]
    fn lines_of_one_kind_become_one_and_overruns_stay_apart() {
        let mut journal = Journal::default();
        for charged in [4, 10, 13] {
            journal.line(EntryKind::Reserve, 10, 0, true);
            journal.line(EntryKind::Settle, 10, charged, true);
        }
        assert_eq!(
            told(&rolled(&journal)),
            [
                (1, "reserve", 30, 0),
                (5, "settle", 20, 14),
                (6, "settle", 10, 13)
            ]
        );
    }

    #[test]
    fn what_is_open_stays_where_it_is_and_as_it_is() {
        let mut journal = Journal::default();
        journal.line(EntryKind::Reserve, 10, 0, true);
        journal.line(EntryKind::Reserve, 7, 0, false);
        journal.line(EntryKind::Void, 10, 0, true);
        journal.line(EntryKind::Reserve, 1, 0, true);
        journal.line(EntryKind::Unknown, 7, 0, false);
        journal.line(EntryKind::Void, 1, 0, true);
        let lines = rolled(&journal);
        assert_eq!(
            told(&lines),
            [
                (1, "reserve", 11, 0),
                (2, "reserve", 7, 0),
                (5, "unknown", 7, 0),
                (6, "void", 11, 0)
            ]
        );
        assert!(lines[1].entry.request.is_some() && lines[0].entry.request.is_none());
        assert_eq!(&*lines[0].entry.note, "rolled up");
    }

    #[test]
    fn what_is_rolled_up_is_left_alone_and_no_line_keeps_its_request() {
        let mut journal = Journal::default();
        journal.line(EntryKind::Reserve, 10, 0, true);
        journal.line(EntryKind::Settle, 10, 4, true);
        let lines = rolled(&journal);
        assert_eq!(told(&lines), [(1, "reserve", 10, 0), (2, "settle", 10, 4)]);
        assert!(lines.iter().all(|line| line.entry.request.is_none()));
        assert!(roll_up(&lines, &Sums::new()).unwrap().is_none());
        assert!(roll_up(&[], &Sums::new()).unwrap().is_none());
    }

    #[test]
    fn what_would_be_too_large_to_count_is_left_alone() {
        let mut journal = Journal::default();
        for _ in 0..3 {
            journal.line(EntryKind::Reserve, i64::MAX / 2 + 9, 0, true);
            journal.line(EntryKind::Void, i64::MAX / 2 + 9, 0, true);
        }
        assert!(roll_up(&journal.0, &Sums::new()).unwrap().is_none());
    }

    #[test]
    fn a_journal_that_does_not_replay_is_an_error_and_not_mended() {
        let mut journal = Journal::default();
        for _ in 0..3 {
            journal.line(EntryKind::Void, 1, 0, true);
        }
        let error = roll_up(&journal.0, &Sums::new()).unwrap_err();
        assert!(matches!(error, LedgerError::Corrupt { .. }));
    }

    /// A step of some request or lease that is allowed where the journal stands.
    fn possible(sum: &Balance, wish: (u8, i64, i64)) -> (EntryKind, i64, i64) {
        let (kind, amount, charged) = wish;
        let part = |whole: Amount| amount.min(whole.micros());
        match kind {
            0 => (EntryKind::Reserve, amount, 0),
            1 => (EntryKind::Settle, part(sum.held), charged),
            2 => (EntryKind::Void, part(sum.held), 0),
            3 => (EntryKind::Unknown, part(sum.held), 0),
            4 => (EntryKind::Reconcile, part(sum.unknown), charged),
            5 => {
                let settled = part(sum.settled);
                (
                    EntryKind::Reopen,
                    settled.max(charged.min(settled)),
                    settled,
                )
            }
            6 => (EntryKind::Lease, amount, 0),
            7 => (EntryKind::Return, part(sum.leased), 0),
            8 => (EntryKind::Spend, part(sum.leased), charged),
            9 => (EntryKind::Doubt, part(sum.leased), 0),
            10 => (EntryKind::Draw, amount, 0),
            _ => (EntryKind::Undraw, part(sum.drawn), 0),
        }
    }

    /// What can become of a request, a lease or a draw.
    const LIVES: [&[EntryKind]; 8] = [
        &[EntryKind::Reserve, EntryKind::Settle],
        &[EntryKind::Reserve, EntryKind::Void],
        &[EntryKind::Reserve, EntryKind::Unknown, EntryKind::Reconcile],
        &[
            EntryKind::Reserve,
            EntryKind::Settle,
            EntryKind::Reopen,
            EntryKind::Reconcile,
        ],
        &[EntryKind::Lease, EntryKind::Spend],
        &[EntryKind::Lease, EntryKind::Return],
        &[EntryKind::Lease, EntryKind::Doubt, EntryKind::Reconcile],
        &[EntryKind::Draw, EntryKind::Undraw],
    ];

    proptest! {
        #[test]
        fn any_journal_replays_to_the_same_balances_when_it_is_rolled_up_in_stretches(
            wishes in prop::collection::vec((0..12u8, 0..1000i64, 0..1500i64), 1..120),
            cuts in prop::collection::vec(1..40usize, 1..12),
        ) {
            let mut journal = Journal::default();
            let mut sum = Balance::empty(account("org"));
            for wish in wishes {
                let (kind, reserved, charged) = possible(&sum, wish);
                journal.line(kind, reserved, charged, true);
                sum = sum.after(kind, micros(reserved), micros(charged)).unwrap();
            }
            let (mut rest, mut before, mut whole) = (&journal.0[..], Sums::new(), Vec::new());
            for cut in cuts.into_iter().cycle() {
                let (stretch, behind) = rest.split_at(cut.min(rest.len()));
                if let Some(rolled) = roll_up(stretch, &before).unwrap() {
                    prop_assert!(rolled.new.len() <= rolled.gone.len());
                    before = rolled.sums.clone();
                    whole.extend(merged(stretch, rolled));
                } else {
                    whole.extend(stretch.to_vec());
                    before = replayed(&before, stretch).unwrap();
                }
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            let sequences: Vec<u64> = whole.iter().map(|line| line.entry.sequence).collect();
            prop_assert!(sequences.is_sorted_by(|one, other| one < other), "{sequences:?}");
            let replay = crate::ledger::replay(whole.iter().map(|line| &line.entry)).unwrap();
            prop_assert_eq!(replay, vec![sum]);
        }

        /// What the order of kinds is for: however requests are woven into each other, their lines fit.
        #[test]
        fn a_day_becomes_no_more_lines_than_there_are_kinds(
            lives in prop::collection::vec((0..LIVES.len(), 1..1000i64, 0..1500i64), 10..60),
            turns in prop::collection::vec(any::<prop::sample::Index>(), 400),
        ) {
            let mut journal = Journal::default();
            let mut waiting: Vec<(&[EntryKind], i64, i64)> =
                lives.iter().map(|(life, amount, charged)| (LIVES[*life], *amount, *charged)).collect();
            for turn in turns {
                if waiting.is_empty() {
                    break;
                }
                let place = turn.index(waiting.len());
                let (life, amount, charged) = waiting[place];
                let Some((next, rest)) = life.split_first() else {
                    waiting.swap_remove(place);
                    continue;
                };
                waiting[place].0 = rest;
                let charges = matches!(
                    next,
                    EntryKind::Settle | EntryKind::Spend | EntryKind::Reopen | EntryKind::Reconcile
                );
                journal.line(*next, amount, if charges { charged } else { 0 }, true);
            }
            let lines = rolled(&journal);
            prop_assert!(lines.len() <= 16, "{:?}", told(&lines));
        }
    }
}
