//! Random steps, against books that are a few numbers: nothing is lost, and nothing is spent twice.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const BUDGETS: [&str; 2] = ["org", "team"];
const ROOM: u64 = 400;

#[derive(Clone, Debug)]
enum Step {
    /// Of how many of the budgets, and how much.
    Ask(usize, u64),
    Close(usize, Outcome),
    /// The books take the report that is due. Their answer waits.
    Send,
    /// The answer is read, or it is lost.
    Hear(bool),
    Mark(bool),
    GiveBack,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        4 => (0..12_u64).prop_map(charged),
        1 => Just(Outcome::Voided),
        1 => Just(unknown()),
    ];
    prop_oneof![
        8 => (1..=2_usize, 1..6_u64).prop_map(|(budgets, amount)| Step::Ask(budgets, amount)),
        6 => (0..8_usize, outcome).prop_map(|(place, outcome)| Step::Close(place, outcome)),
        4 => Just(Step::Send),
        4 => (0..4_u8).prop_map(|chance| Step::Hear(chance > 0)),
        4 => (0..4_u8).prop_map(|chance| Step::Mark(chance > 0)),
        1 => Just(Step::GiveBack),
        4 => (0..400_i64).prop_map(Step::Wait),
    ]
}

/// What the books have of one account.
#[derive(Debug, Default)]
struct Row {
    leased: Amount,
    settled: Amount,
    unknown: Amount,
}

#[derive(Debug)]
struct Run {
    book: LeaseBook,
    rows: [Row; 2],
    now: i64,
    asked: u8,
    under_way: Vec<NewReservation>,
    /// What has ended and is not in the books, with what it takes of each lease.
    ended: Vec<(RequestId, Vec<Amount>)>,
    taken: u64,
    answer: Option<(u64, Vec<Leased>)>,
}

impl Run {
    fn new() -> Self {
        Self {
            book: LeaseBook::new(Epoch::from_number(1), at(0)),
            rows: Default::default(),
            now: 0,
            asked: 0,
            under_way: Vec::new(),
            ended: Vec::new(),
            taken: 0,
            answer: None,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Ask(budgets, amount) => {
                let claims = BUDGETS[..budgets].iter();
                let claims = claims.map(|budget| claim(budget, amount, LIMIT)).collect();
                self.asked = self.asked.wrapping_add(1);
                let new = request(self.asked, claims);
                if self.book.admit(&new, at(self.now)).is_ok() {
                    self.under_way.push(new);
                }
            }
            Step::Close(place, outcome) => {
                if place < self.under_way.len() {
                    let new = self.under_way.swap_remove(place);
                    self.close(&new, &outcome);
                }
            }
            Step::Send => self.send(),
            Step::Hear(heard) => {
                if let Some((number, answer)) = self.answer.take().filter(|_| heard) {
                    self.book.acknowledge(number, &answer);
                }
            }
            Step::Mark(written) => {
                let due = self.book.marks_due();
                if written {
                    self.book.marked(&due);
                } else {
                    self.book.not_marked();
                }
            }
            Step::GiveBack => drop(self.book.give_back([key("org")].iter())),
            Step::Wait(millis) => self.now += millis,
        }
    }

    fn close(&mut self, new: &NewReservation, outcome: &Outcome) {
        let closed = self.book.close(new.request, outcome, at(self.now));
        assert!(matches!(closed, Some(Ok(_))), "{closed:?}");
        let state = outcome.state();
        let taken = |claim: &Claim| {
            let charged = state.charged(claim).unwrap_or(claim.amount);
            charged.min(claim.amount)
        };
        let taken = new.claims.iter().map(taken).collect();
        self.ended.push((new.request, taken));
    }

    fn send(&mut self) {
        let Some(report) = self.book.report_due(at(self.now)) else {
            return;
        };
        if report.number > self.taken {
            assert_eq!(report.number, self.taken + 1);
            self.taken = report.number;
            for record in &report.ended {
                self.settle(record);
            }
            for want in &report.wants {
                let row = &mut self.rows[place(&want.account)];
                let used = [row.leased, row.settled, row.unknown];
                let used = used.into_iter().fold(Amount::ZERO, Amount::saturating_add);
                let room = units(ROOM).minus(used).part_floor(2);
                let more = want.amount.minus(row.leased).min(room);
                row.leased = row.leased.min(want.amount).saturating_add(more);
            }
        }
        let answer = granting(&report, |want| self.rows[place(&want.account)].leased);
        self.answer = Some((report.number, answer));
    }

    fn settle(&mut self, record: &Record) {
        let known = self.ended.iter().position(|(id, _)| *id == record.request);
        let (_, taken) = self
            .ended
            .swap_remove(known.expect("it ended, and was not reported"));
        for (claim, taken) in record.claims.iter().zip(taken) {
            let row = &mut self.rows[place(&claim.account)];
            row.leased = row.leased.checked_sub(taken).expect("it was leased");
            let column = match record.state {
                State::Unknown { .. } => &mut row.unknown,
                _ => &mut row.settled,
            };
            *column = column.saturating_add(taken);
        }
    }

    /// Whatever was admitted, and is not in the books, is leased there.
    fn is_covered(&self) -> bool {
        let mut needed = [Amount::ZERO; 2];
        for claim in self.under_way.iter().flat_map(|new| &new.claims) {
            let sum = &mut needed[place(&claim.account)];
            *sum = sum.saturating_add(claim.amount);
        }
        for (_, taken) in &self.ended {
            for (sum, taken) in needed.iter_mut().zip(taken) {
                *sum = sum.saturating_add(*taken);
            }
        }
        let mut all = self.rows.iter().zip(needed);
        all.all(|(row, needed)| row.leased >= needed)
    }

    fn end(&mut self) {
        for new in std::mem::take(&mut self.under_way) {
            self.close(&new, &charged(1));
        }
        for _ in 0..6 {
            self.book.give_back_all();
            self.send();
            self.take(Step::Hear(true));
        }
    }
}

fn place(account: &Account) -> usize {
    usize::from(*account.budget == *BUDGETS[1])
}

proptest! {
    #[test]
    fn no_amount_is_lost_or_doubled(steps in vec(step(), 1..200)) {
        let mut run = Run::new();
        for step in steps {
            run.take(step.clone());
            prop_assert!(run.is_covered(), "after {step:?}: {run:#?}");
        }
        run.end();
        prop_assert!(run.ended.is_empty(), "{run:#?}");
        prop_assert!(!run.book.has_news());
        for row in &run.rows {
            prop_assert_eq!(row.leased, Amount::ZERO);
        }
    }
}
