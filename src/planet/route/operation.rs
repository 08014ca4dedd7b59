//! What a call does, in the terms that decide its cost.

use std::fmt;

/// What a call does to the account. How much it costs is for `cost` to say.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operation {
    /// Costs nothing and changes nothing.
    Read,
    /// Changes what the caller keeps with Planet; costs nothing.
    Change,
    /// Costs nothing, but changes something for everybody in the organisation.
    OrganisationChange,
    /// Cancels, stops or suspends one thing: ends future cost and refunds nothing.
    Release,
    /// Cancels the orders in its body, and all that are queued when the body names none.
    CancelOrders,
    /// Suspends the subscriptions in its body, and all of the user's when the body names none.
    SuspendSubscriptions,
    /// Hands out a token for client credentials.
    IssueToken,

    ActivateAsset,
    DownloadAsset,
    DownloadOrder,
    DownloadQuad,
    BasemapTile,
    SceneTile,
    /// A tile service asked by query: a tile spends, its description does not.
    TileService,
    CreateOrder,
    CreateSubscription,
    /// Many subscriptions in one body.
    CreateSubscriptions,
    /// Replaces or patches a subscription, which may widen what it will cost.
    ReviseSubscription,
    ReactivateSubscription,
    /// Reactivates the subscriptions in its body, and all of the user's when the body names none.
    ReactivateSubscriptions,
    ReserveQuota,
    /// Reserves many areas in a job of its own.
    ReserveQuotaInBulk,

    Process,
    Statistics,
    AsyncProcess,
    /// Describes a batch; it is [`Operation::StartBatch`] that spends.
    CreateBatch,
    /// Starts, resumes or restarts a batch.
    StartBatch,
    CatalogSearch,
    /// Lists the items of a collection: a search by its query.
    CatalogItems,
    /// Reads one item by its name.
    CatalogItem,
    /// Decided by its query: see [`super::OgcRequest`].
    Ogc,
    /// Any change to a BYOC, Zarr or batch collection.
    CollectionWrite,

    /// Spends, and Planet publishes no price: only the operator's own bound can let it pass.
    Unpriced(&'static str),
    /// Never forwarded; the clause fits behind "this call is not forwarded: ".
    Refused(&'static str),
    /// In no table. It may spend, whatever its method.
    Unknown,
}

impl Operation {
    /// Whether the body decides what the call costs or whom it reaches, so that it must be read whole.
    pub const fn needs_body(self) -> bool {
        matches!(
            self,
            Self::CancelOrders
                | Self::SuspendSubscriptions
                | Self::CreateOrder
                | Self::CreateSubscription
                | Self::CreateSubscriptions
                | Self::ReviseSubscription
                | Self::ReactivateSubscriptions
                | Self::ReserveQuota
                | Self::ReserveQuotaInBulk
                | Self::Process
                | Self::Statistics
                | Self::AsyncProcess
                | Self::CreateBatch
                | Self::CatalogSearch
                | Self::Ogc
                | Self::Unpriced(_)
        )
    }

    /// Whether it spends or commits and cannot simply be repeated: an identical one, sent again because
    /// its answer was lost, must not reach Planet twice.
    pub const fn is_create(self) -> bool {
        matches!(
            self,
            Self::CreateOrder
                | Self::CreateSubscription
                | Self::CreateSubscriptions
                | Self::ReactivateSubscription
                | Self::ReactivateSubscriptions
                | Self::ReserveQuota
                | Self::ReserveQuotaInBulk
                | Self::CreateBatch
                | Self::StartBatch
                | Self::AsyncProcess
                | Self::Unpriced(_)
        )
    }

    /// Whether it must be in the books before it is forwarded, however small it is: what creates or commits
    /// is rare, and its outcome is the one that matters.
    pub const fn reserves_for_itself(self) -> bool {
        self.is_create()
            || matches!(
                self,
                Self::ReviseSubscription | Self::Statistics | Self::ActivateAsset | Self::Unknown
            )
    }

    /// Whether a header of the answer says what was charged, and an answer that is not 2xx was free.
    pub const fn is_metered(self) -> bool {
        matches!(
            self,
            Self::Process
                | Self::Statistics
                | Self::CatalogSearch
                | Self::CatalogItems
                | Self::CatalogItem
                | Self::Ogc
                | Self::CollectionWrite
        )
    }

    /// Known to cost nothing, now or later.
    pub const fn is_free(self) -> bool {
        matches!(
            self,
            Self::Read
                | Self::Change
                | Self::OrganisationChange
                | Self::Release
                | Self::CancelOrders
                | Self::SuspendSubscriptions
                | Self::IssueToken
        )
    }

    /// The rule by which it is priced, as a person reads it in the table of routes.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Read => "free: reads",
            Self::Change => "free: changes",
            Self::OrganisationChange => "free: changes it for the whole organisation",
            Self::Release => "free: ends future cost",
            Self::CancelOrders => "free: cancels the orders in its body, or all",
            Self::SuspendSubscriptions => "free: suspends those in its body, or all",
            Self::IssueToken => "free: issues a token",
            Self::ActivateAsset => "spends: per asset, once in 24 hours",
            Self::DownloadAsset => "spends: egress, and the item's area on km² plans",
            Self::DownloadOrder => "spends: egress",
            Self::DownloadQuad => "spends: per quad, and egress",
            Self::BasemapTile | Self::SceneTile => "spends: per tile",
            Self::TileService => "by query: a tile spends, the description is free",
            Self::CreateOrder => "spends: assets, tools, egress",
            Self::CreateSubscription => "commits: backfill and what is to come",
            Self::CreateSubscriptions => "commits: each subscription in its body",
            Self::ReviseSubscription => "commits: what the revision adds",
            Self::ReactivateSubscription => "commits: what is left of the subscription",
            Self::ReactivateSubscriptions => {
                "commits: what is left of those in its body, or of all"
            }
            Self::ReserveQuota | Self::ReserveQuotaInBulk => "spends: the reserved area, for good",
            Self::Process => "spends: general rule, at least 0.005 PU",
            Self::Statistics => "spends: general rule, at least 0.01 PU",
            Self::AsyncProcess => "spends: general rule, at least 10 PU",
            Self::CreateBatch => "free to create; starting it spends",
            Self::StartBatch => "spends: batch rule, at least 100 PU",
            Self::CatalogSearch | Self::CatalogItems => "spends: querying rule, 0.01 to 1 PU",
            Self::CatalogItem => "spends: at most the least of the querying rule, 0.01 PU",
            Self::Ogc => "by query: images by the general rule, features by the querying rule",
            Self::CollectionWrite => "spends: 1 PU per write",
            Self::Unpriced(_) => "spends, without a published price",
            Self::Refused(_) => "never forwarded",
            Self::Unknown => "unclassified",
        }
    }
}

/// The rule, and why, where there is a reason to give.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unpriced(why) | Self::Refused(why) => write!(f, "{}: {why}", self.rule()),
            _ => f.write_str(self.rule()),
        }
    }
}
