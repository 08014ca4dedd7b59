use super::*;
use crate::ledger::{
    Charge, ChargeSource, Leased, LedgerError, NewReservation, Outcome, Standing, State, Want,
};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, Span, Unit};

mod random;

const LIMIT: u64 = 1000;

fn units(whole: u64) -> Amount {
    Amount::from_whole(whole).expect("small")
}

fn at(millis: i64) -> UtcTime {
    UtcTime::from_millisecond(1_700_000_000_000 + millis).expect("a time")
}

fn account(budget: &str) -> Account {
    let window = Span {
        start: UtcTime::UNIX_EPOCH,
        end: None,
    };
    Account {
        budget: budget.into(),
        partition: "".into(),
        unit: Unit::Pu,
        window,
    }
}

fn key(budget: &str) -> AccountKey {
    AccountKey::from(&account(budget))
}

fn claim(budget: &str, amount: u64, limit: u64) -> Claim {
    Claim {
        account: account(budget),
        amount: units(amount),
        limit: Some(units(limit)),
        enforced: true,
    }
}

fn id(number: u8) -> RequestId {
    RequestId::new(at(0), [number; 10])
}

fn request(number: u8, claims: Vec<Claim>) -> NewReservation {
    NewReservation {
        request: id(number),
        team: "agriculture".into(),
        key: "ag".into(),
        api: "process",
        product: None,
        tag: None,
        fingerprint: None,
        predicted: claims
            .iter()
            .map(|claim| (claim.account.unit, claim.amount))
            .collect(),
        claims,
        certain: false,
    }
}

/// A request against the budget `org` alone.
fn of_org(number: u8, amount: u64) -> NewReservation {
    request(number, vec![claim("org", amount, LIMIT)])
}

fn charged(whole: u64) -> Outcome {
    Outcome::Settled(Charge {
        amounts: Amounts::of(Unit::Pu, units(whole)),
        source: ChargeSource::Header,
    })
}

fn unknown() -> Outcome {
    Outcome::Unknown {
        why: "reset".into(),
    }
}

/// What the books answer when each lease holds so much from now on.
fn granting(report: &Report, amount: impl Fn(&Want) -> Amount) -> Vec<Leased> {
    let leased = |want: &Want| Leased {
        account: want.account.clone(),
        amount: amount(want),
        remaining: Some(units(LIMIT)),
        recalled: false,
    };
    report.wants.iter().map(leased).collect()
}

fn write_marks(book: &mut LeaseBook) {
    let due = book.marks_due();
    book.marked(&due);
}

/// A book whose lease of `org` was granted at the start, with that much in it, and marked.
fn leasing(amount: u64) -> LeaseBook {
    let mut book = LeaseBook::new(Epoch::from_number(1), at(0));
    assert_eq!(book.admit(&of_org(0, 1), at(0)), Err(Denial::Unleased));
    let report = book.report_due(at(100)).expect("a lease is wanted");
    let answer = granting(&report, |_| units(amount));
    book.acknowledge(report.number, &answer);
    write_marks(&mut book);
    book
}

fn is_admitted(book: &mut LeaseBook, new: &NewReservation, now: UtcTime) -> bool {
    book.admit(new, now).is_ok()
}

/// Admits what the lease has, when the journal keeps up with it.
fn take(book: &mut LeaseBook, number: u8, amount: u64) {
    let new = of_org(number, amount);
    let at_once = is_admitted(book, &new, at(100));
    write_marks(book);
    assert!(at_once || is_admitted(book, &new, at(100)));
    write_marks(book);
}

/// How many requests of one unit the lease of `org` gives, when the journal keeps up with them.
fn capacity(book: &mut LeaseBook, now: UtcTime) -> u8 {
    let mut admitted = 0;
    while is_admitted(book, &of_org(100 + admitted, 1), now) {
        admitted += 1;
        write_marks(book);
    }
    admitted
}

#[test]
fn nothing_is_admitted_before_the_books_have_granted_and_the_journal_knows() {
    let mut book = LeaseBook::new(Epoch::from_number(1), at(0));
    assert!(!is_admitted(&mut book, &of_org(1, 1), at(0)));
    let report = book.report_due(at(100)).expect("a lease is wanted");
    assert_eq!(report.wants[0].account, account("org"));
    assert!(!is_admitted(&mut book, &of_org(1, 1), at(100)));
    book.acknowledge(report.number, &granting(&report, |_| units(20)));
    assert!(!is_admitted(&mut book, &of_org(1, 1), at(100)));
    let due = book.marks_due();
    assert!(!is_admitted(&mut book, &of_org(1, 1), at(100)));
    book.marked(&due);
    assert!(is_admitted(&mut book, &of_org(1, 1), at(100)));
}

