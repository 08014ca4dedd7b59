//! The Subscriptions API. What it creates goes on spending: see `ReviseSubscription` and the
//! reactivations, which commit as a create does.

use super::Operation::{
    CreateSubscription, CreateSubscriptions, ReactivateSubscription, ReactivateSubscriptions, Read,
    Release, ReviseSubscription, SuspendSubscriptions,
};
use super::Verb::{Get, Patch, Post, Put};
use super::{Api, Group, Row, group, row};

pub(super) const GROUPS: &[Group] = &[group(Api::Subscriptions, "/subscriptions/v1", ROWS)];

const ROWS: &[Row] = &[
    row("", &[(Get, Read), (Post, CreateSubscription)]),
    row("/bulk", &[(Post, CreateSubscriptions)]),
    row("/summary", &[(Get, Read)]),
    row("/spec", &[(Get, Read)]),
    row("/suspend", &[(Post, SuspendSubscriptions)])
        .note("`user_id=all` reaches the whole organisation"),
    row("/reactivate", &[(Post, ReactivateSubscriptions)])
        .note("`user_id=all` reaches the whole organisation"),
    row(
        "/{subscription}",
        &[
            (Get, Read),
            (Put, ReviseSubscription),
            (Patch, ReviseSubscription),
        ],
    ),
    row("/{subscription}/results", &[(Get, Read)]),
    row("/{subscription}/summary", &[(Get, Read)]),
    row("/{subscription}/cancel", &[(Post, Release)]),
    row("/{subscription}/suspend", &[(Post, Release)]),
    row(
        "/{subscription}/reactivate",
        &[(Post, ReactivateSubscription)],
    ),
];
