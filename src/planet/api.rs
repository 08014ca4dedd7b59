//! The names of Planet's APIs, as the policy file, metrics and reports write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which family of hosts an upstream belongs to: it decides the route table.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamKind {
    /// `api.planet.com`
    Planet,
    /// `tiles.planet.com`
    Tiles,
    /// `services.sentinel-hub.com` and its sisters.
    SentinelHub,
}

macro_rules! apis {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// An API of Planet's, by the name that people use in a policy.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Api { $($variant),+ }

        impl Api {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

apis! {
    Data = "data",
    Orders = "orders",
    Subscriptions = "subscriptions",
    Features = "features",
    Basemaps = "basemaps",
    Tiles = "tiles",
    Quota = "quota",
    Account = "account",
    Destinations = "destinations",
    Tasking = "tasking",
    Analytics = "analytics",
    Process = "process",
    AsyncProcess = "async-process",
    BatchProcess = "batch-process",
    Statistics = "statistics",
    BatchStatistics = "batch-statistics",
    Catalog = "catalog",
    Ogc = "ogc",
    Byoc = "byoc",
    Zarr = "zarr",
    Auth = "auth",
    Unknown = "unknown",
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Api {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .iter()
            .copied()
            .find(|api| api.name() == name)
            .ok_or(())
    }
}

impl Serialize for Api {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