#[test]
fn no_more_is_admitted_than_was_granted() {
    let mut book = leasing(20);
    assert_eq!(capacity(&mut book, at(100)), 20);
}

#[test]
fn no_more_is_admitted_than_the_journal_allows() {
    let mut book = leasing(20);
    let mark = book.marks()[&key("org")];
    let mut admitted = Amount::ZERO;
    while is_admitted(
        &mut book,
        &of_org(1 + admitted.whole_floor().to_le_bytes()[0], 1),
        at(100),
    ) {
        admitted = admitted.saturating_add(Amount::ONE);
    }
    assert!(
        !admitted.is_zero() && admitted <= mark,
        "{admitted} of {mark}"
    );
    let due = book.marks_due();
    assert!(due[&key("org")] > mark);
    book.not_marked();
    assert!(!is_admitted(&mut book, &of_org(99, 1), at(100)));
    write_marks(&mut book);
    assert!(is_admitted(&mut book, &of_org(99, 1), at(100)));
}

#[test]
fn what_the_leases_have_room_for_waits_for_the_journal_and_is_demanded_once() {
    let mut book = leasing(20);
    let mark = book.marks()[&key("org")].whole_floor();
    for number in 1..=mark {
        let number = number.try_into().expect("few");
        assert!(is_admitted(&mut book, &of_org(number, 1), at(100)));
    }
    let new = of_org(99, 1);
    assert!(book.runs_short());
    assert_eq!(book.admit(&new, at(100)), Err(Denial::Unmarked));
    assert!(book.runs_short(), "somebody waits for a mark");
    let due = book.marks_due();
    for _ in 0..9 {
        assert_eq!(book.admit_marked(&new, at(100)), Err(Denial::Unmarked));
    }
    book.not_marked();
    assert_eq!(book.marks_due(), due, "to ask again demands no more");
    book.marked(&due);
    assert!(book.admit_marked(&new, at(100)).is_ok());
    let beyond = request(98, vec![claim("org", 1, LIMIT), claim("team", 1, LIMIT)]);
    assert_eq!(book.admit(&beyond, at(100)), Err(Denial::Unleased));
}

#[test]
fn a_mark_that_the_disk_did_not_take_counts_no_more() {
    let mut book = leasing(20);
    assert!(is_admitted(&mut book, &of_org(1, 1), at(100)));
    let refused = book.marks_due();
    assert!(!refused.is_empty());
    book.not_marked();
    book.marked(&refused);
    assert!(!is_admitted(&mut book, &of_org(2, 1), at(100)));
}

#[test]
fn what_is_large_or_certain_reserves_for_itself() {
    let mut book = leasing(20);
    assert!(!is_admitted(&mut book, &of_org(1, 6), at(100)));
    let mut certain = of_org(2, 1);
    certain.certain = true;
    assert!(!is_admitted(&mut book, &certain, at(100)));
    write_marks(&mut book);
    assert!(is_admitted(&mut book, &of_org(3, 5), at(100)));
}

#[test]
fn every_budget_gives_or_none_is_taken_from() {
    let mut book = leasing(20);
    let both = request(1, vec![claim("org", 1, LIMIT), claim("team", 1, LIMIT)]);
    assert!(!is_admitted(&mut book, &both, at(100)));
    let twice = request(2, vec![claim("org", 1, LIMIT), claim("org", 1, LIMIT)]);
    assert!(!is_admitted(&mut book, &twice, at(100)));
    assert_eq!(capacity(&mut book, at(100)), 20);
}

#[test]
fn an_id_is_admitted_once() {
    let mut book = leasing(20);
    assert!(is_admitted(&mut book, &of_org(1, 1), at(100)));
    write_marks(&mut book);
    assert!(!is_admitted(&mut book, &of_org(1, 1), at(100)));
}

