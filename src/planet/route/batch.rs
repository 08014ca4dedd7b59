//! Batch processing and batch statistics, in all their versions. Creating is free; starting spends, and
//! so does whatever starts again.

use super::Operation::{Change, CollectionWrite, CreateBatch, Read, Release, StartBatch};
use super::Verb::{Delete, Get, Patch, Post, Put};
use super::{Api, Group, Row, group, row};

pub(super) const GROUPS: &[Group] = &[
    group(Api::BatchProcess, "/batch/v2/process", TASKS),
    group(Api::BatchProcess, "/api/v2/batch/process", TASKS),
    group(Api::BatchProcess, "/batch/v2/tilinggrids", GRIDS),
    group(Api::BatchProcess, "/api/v2/batch/tilinggrids", GRIDS),
    group(Api::BatchProcess, "/batch/v1/process", OLD_TASKS),
    group(Api::BatchProcess, "/api/v1/batch/process", OLD_TASKS),
    group(Api::BatchProcess, "/batch/v1/tilinggrids", GRIDS),
    group(Api::BatchProcess, "/api/v1/batch/tilinggrids", GRIDS),
    group(
        Api::BatchProcess,
        "/api/v1/batch/collections",
        OLD_COLLECTIONS,
    ),
    group(Api::BatchStatistics, "/statistics/batch/v1", STATISTICS),
    group(Api::BatchStatistics, "/api/v1/statistics/batch", STATISTICS),
];

const TASKS: &[Row] = &[
    row("", &[(Get, Read), (Post, CreateBatch)]).note("bodies hold cloud credentials"),
    row("/{task}", &[(Get, Read), (Put, Change)]).note("PUT changes the description alone"),
    row("/{task}/analyse", &[(Post, Change)]),
    row("/{task}/start", &[(Post, StartBatch)]).note("resumes a stopped task, and spends again"),
    row("/{task}/stop", &[(Post, Release)]).note("work in hand is still charged"),
];

const GRIDS: &[Row] = &[row("", &[(Get, Read)]), row("/{grid}", &[(Get, Read)])];

const OLD_TASKS: &[Row] = &[
    row("", &[(Get, Read), (Post, CreateBatch)]).note("bodies hold cloud credentials"),
    row("/{task}", &[(Get, Read), (Put, Change), (Delete, Release)]),
    row("/{task}/analyse", &[(Post, Change)]),
    row("/{task}/start", &[(Post, StartBatch)]),
    row("/{task}/restartpartial", &[(Post, StartBatch)]),
    row("/{task}/cancel", &[(Post, Release)]),
    row("/{task}/tiles", &[(Get, Read)]),
    row("/{task}/tiles/{tile}", &[(Get, Read)]),
    row("/{task}/tiles/{tile}/restart", &[(Post, StartBatch)]),
];

const OLD_COLLECTIONS: &[Row] = &[
    row("", &[(Get, Read), (Post, CollectionWrite)]),
    row(
        "/{path*}",
        &[
            (Get, Read),
            (Post, CollectionWrite),
            (Put, CollectionWrite),
            (Patch, CollectionWrite),
            (Delete, CollectionWrite),
        ],
    ),
];

const STATISTICS: &[Row] = &[
    row("", &[(Get, Read), (Post, CreateBatch)])
        .note("bodies hold cloud credentials; the features lie in a bucket and cannot be seen"),
    row("/{task}", &[(Get, Read)]),
    row("/{task}/status", &[(Get, Read)]),
    row("/{task}/analyse", &[(Post, Change)]),
    row("/{task}/start", &[(Post, StartBatch)]),
    row("/{task}/stop", &[(Post, Release)]),
    row("/{task}/cancel", &[(Post, Release)]),
];
