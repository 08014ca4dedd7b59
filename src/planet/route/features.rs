//! The Features API, in both of its versions: areas of interest, which cost nothing to keep.

use super::Operation::{Change, OrganisationChange, Read};
use super::Verb::{Delete, Get, Patch, Post, Put};
use super::{Api, Group, Row, group, row};

pub(super) const GROUPS: &[Group] = &[
    group(Api::Features, "/features/v1/ogc", ROWS),
    group(Api::Features, "/features/v0/ogc", ROWS),
];

const ROWS: &[Row] = &[
    row("", &[(Get, Read)]),
    row("/conformance", &[(Get, Read)]),
    row("/my", &[(Get, Read)]),
    row("/my/conformance", &[(Get, Read)]),
    row("/my/collections", &[(Get, Read), (Post, Change)]),
    row("/my/collections/validate", &[(Post, Read)]),
    row("/my/collections/alternates", &[(Post, Read)]),
    row(
        "/my/collections/{collection}",
        &[
            (Get, Read),
            (Put, Change),
            (Patch, Change),
            (Delete, Change),
        ],
    ),
    row(
        "/my/collections/{collection}/items",
        &[(Get, Read), (Post, Change)],
    ),
    row(
        "/my/collections/{collection}/items/{feature}",
        &[
            (Get, Read),
            (Put, Change),
            (Patch, Change),
            (Delete, Change),
        ],
    ),
    row(
        "/my/collections/{collection}/permission",
        &[(Post, OrganisationChange), (Delete, OrganisationChange)],
    )
    .note("shares it with the organisation, or no longer"),
];