#[test]
fn a_lease_is_good_until_ten_seconds_after_the_last_word_of_the_books() {
    let mut book = leasing(20);
    let last = 100 + 9_999;
    assert!(is_admitted(&mut book, &of_org(1, 1), at(last)));
    write_marks(&mut book);
    assert!(!is_admitted(&mut book, &of_org(2, 1), at(last + 1)));
    let report = book.report_due(at(20_000)).expect("the books must hear");
    assert!(!is_admitted(&mut book, &of_org(2, 1), at(20_000)));
    book.acknowledge(report.number, &granting(&report, |want| want.amount));
    write_marks(&mut book);
    assert!(is_admitted(&mut book, &of_org(2, 1), at(20_000)));
}

#[test]
fn an_answer_that_comes_late_is_as_old_as_its_question() {
    let mut book = leasing(20);
    assert!(is_admitted(&mut book, &of_org(1, 1), at(100)));
    write_marks(&mut book);
    assert!(book.close(id(1), &charged(1), at(100)).is_some());
    let report = book.report_due(at(200)).expect("one has ended");
    let again = book.report_due(at(10_150)).expect("it was not answered");
    book.acknowledge(again.number, &granting(&again, |want| want.amount));
    assert!(is_admitted(&mut book, &of_org(2, 1), at(10_150)));
    write_marks(&mut book);
    assert!(!is_admitted(&mut book, &of_org(3, 1), at(10_200)));
    assert_eq!(report, again);
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_lease_good_for_longer() {
    let mut book = leasing(20);
    assert!(is_admitted(&mut book, &of_org(1, 1), at(-5_000)));
    write_marks(&mut book);
    assert!(!is_admitted(&mut book, &of_org(2, 1), at(-3_600_000)));
    let report = book
        .report_due(at(-3_600_000))
        .expect("the books must hear");
    book.acknowledge(report.number, &granting(&report, |want| want.amount));
    assert!(is_admitted(&mut book, &of_org(2, 1), at(-3_600_000)));
}

#[test]
fn what_is_given_back_cannot_be_spent_meanwhile() {
    let mut book = leasing(20);
    take(&mut book, 1, 2);
    assert!(book.give_back([key("org")].iter()));
    assert!(!is_admitted(&mut book, &of_org(2, 1), at(100)));
    let report = book.report_due(at(150)).expect("it gives back");
    assert_eq!(report.wants[0].amount, units(2));
    assert!(report.wants[0].yields);
    assert!(!is_admitted(&mut book, &of_org(2, 1), at(150)));
    book.acknowledge(report.number, &granting(&report, |want| want.amount));
    assert!(!is_admitted(&mut book, &of_org(2, 1), at(150)));
}

#[test]
fn what_a_shrinking_lease_gives_back_cannot_be_spent_meanwhile() {
    let mut book = leasing(20);
    let report = book
        .report_due(at(700))
        .expect("that is more than is needed");
    let kept = report.wants[0].amount;
    assert!(!kept.is_zero() && kept < units(20), "{kept}");
    assert!(!report.wants[0].yields);
    let admitted = capacity(&mut book, at(700));
    assert_eq!(i64::from(admitted), kept.whole_floor());
}

#[test]
fn a_report_is_sent_again_as_it_was_until_it_is_answered() {
    let mut book = leasing(20);
    take(&mut book, 1, 1);
    take(&mut book, 2, 1);
    assert!(book.close(id(1), &charged(1), at(110)).is_some());
    let first = book.report_due(at(150)).expect("one has ended");
    assert!(book.close(id(2), &unknown(), at(160)).is_some());
    assert_eq!(book.report_due(at(300)), Some(first.clone()));
    book.acknowledge(first.number + 1, &[]);
    assert_eq!(book.report_due(at(300)), Some(first.clone()));
    book.acknowledge(first.number, &granting(&first, |want| want.amount));
    let second = book.report_due(at(400)).expect("another has ended");
    assert_eq!(second.number, first.number + 1);
    let ended: Vec<RequestId> = second.ended.iter().map(|record| record.request).collect();
    assert_eq!(ended, [id(2)]);
}

#[test]
fn the_first_outcome_wins_and_a_request_that_is_not_here_ends_elsewhere() {
    let mut book = leasing(20);
    take(&mut book, 1, 2);
    assert!(book.close(id(9), &charged(1), at(110)).is_none());
    for outcome in [charged(1), charged(2), Outcome::Voided, unknown()] {
        assert!(matches!(book.close(id(1), &outcome, at(110)), Some(Ok(_))));
    }
    assert_eq!(
        book.record(id(1)).map(|r| &r.state),
        Some(&charged(1).state())
    );
    let report = book.report_due(at(150)).expect("one has ended");
    assert_eq!(report.ended.len(), 1);
    assert_eq!(report.ended[0].state, charged(1).state());
    book.acknowledge(report.number, &granting(&report, |want| want.amount));
    assert!(book.close(id(1), &charged(1), at(200)).is_none());
}

#[test]
fn a_cheap_charge_leaves_the_rest_to_the_lease_and_an_overrun_takes_no_more_than_was_predicted() {
    for (charge, left) in [(0, 20), (1, 19), (4, 16), (9, 16)] {
        let mut book = leasing(20);
        take(&mut book, 1, 4);
        assert!(book.close(id(1), &charged(charge), at(100)).is_some());
        write_marks(&mut book);
        assert_eq!(capacity(&mut book, at(100)), left, "{charge} were charged");
        let report = book.report_due(at(150)).expect("one has ended");
        assert_eq!(report.ended[0].state, charged(charge).state());
    }
}

#[test]
fn a_charge_that_nobody_can_count_is_not_believed() {
    let mut book = leasing(20);
    assert!(is_admitted(&mut book, &of_org(1, 1), at(100)));
    let endless = Outcome::Settled(Charge {
        amounts: Amounts::of(Unit::Pu, Amount::MAX),
        source: ChargeSource::Header,
    });
    let closed = book.close(id(1), &endless, at(110));
    assert!(matches!(closed, Some(Err(LedgerError::Overflow { .. }))));
    assert_eq!(book.record(id(1)).map(|r| &r.state), Some(&State::Held));
}

#[test]
fn standings_count_what_the_account_and_the_lease_have_left() {
    let mut book = leasing(20);
    assert!(
        !is_admitted(&mut book, &of_org(1, 2), at(100)),
        "the mark is one"
    );
    let expected = Standing {
        account: account("org"),
        limit: Some(units(LIMIT)),
        remaining: Some(units(LIMIT + 18)),
        lent: Amount::ZERO,
    };
    write_marks(&mut book);
    assert_eq!(book.admit(&of_org(1, 2), at(100)), Ok(vec![expected]));
}

#[test]
fn a_lease_that_was_granted_under_a_higher_limit_admits_nothing() {
    let mut book = leasing(20);
    let lower = request(1, vec![claim("org", 1, LIMIT - 1)]);
    assert!(!is_admitted(&mut book, &lower, at(100)));
    let report = book.report_due(at(150)).expect("it gives back");
    assert!(report.wants[0].yields);
    assert_eq!(report.wants[0].limit, Some(units(LIMIT - 1)));
    book.acknowledge(report.number, &granting(&report, |want| want.amount));
    let report = book.report_due(at(200)).expect("it asks anew");
    book.acknowledge(report.number, &granting(&report, |_| units(20)));
    write_marks(&mut book);
    assert!(is_admitted(&mut book, &lower, at(200)));
}

#[test]
fn a_lease_ends_with_the_demand() {
    let mut book = leasing(20);
    assert_eq!(capacity(&mut book, at(100)), 20);
    for number in 100..120 {
        assert!(book.close(id(number), &charged(1), at(110)).is_some());
    }
    for beat in 1..400 {
        if let Some(report) = book.report_due(at(100 + beat * 50)) {
            book.acknowledge(report.number, &granting(&report, |want| want.amount));
        }
    }
    assert_eq!(book.places.len(), 0);
    assert_eq!(book.marks(), Marks::new());
    assert!(!book.has_news());
}

#[test]
fn the_last_millionth_of_a_lease_goes_back_too() {
    let mut book = leasing(20);
    let report = book.report_due(at(700)).expect("the demand falls");
    let millionth = Amount::from_micros(1).expect("small");
    book.acknowledge(report.number, &granting(&report, |_| millionth));
    let report = book.report_due(at(10_000)).expect("it is not needed");
    assert_eq!(report.wants[0].amount, Amount::ZERO);
}

#[test]
fn a_busy_account_asks_for_five_seconds_of_its_demand() {
    let mut book = leasing(200);
    for beat in 1..=60_u8 {
        let now = at(100 + i64::from(beat) * 50);
        drop(book.admit(&of_org(beat, 1), now));
        write_marks(&mut book);
        drop(book.close(id(beat), &charged(1), now));
        if let Some(report) = book.report_due(now) {
            book.acknowledge(report.number, &granting(&report, |want| want.amount));
        }
    }
    let held = book.lease(book.places[&key("org")]).map(Lease::unspent);
    let held = held.expect("it is busy").whole_floor();
    assert!(
        (50..=150).contains(&held),
        "20 a second, and {held} are held"
    );
}

#[test]
fn after_a_small_grant_the_books_are_left_alone_for_a_moment() {
    let mut book = LeaseBook::new(Epoch::from_number(1), at(0));
    assert!(!is_admitted(&mut book, &of_org(1, 1), at(0)));
    let report = book.report_due(at(50)).expect("a lease is wanted");
    book.acknowledge(report.number, &granting(&report, |_| Amount::ZERO));
    assert!(!is_admitted(&mut book, &of_org(2, 1), at(60)));
    assert_eq!(book.report_due(at(100)), None);
    let report = book.report_due(at(600)).expect("the moment is over");
    book.acknowledge(report.number, &granting(&report, |_| Amount::ZERO));
    assert!(!is_admitted(&mut book, &of_org(3, 1), at(-3_600_000)));
    let report = book.report_due(at(-3_600_000));
    assert!(!report.expect("the clock was set back").wants.is_empty());
}

mod orphans {
    use super::*;

    const NEXT: Epoch = Epoch::from_number(2);

    /// A book with two requests under way and one that has ended, and no word of it to the books.
    fn busy() -> LeaseBook {
        let mut book = leasing(20);
        (1..=3).for_each(|number| take(&mut book, number, 1));
        assert!(book.close(id(1), &charged(1), at(110)).is_some());
        book
    }

    fn shown(orphans: &Orphans) -> Option<Vec<(RequestId, Amount)>> {
        let amount = |(request, evidence): (RequestId, crate::ledger::Evidence)| {
            (
                request,
                evidence.amounts.get(Unit::Pu).expect("it is named"),
            )
        };
        orphans
            .evidence()
            .map(|all| all.into_iter().map(amount).collect())
    }

    fn lost() -> RequestId {
        RequestId::of_lease(Epoch::from_number(1), at(0), &key("org"))
    }

    #[test]
    fn say_what_was_spent_when_the_last_of_them_has_ended() {
        let mut book = busy();
        let mut orphans = book.begin_anew(NEXT, 0, at(200));
        assert_eq!(book.epoch(), NEXT);
        assert!(!is_admitted(&mut book, &of_org(9, 1), at(200)));
        assert_eq!(shown(&orphans), None);
        assert!(orphans.close(id(2), &charged(5), at(210)));
        assert!(!orphans.close(id(2), &charged(5), at(210)));
        assert_eq!(shown(&orphans), None);
        assert!(orphans.close(id(3), &Outcome::Voided, at(210)));
        assert_eq!(shown(&orphans), Some(vec![(lost(), units(6))]));
    }

    #[test]
    fn leave_in_doubt_what_nobody_knows() {
        let predicted = Outcome::Settled(Charge {
            amounts: Amounts::default(),
            source: ChargeSource::Predicted,
        });
        for outcome in [unknown(), predicted] {
            let mut orphans = busy().begin_anew(NEXT, 0, at(200));
            assert!(orphans.close(id(2), &outcome, at(210)));
            assert!(orphans.close(id(3), &charged(1), at(210)));
            assert_eq!(shown(&orphans), Some(Vec::new()));
        }
    }

    #[test]
    fn count_nothing_that_the_books_have_taken_although_their_answer_was_lost() {
        for (taken, spent) in [(1, 3), (2, 2)] {
            let mut book = busy();
            let report = book.report_due(at(150)).expect("one has ended");
            assert_eq!((report.number, report.ended.len()), (2, 1));
            let mut orphans = book.begin_anew(NEXT, taken, at(200));
            for number in [2, 3] {
                assert!(orphans.close(id(number), &charged(1), at(210)));
            }
            assert_eq!(shown(&orphans), Some(vec![(lost(), units(spent))]));
        }
    }

    #[test]
    fn a_proof_allows_for_all_that_is_spent_and_nothing_is_spent_after_it() {
        let mut book = busy();
        write_marks(&mut book);
        let proof = book.proof();
        assert_eq!((proof.epoch, proof.reported), (Epoch::from_number(1), 1));
        assert!(proof.marks.expect("it knows")[&key("org")] > units(3));
        assert!(!is_admitted(&mut book, &of_org(9, 1), at(110)));
    }
}
