//! The account itself: products and plans, quota reservations, destinations, reports; and the contracted
//! feeds of Analytics.

use super::Operation::{
    Change, OrganisationChange, Read, Refused, ReserveQuota, ReserveQuotaInBulk,
};
use super::Verb::{Delete, Get, Patch, Post, Put};
use super::{Api, Group, Row, group, row};

pub(super) const GROUPS: &[Group] = &[
    group(Api::Quota, "/account/v1/quota-reservations", QUOTA),
    group(
        Api::Quota,
        "/auth/v1/experimental/public/quota-reservations",
        QUOTA,
    ),
    group(Api::Account, "/account/v1/my", MY),
    group(Api::Account, "/auth/v1/experimental/public/my", MY),
    group(Api::Account, "/reports/v1", REPORTS),
    group(Api::Account, "/reports/v0", REPORTS),
    group(Api::Destinations, "/destinations/v1", DESTINATIONS),
    group(Api::Analytics, "/analytics", ANALYTICS),
    group(Api::Auth, "/v0/auth", LEGACY_AUTH),
];

const QUOTA: &[Row] = &[
    row("", &[(Get, Read), (Post, ReserveQuota)])
        .note("only Planet's support can take a reservation back"),
    row("/bulk-reserve", &[(Post, ReserveQuotaInBulk)]),
    row("/estimate", &[(Post, Read)]),
    row("/jobs", &[(Get, Read)]),
    row("/jobs/{job}", &[(Get, Read)]),
    row("/spec", &[(Get, Read)]),
    row("/{reservation}", &[(Get, Read)]),
];

const MY: &[Row] = &[
    row("/products", &[(Get, Read)]),
    row("/subscriptions", &[(Get, Read)]),
    row("/subscriptions/{subscription}", &[(Get, Read)]),
];

const REPORTS: &[Row] = &[row("", &[(Get, Read)])];

const DESTINATIONS: &[Row] = &[
    row("", &[(Get, Read), (Post, Change)]).note("bodies hold cloud credentials"),
    row(
        "/default",
        &[
            (Get, Read),
            (Put, OrganisationChange),
            (Delete, OrganisationChange),
        ],
    ),
    row("/{destination}", &[(Get, Read), (Patch, Change)]),
];

const ANALYTICS: &[Row] = &[
    row("/feeds", &[(Get, Read)]),
    row("/feeds/{feed}", &[(Get, Read)]),
    row("/subscriptions", &[(Get, Read)]),
    row("/subscriptions/{subscription}", &[(Get, Read)]),
    row("/collections", &[(Get, Read)]),
    row("/collections/{collection}", &[(Get, Read)]),
    row("/collections/{collection}/items", &[(Get, Read)]),
    row("/collections/{collection}/items/{item}", &[(Get, Read)]),
    row(
        "/collections/{collection}/items/{item}/resources/{resource*}",
        &[(Get, Read)],
    ),
    row("/swagger.json", &[(Get, Read)]),
    row("/conformance", &[(Get, Read)]),
];

const LEGACY_AUTH: &[Row] = &[row(
    "/login",
    &[(
        Post,
        Refused(
            "it would hand out Planet's own key; use the key that the guard's administrator gave you",
        ),
    )],
)];
