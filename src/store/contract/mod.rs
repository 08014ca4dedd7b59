//! What every store of the books must do: one list of promises, run for each of them.
//!
//! It stands beside the stores, and not in `tests/`, so that the promises can be read next to the code
//! that keeps them and tested without making any of it public. After each test the journal must add up
//! to the balances.

pub(super) mod caps;
pub(super) mod commitments;
pub(super) mod follows;
pub(super) mod land;
pub(super) mod life;
pub(super) mod meters;
pub(super) mod random;
pub(super) mod reading;
pub(super) mod repeats;
pub(super) mod windows;
pub(super) mod words;

use std::sync::Arc;

use crate::ledger::{Balance, Ledger, Model, replay};
use crate::units::Amount;

/// Runs every promise for one store: its name, and how to open an empty one. What the opening function
/// gives beside the books is kept until the test has ended.
macro_rules! ledger_contract {
    ($store:ident, $open:path) => {
        mod $store {
            $crate::store::contract::promises! { $open;
                caps::exactly_the_cap_is_granted,
                caps::concurrent_requests_do_not_pass_before_spending_is_recorded,
                caps::the_first_request_of_an_unknown_subject_does_not_escape_the_budget,
                caps::a_reservation_is_not_shrunk_to_the_headroom,
                caps::the_stricter_of_two_matching_limits_is_enforced,
                caps::every_budget_is_debited_or_none,
                caps::zero_does_not_mean_unlimited,
                caps::two_windows_of_one_subject_do_not_share_a_key,
                caps::amounts_beyond_32_bits_are_counted_exactly,
                caps::what_is_too_large_to_count_is_refused,
                caps::a_limit_that_does_not_refuse_still_counts,
                caps::a_lowered_cap_admits_nothing_and_forgets_nothing,
                caps::a_longer_window_keeps_what_the_shorter_one_spent,
                caps::a_budget_cannot_be_claimed_twice,
                commitments::a_commitment_is_kept_as_it_is_until_it_is_over,
                commitments::of_two_who_take_a_commitment_further_one_is_too_late,
                commitments::what_is_due_is_taken_even_where_it_does_not_fit,
                commitments::no_more_is_given_back_than_was_settled,
                commitments::what_was_given_back_in_part_is_not_corrected_as_a_whole,
                commitments::a_prediction_settles_at_no_more_than_each_window_claimed,
                life::refused_traffic_eats_no_quota,
                life::a_cheaper_charge_frees_the_rest,
                life::an_overrun_is_kept_in_full_when_the_balance_is_short,
                life::voided_reservations_leak_nothing,
                life::a_unit_that_the_charge_does_not_name_settles_as_reserved,
                life::time_refunds_nothing,
                life::unknown_spending_counts_until_there_is_evidence,
                life::evidence_of_nothing_frees_what_was_unknown,
                life::evidence_is_for_what_is_in_doubt,
                life::a_late_charge_lands_in_the_window_that_admitted_it,
                life::a_charge_too_large_to_count_leaves_the_reservation_held,
                life::what_never_reserved_cannot_end,
                repeats::counters_do_not_inflate_on_a_retried_reserve,
                repeats::concurrent_repeats_of_one_reserve_count_once,
                repeats::an_id_is_spent_when_its_reservation_has_ended,
                repeats::an_id_cannot_reserve_something_else,
                repeats::counters_do_not_inflate_on_a_retried_close,
                repeats::the_first_outcome_wins,
                repeats::the_first_evidence_wins,
                repeats::a_create_is_found_again_until_its_answer_was_delivered,
                repeats::a_create_that_is_over_is_not_found_again,
                land::land_is_locked_for_those_who_book_on_the_same_accounts,
                land::land_is_found_where_it_lies_and_by_its_plan,
                land::what_was_not_settled_locks_nothing,
                land::evidence_of_less_area_frees_the_land,
                land::area_that_is_given_back_frees_the_land,
                land::land_is_kept_once_and_the_latest_comes_last,
                land::what_is_too_large_is_not_kept,
                repeats::a_top_up_with_a_key_is_given_once,
                repeats::concurrent_orders_with_one_key_are_one_top_up,
                reading::a_record_keeps_what_the_request_was,
                reading::a_reservation_without_claims_is_remembered,
                reading::entries_are_read_in_pages,
                reading::unknowns_are_listed_oldest_first,
                reading::balances_come_in_the_order_of_their_accounts,
                follows::what_is_followed_is_due_again_and_again,
                follows::the_longest_overdue_are_due_first,
                follows::of_many_who_ask_at_once_one_gets_it,
                follows::what_was_seen_is_kept_and_the_end_is_final,
                follows::following_twice_changes_nothing,
                follows::only_what_reserved_is_followed,
                follows::what_is_followed_is_found_by_its_name,
                meters::a_reading_is_kept_and_the_next_one_follows_it,
                meters::of_two_who_read_at_once_one_is_kept,
                meters::an_adjustment_is_booked_once_and_no_limit_refuses_it,
                meters::a_meter_counts_what_the_books_have_of_it,
                reading::what_upstream_said_is_read_oldest_first,
                windows::windows_do_not_start_at_the_first_request,
                windows::a_month_is_not_thirty_days,
                windows::resets_are_not_off_by_the_utc_offset,
                windows::resets_happen_without_anybody_to_reset,
            }
        }
    };
}

macro_rules! promises {
    ($open:path; $($room:ident :: $promise:ident),+ $(,)?) => {
        use super::*;
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (ledger, _keep) = $open().await;
                let ledger: std::sync::Arc<dyn $crate::ledger::Ledger> = ledger;
                $crate::store::contract::$room::$promise(std::sync::Arc::clone(&ledger)).await;
                $crate::store::contract::the_journal_adds_up(&*ledger).await;
            }
        )+
    };
}

pub(super) use {ledger_contract, promises};

ledger_contract!(in_memory, in_memory_books);

fn in_memory_books() -> impl Future<Output = (Arc<Model>, ())> {
    std::future::ready((Arc::new(Model::default()), ()))
}

pub(super) async fn the_journal_adds_up(ledger: &dyn Ledger) {
    let entries = ledger.entries(0, u32::MAX).await.unwrap();
    let shown = ledger.balances().await.unwrap();
    assert_eq!(set_aside(replay(&entries).unwrap()), set_aside(shown));
}

/// What a guard shows as held because it is under way in a lease, the journal has as leased.
fn set_aside(balances: Vec<Balance>) -> Vec<Balance> {
    let one = |balance: Balance| Balance {
        held: balance.held.saturating_add(balance.leased),
        leased: Amount::ZERO,
        ..balance
    };
    balances.into_iter().map(one).collect()
}
