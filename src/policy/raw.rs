//! The policy file as it is written: every key that is enforced, and no other.
//!
//! A key that [`not_yet`](super::not_yet) refuses has no field here, so that switching its feature on
//! means giving it one.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;

use super::address::{DownloadHost, Listen, MountPath, WebUrl};
use super::bounds::SampleType;
use super::either::WordOrTable;
use super::text::{ApiName, Instant, KeyHash, Name, PassThrough, Size, Span};
use super::{
    Decision, Dimension, OnBreach, Rate, Role, SafetyMargin, SecretSource, Unclassified,
    Unpredictable,
};
use crate::cost::{Plan, Prices};
use crate::planet::{Deployment, UpstreamKind};
use crate::units::{Amount, Percent, Unit};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    #[serde(default)]
    pub(super) server: RawServer,
    #[serde(default)]
    pub(super) admin: RawAdmin,
    #[serde(default)]
    pub(super) store: RawStore,
    #[serde(default)]
    pub(super) upstreams: BTreeMap<Name, RawUpstream>,
    #[serde(default)]
    pub(super) plan: Plan,
    #[serde(default)]
    pub(super) teams: Vec<RawTeam>,
    #[serde(default)]
    pub(super) identity: RawIdentity,
    #[serde(default)]
    pub(super) budgets: Vec<RawBudget>,
    #[serde(default)]
    pub(super) paces: Vec<RawPace>,
    #[serde(default)]
    pub(super) bounds: Vec<RawBound>,
    #[serde(default)]
    pub(super) policy: RawRules,
    #[serde(default)]
    pub(super) cache: RawCache,
    #[serde(default)]
    pub(super) prices: Prices,
    #[serde(default)]
    pub(super) tests: Vec<RawExpectation>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    pub(super) listen: Option<Listen>,
    pub(super) public_url: Option<WebUrl>,
    pub(super) admin_listen: Option<Listen>,
    pub(super) tls: Option<RawTls>,
    #[serde(default)]
    pub(super) limits: RawLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) max_body: Option<Size>,
    pub(super) max_connections: Option<u32>,
    pub(super) header_timeout: Option<Span>,
    pub(super) upstream_timeout: Option<Span>,
    pub(super) drain_timeout: Option<Span>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmin {
    #[serde(default)]
    pub(super) tokens: Vec<RawAdminToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdminToken {
    pub(super) name: Name,
    pub(super) sha256: KeyHash,
    pub(super) role: Role,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStore {
    pub(super) url: Option<WordOrTable<String, SecretSource>>,
    pub(super) journal: Option<PathBuf>,
    pub(super) keep: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpstream {
    pub(super) url: WebUrl,
    pub(super) mount: MountPath,
    pub(super) kind: Option<UpstreamKind>,
    pub(super) credential: Option<WordOrTable<PassThrough, RawCredential>>,
    #[serde(default)]
    pub(super) also_known_as: Vec<WebUrl>,
    pub(super) download_hosts: Option<Vec<DownloadHost>>,
    pub(super) deployment: Option<Deployment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCredential {
    pub(super) api_key: Option<SecretSource>,
    pub(super) client_id: Option<SecretSource>,
    pub(super) client_secret: Option<SecretSource>,
    pub(super) token_url: Option<WebUrl>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTeam {
    pub(super) name: Name,
    #[serde(default)]
    pub(super) disabled: bool,
    #[serde(default)]
    pub(super) keys: Vec<RawKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKey {
    pub(super) id: Name,
    pub(super) sha256: KeyHash,
    pub(super) expires: Option<Instant>,
    pub(super) apis: Option<Vec<ApiName>>,
    #[serde(default)]
    pub(super) disabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentity {
    pub(super) unknown_keys: Option<Name>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBudget {
    pub(super) name: Name,
    pub(super) unit: Unit,
    pub(super) limit: Option<Amount>,
    pub(super) window: WordOrTable<Calendar, RawTerm>,
    pub(super) timezone: Option<String>,
    pub(super) anchor: Option<RawAnchor>,
    #[serde(default)]
    pub(super) per: Vec<Dimension>,
    #[serde(default, rename = "match")]
    pub(super) matching: RawMatch,
    pub(super) on_breach: Option<OnBreach>,
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) alerts: Vec<Percent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPace {
    pub(super) name: Name,
    pub(super) per: Option<Dimension>,
    #[serde(default, rename = "match")]
    pub(super) matching: RawMatch,
    pub(super) rate: Rate,
    pub(super) burst: Option<NonZeroU32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBound {
    #[serde(rename = "match")]
    pub(super) matching: RawBoundMatch,
    pub(super) pu: Option<Amount>,
    pub(super) bands: Option<u64>,
    pub(super) sample_type: Option<SampleType>,
    pub(super) samples: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBoundMatch {
    pub(super) apis: Vec<ApiName>,
    pub(super) path: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Calendar {
    Day,
    Week,
    Month,
    Year,
    Forever,
}

/// The day on which a window of the calendar begins: a day of the month, of the week, or of the year.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawAnchor {
    Day(i64),
    Named(String),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTerm {
    pub(super) start: Instant,
    pub(super) end: Instant,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMatch {
    pub(super) teams: Option<Vec<Name>>,
    pub(super) keys: Option<Vec<Name>>,
    pub(super) apis: Option<Vec<ApiName>>,
    pub(super) products: Option<Vec<Name>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRules {
    #[serde(default)]
    pub(super) unclassified: Unclassified,
    #[serde(default)]
    pub(super) unpredictable: Unpredictable,
    pub(super) resend_window: Option<Span>,
    #[serde(default)]
    pub(super) safety_margin: SafetyMargin,
    pub(super) meter_egress: Option<bool>,
    pub(super) max_backfill: Option<Span>,
    #[serde(default)]
    pub(super) live_estimates: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCache {
    pub(super) coalesce: Option<bool>,
    pub(super) size: Option<Size>,
    pub(super) max_age: Option<Span>,
    pub(super) max_body: Option<Size>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpectation {
    pub(super) name: String,
    pub(super) team: Name,
    pub(super) key: Option<Name>,
    pub(super) request: RawRequest,
    pub(super) expect: RawExpected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRequest {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Option<String>,
    pub(super) body_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpected {
    pub(super) decision: Decision,
    pub(super) budget: Option<Name>,
}
