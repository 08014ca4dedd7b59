//! What people tell a running guard, and ask of it, by its admin port: tables for people, JSON for
//! scripts.

mod budgets;
mod client;
mod table;
mod top_up;
mod unknowns;

pub(super) use budgets::Budgets;
pub(super) use top_up::TopUp;
pub(super) use unknowns::Unknowns;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;

/// What stands for itself in a piece of a path.
const PIECE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn piece(text: &str) -> String {
    utf8_percent_encode(text, PIECE).to_string()
}

/// A whole list, in the form of one page.
fn print_list(items: &[Box<RawValue>]) {
    let items: Vec<&str> = items.iter().map(|item| item.get()).collect();
    println!("{{\"items\":[{}],\"next\":null}}", items.join(","));
}
