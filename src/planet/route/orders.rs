//! The Orders API, and Tasking, whose orders have no public price.

use super::Operation::{
    CancelOrders, CreateOrder, DownloadOrder, Read, Refused, Release, Unpriced,
};
use super::Verb::{Delete, Get, Post, Put};
use super::{Api, Group, Operation, Row, group, row};

pub(super) const GROUPS: &[Group] = &[
    group(Api::Orders, "/compute/ops", ORDERS),
    group(Api::Orders, "/orders/v2", LINKS),
    group(Api::Tasking, "/tasking/v2", TASKING),
];

const ORDERS: &[Row] = &[
    row("/orders/v2", &[(Get, Read), (Post, CreateOrder)])
        .note("charged when the order is placed; the body has products, tools and delivery"),
    row("/orders/v2/spec", &[(Get, Read)]),
    row("/orders/v2/{order}", &[(Get, Read), (Put, Release)])
        .note("PUT cancels, and only while the order is queued"),
    row("/download", &[(Get, DownloadOrder)])
        .note("the token alone lets it in; it holds the signed address of the file"),
    row("/bulk/orders/v2/cancel", &[(Post, CancelOrders)])
        .note("`{}` cancels every queued order of the caller"),
    row("/stats/orders/v2", &[(Get, Read)]),
    row("/bundles/spec", &[(Get, Read)])
        .note("the SDK reads it from api.planet.com, whatever its base URL"),
    row("/clips/v1", &[(Post, CLIPS)]),
    row("/clips/v1/{rest*}", &[(Post, CLIPS)]),
];

const CLIPS: Operation =
    Refused("the clip service was withdrawn; order the item with the clip tool instead");

/// As `link.planet.com` spells it.
const LINKS: &[Row] = &[row("/download", &[(Get, DownloadOrder)])];

const TASKING: &[Row] = &[
    row("/orders", &[(Get, Read), (Post, TASK)]),
    row(
        "/orders/{order}",
        &[(Get, Read), (Put, TASK), (Delete, Release)],
    ),
    row("/bulk", &[(Post, TASK)]).note("many orders in one body"),
    row("/captures", &[(Get, Read)]),
    row("/imaging-windows/search", &[(Post, Read)]),
];

const TASK: Operation = Unpriced("tasking is charged by contract");
