//! How the pretend Planet is to behave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A mebibyte, as most of our tests want their files.
const DEFAULT_ASSET_BYTES: u64 = 1 << 20;

#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a way of Planet's of its own, and any of them may go with any other"
)]
pub struct Options {
    /// API keys and tokens that are let in; `None`: any that is not empty.
    pub accepted_keys: Option<BTreeSet<String>>,
    /// OAuth client ids with their secrets; `None`: any that is not empty.
    pub clients: Option<BTreeMap<String, String>>,
    pub token_lifetime: Duration,
    pub link_origins: LinkOrigins,
    /// The size of every file that is downloaded.
    pub asset_bytes: u64,
    /// The name under which the cost of a call is told.
    pub cost_header: String,
    /// Orders, jobs and activations are done once they were asked for this often, or are this old.
    pub polls_until_done: u32,
    pub job_duration: Duration,
    /// How long a scene is not found after it was acquired. It is charged all the same.
    pub publication_lag: Duration,
    /// Whether estimates of reservations are in square metres and in quotes, as creations are in part.
    pub estimate_in_square_metres: bool,
    /// Whether bytes that leave storage cost PU.
    pub charge_egress: bool,
    /// Whether an order's files are linked to by their addresses in storage, without a token before them.
    pub bare_locations: bool,
    /// Whether JSON is compressed for those who accept it.
    pub gzip: bool,
}

/// What absolute links start with; `None`: `http://` and the host that was asked.
#[derive(Clone, Debug, Default)]
pub struct LinkOrigins {
    pub api: Option<String>,
    pub tiles: Option<String>,
    pub link: Option<String>,
    pub sentinel_hub: Option<String>,
    pub storage: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accepted_keys: None,
            clients: None,
            token_lifetime: Duration::from_hours(1),
            link_origins: LinkOrigins::default(),
            asset_bytes: DEFAULT_ASSET_BYTES,
            cost_header: "x-processunits".to_owned(),
            polls_until_done: 2,
            job_duration: Duration::from_mins(1),
            publication_lag: Duration::ZERO,
            estimate_in_square_metres: false,
            charge_egress: true,
            bare_locations: false,
            gzip: false,
        }
    }
}

impl LinkOrigins {
    /// As the real Planet would write them; storage stays here, where there is something to fetch.
    pub fn of_planet() -> Self {
        let at = |host: &str| Some(format!("https://{host}"));
        Self {
            api: at("api.planet.com"),
            tiles: at("tiles.planet.com"),
            link: at("link.planet.com"),
            sentinel_hub: at("services.sentinel-hub.com"),
            storage: None,
        }
    }
}
