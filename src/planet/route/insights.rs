//! Sentinel Hub's synchronous APIs, its catalogue and its collections, under both spellings of their
//! paths; and its helpers, which cost nothing.

use super::Operation::{
    AsyncProcess, CatalogItem, CatalogItems, CatalogSearch, CollectionWrite, IssueToken,
    OrganisationChange, Process, Read, Refused, Statistics,
};
use super::Verb::{Delete, Get, Patch, Post, Put};
use super::{Api, Group, Operation, Row, group, row};

pub(super) const GROUPS: &[Group] = &[
    group(Api::Process, "/process/v1", &[row("", &[(Post, Process)])]),
    group(
        Api::Process,
        "/api/v1/process",
        &[row("", &[(Post, Process)])],
    ),
    group(
        Api::Statistics,
        "/statistics/v1",
        &[row("", &[(Post, Statistics)])],
    ),
    group(
        Api::Statistics,
        "/api/v1/statistics",
        &[row("", &[(Post, Statistics)])],
    ),
    group(Api::AsyncProcess, "/async/v1/process", ASYNC),
    group(Api::AsyncProcess, "/api/v1/async/process", ASYNC),
    group(Api::Catalog, "/catalog/v1", CATALOG),
    group(Api::Catalog, "/api/v1/catalog/1.0.0", CATALOG),
    group(Api::Catalog, "/api/v1/catalog", CATALOG),
    group(Api::Byoc, "/byoc/v1", BYOC),
    group(Api::Byoc, "/api/v1/byoc", BYOC),
    group(Api::Zarr, "/zarr/v1", ZARR),
    group(Api::Zarr, "/api/v1/zarr", ZARR),
    group(Api::Auth, "/oauth", OLD_AUTH),
    group(Api::Auth, "/auth/realms/main", AUTH),
    group(Api::Ogc, "/configuration/v1", CONFIGURATION),
    group(Api::Ogc, "/api/v2/configuration", CONFIGURATION),
    group(Api::Account, "/api/v1/metadata", METADATA),
    group(Api::Account, "/aux/ratelimit", RATE_LIMITS),
    group(Api::Unknown, "/api/v1/dataimport", DATA_IMPORT),
];

const ASYNC: &[Row] = &[
    row("", &[(Post, AsyncProcess)]).note("bodies hold cloud credentials"),
    row("/{job}", &[(Get, Read)]).note("404 once the job is done, well or not"),
];

const CATALOG: &[Row] = &[
    row("/search", &[(Get, CatalogSearch), (Post, CatalogSearch)])
        .note("every page is a search of its own"),
    row("", &[(Get, Read)]),
    row("/conformance", &[(Get, Read)]),
    row("/collections", &[(Get, Read)]),
    row("/collections/{collection}", &[(Get, Read)]),
    row("/collections/{collection}/queryables", &[(Get, Read)]),
    row("/collections/{collection}/items", &[(Get, CatalogItems)]),
    row(
        "/collections/{collection}/items/{item}",
        &[(Get, CatalogItem)],
    ),
];

const BYOC: &[Row] = &[
    row("/collections", &[(Get, Read), (Post, CollectionWrite)]),
    row(
        "/collections/{collection}",
        &[
            (Get, Read),
            (Put, CollectionWrite),
            (Patch, CollectionWrite),
            (Delete, CollectionWrite),
        ],
    ),
    row(
        "/collections/{collection}/copyTiles",
        &[(Post, CollectionWrite)],
    ),
    row(
        "/collections/{collection}/tiles",
        &[(Get, Read), (Post, CollectionWrite)],
    ),
    row(
        "/collections/{collection}/tiles/{tile}",
        &[
            (Get, Read),
            (Put, CollectionWrite),
            (Patch, CollectionWrite),
            (Delete, CollectionWrite),
        ],
    ),
    row(
        "/collections/{collection}/tiles/{tile}/reingest",
        &[(Post, CollectionWrite)],
    ),
    row(
        "/collections/{collection}/tiles/{tile}/files",
        &[(Get, Read)],
    ),
    row(
        "/collections/{collection}/tiles/{tile}/files/{path*}",
        &[(Get, Read)],
    ),
];

const ZARR: &[Row] = &[
    row("/collections", &[(Get, Read), (Post, CollectionWrite)]),
    row(
        "/collections/{collection}",
        &[
            (Get, Read),
            (Put, CollectionWrite),
            (Patch, CollectionWrite),
            (Delete, CollectionWrite),
        ],
    ),
    row(
        "/collections/{collection}/reingest",
        &[(Put, CollectionWrite)],
    ),
    row("/collections/{collection}/arrays", &[(Get, Read)]),
    row("/collections/{collection}/arrays/{array}", &[(Get, Read)]),
];

const OLD_AUTH: &[Row] = &[
    row("/token", &[(Post, IssueToken)]),
    row("/tokeninfo", &[(Get, Read)]),
    row("/auth", &[(Get, Read)]),
];

const AUTH: &[Row] = &[
    row("/protocol/openid-connect/token", &[(Post, IssueToken)]),
    row("/.well-known/openid-configuration", &[(Get, Read)]),
];

/// Instances and layers of the dashboard, which every user of the account shares.
const CONFIGURATION: &[Row] = &[row(
    "/{path*}",
    &[
        (Get, Read),
        (Post, OrganisationChange),
        (Put, OrganisationChange),
        (Patch, OrganisationChange),
        (Delete, OrganisationChange),
    ],
)];

const METADATA: &[Row] = &[
    row("/location", &[(Get, Read)]),
    row("/collection/{collection}", &[(Get, Read)]),
];

const RATE_LIMITS: &[Row] = &[
    row("/contract", &[(Get, Read)]),
    row("/statistics/tokenCounts/{account}", &[(Get, Read)]),
];

const IMPORT: Operation =
    Refused("third-party data are bought with money, which no budget of the guard counts");

const DATA_IMPORT: &[Row] = &[row(
    "/{path*}",
    &[
        (Get, IMPORT),
        (Post, IMPORT),
        (Put, IMPORT),
        (Patch, IMPORT),
        (Delete, IMPORT),
    ],
)];
