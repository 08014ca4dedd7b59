//! Which call a request is: one table of every route, and [`classify`], which reads it.
//!
//! The table is the whole of what the guard knows. A path that it does not hold, a known path in another
//! case and a known path with another method are all [`Operation::Unknown`], reads included, since a GET
//! can spend too. Paths come in canonical (see [`super::Target`]) and below their mount.
//!
//! The method is the one of the request line. Headers that ask a server to take another one
//! ([`METHOD_OVERRIDES`]) would make upstream see a call that was not classified: refuse them.

mod account;
mod batch;
mod data;
mod features;
mod insights;
mod ogc;
mod operation;
mod orders;
mod pattern;
mod reach;
mod subscriptions;
mod table;
mod tiles;
#[cfg(test)]
mod tricks;

use std::fmt;

use http::Method;

use super::{Api, UpstreamKind};

pub use ogc::OgcRequest;
pub use operation::Operation;
pub use table::{Entry, Verb, markdown, table};

use table::{Group, Row, group, groups, row};

/// Request headers by which some servers let one method stand for another.
pub const METHOD_OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// The call that a request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Route {
    pub api: Api,
    pub operation: Operation,
    pub pattern: Pattern,
}

impl Route {
    const UNKNOWN: Self = Self {
        api: Api::Unknown,
        operation: Operation::Unknown,
        pattern: Pattern {
            prefix: "",
            tail: "",
        },
    };

    /// What stands in the path for `{name}` of the pattern, still percent-encoded.
    pub fn param<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        pattern::param(
            self.pattern.tail,
            path.strip_prefix(self.pattern.prefix)?,
            name,
        )
    }

    /// The path up to what stands for `{name}` of the pattern: the address of the thing that it names.
    pub fn address_of<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        let pattern = self.pattern.to_string();
        let mut segments = pattern.split('/');
        let place = segments.position(|segment| pattern::param_name(segment) == Some(name))?;
        let end = path.match_indices('/').nth(place);
        Some(end.map_or(path, |(end, _)| &path[..end]))
    }
}

/// The shape of a path, such as `/subscriptions/v1/{id}/cancel`. Empty for an unknown call.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Pattern {
    prefix: &'static str,
    tail: &'static str,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix, self.tail)
    }
}

/// Says which call this is. `path` is canonical and below its mount; a trailing slash does not matter.
pub fn classify(kind: UpstreamKind, method: &Method, path: &str) -> Route {
    for group in groups(kind) {
        let Some(rest) = pattern::below(group.prefix, path) else {
            continue;
        };
        if let Some(row) = group
            .rows
            .iter()
            .find(|row| pattern::matches(row.tail, rest))
        {
            return group.route(row, method);
        }
    }
    Route::UNKNOWN
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A path of this pattern, with parameters that are no literal of any pattern.
    pub(super) fn sample(pattern: Pattern) -> String {
        let segments: Vec<String> = pattern
            .to_string()
            .split('/')
            .map(|segment| match pattern::param_name(segment) {
                Some(name) => format!("x-{}", name.trim_end_matches('*')),
                None => segment.to_owned(),
            })
            .collect();
        segments.join("/")
    }

    pub(super) fn method(verb: Verb) -> Method {
        verb.to_string().parse().unwrap()
    }

    #[test]
    fn every_route_is_classified_as_itself() {
        for entry in table() {
            let path = sample(entry.pattern());
            for (verb, operation) in entry.calls() {
                for path in [path.clone(), format!("{path}/")] {
                    let route = classify(entry.kind, &method(verb), &path);
                    let expected = Route {
                        api: entry.api(),
                        operation,
                        pattern: entry.pattern(),
                    };
                    assert_eq!(route, expected, "{verb} {path}");
                }
            }
        }
    }

    #[test]
    fn of_two_patterns_for_one_path_the_first_is_the_more_literal() {
        let is_param = |segment: &str| pattern::param_name(segment).is_some();
        let rows: Vec<_> = table()
            .map(|entry| (entry.kind, entry.pattern().to_string()))
            .collect();
        for (at, (kind, first)) in rows.iter().enumerate() {
            for (_, second) in rows[at + 1..].iter().filter(|(other, _)| other == kind) {
                let one: Vec<&str> = first.split('/').collect();
                let other: Vec<&str> = second.split('/').collect();
                let overlap = one.len() == other.len()
                    && one
                        .iter()
                        .zip(&other)
                        .all(|(a, b)| a == b || is_param(a) || is_param(b));
                let shadows = one
                    .iter()
                    .zip(&other)
                    .any(|(a, b)| is_param(a) && !is_param(b));
                let same = one
                    .iter()
                    .zip(&other)
                    .all(|(a, b)| is_param(a) == is_param(b));
                assert!(
                    !overlap || (!shadows && !same),
                    "{first} stands before {second}"
                );
            }
        }
    }

    const SPENDING: &[(UpstreamKind, &str)] = &[
        (
            UpstreamKind::Planet,
            "POST /compute/ops/orders/v2 is orders CreateOrder
            POST /subscriptions/v1/ is subscriptions CreateSubscription
            POST /subscriptions/v1/bulk is subscriptions CreateSubscriptions
            PATCH /subscriptions/v1/7 is subscriptions ReviseSubscription
            GET /data/v1/assets/eyJ9/activate is data ActivateAsset
            HEAD /data/v1/download is data DownloadAsset
            GET /compute/ops/download/ is orders DownloadOrder
            GET /orders/v2/download is orders DownloadOrder
            GET /basemaps/v1/mosaics/m/quads/1-2/full is basemaps DownloadQuad
            POST /account/v1/quota-reservations/ is quota ReserveQuota
            POST /auth/v1/experimental/public/quota-reservations/ is quota ReserveQuota",
        ),
        (
            UpstreamKind::Tiles,
            "GET /basemaps/v1/planet-tiles/m/gmap/1/2/3.png is tiles BasemapTile
            GET /data/v1/PSScene/a/1/2/3.png is tiles SceneTile",
        ),
        (
            UpstreamKind::SentinelHub,
            "POST /api/v1/process is process Process
            POST /process/v1 is process Process
            POST /api/v1/catalog/1.0.0/search is catalog CatalogSearch
            POST /api/v1/catalog/search is catalog CatalogSearch
            POST /api/v1/statistics/batch/7/start is batch-statistics StartBatch
            POST /batch/v1/process/7/restartpartial is batch-process StartBatch
            DELETE /byoc/v1/collections/7 is byoc CollectionWrite
            GET /ogc/wms/0b1c is ogc Ogc",
        ),
    ];

    #[test]
    fn calls_that_spend_are_known_in_each_of_their_spellings() {
        for (kind, calls) in SPENDING {
            for call in calls.lines() {
                let mut words = call.split_whitespace();
                let [method, path] = [(); 2].map(|()| words.next().unwrap());
                let Route { api, operation, .. } = classify(*kind, &method.parse().unwrap(), path);
                let found = format!("{method} {path} is {api} {operation:?}");
                assert_eq!(found, call.trim_start());
            }
        }
    }

    #[test]
    fn another_method_case_or_host_makes_a_call_unknown() {
        use UpstreamKind::{Planet, SentinelHub, Tiles};
        for (kind, method, path) in [
            (Planet, "DELETE", "/compute/ops/orders/v2"),
            (Planet, "post", "/compute/ops/orders/v2"),
            (Planet, "OPTIONS", "/compute/ops/orders/v2"),
            (Planet, "GET", "/subscriptions/v1/bulk"),
            (Planet, "POST", "/Compute/ops/orders/v2"),
            (Planet, "POST", "/compute/ops/orders/v2x"),
            (Planet, "GET", "/data/v1/item-types/x/items/y/assets/z"),
            (Planet, "GET", "/"),
            (Planet, "POST", "/api/v1/process"),
            (Tiles, "POST", "/compute/ops/orders/v2"),
            (SentinelHub, "GET", "/api/v1/process"),
            (SentinelHub, "GET", "/ogc/wmts/0b1c/set/1/2/3"),
        ] {
            let route = classify(kind, &method.parse().unwrap(), path);
            assert_eq!(route, Route::UNKNOWN, "{method} {path}");
        }
    }

    #[test]
    fn a_route_reads_its_params_from_the_path() {
        let path = "/basemaps/v1/mosaics/m%2C1/quads/12-7/full/";
        let route = classify(UpstreamKind::Planet, &Method::GET, path);
        assert_eq!(
            route.pattern.to_string(),
            "/basemaps/v1/mosaics/{mosaic}/quads/{quad}/full"
        );
        assert_eq!(route.param(path, "mosaic"), Some("m%2C1"));
        assert_eq!(route.param(path, "quad"), Some("12-7"));
        assert_eq!(route.param(path, "order"), None);
    }

    #[test]
    fn a_route_knows_the_address_of_what_it_names() {
        for (kind, method, path, name, address) in [
            (
                UpstreamKind::SentinelHub,
                Method::POST,
                "/batch/v1/process/7/tiles/3/restart/",
                "task",
                Some("/batch/v1/process/7"),
            ),
            (
                UpstreamKind::SentinelHub,
                Method::POST,
                "/api/v1/statistics/batch/a%2Fb/start",
                "task",
                Some("/api/v1/statistics/batch/a%2Fb"),
            ),
            (
                UpstreamKind::Planet,
                Method::PATCH,
                "/subscriptions/v1/7",
                "subscription",
                Some("/subscriptions/v1/7"),
            ),
            (
                UpstreamKind::Planet,
                Method::POST,
                "/subscriptions/v1/7/reactivate",
                "order",
                None,
            ),
        ] {
            let route = classify(kind, &method, path);
            assert_eq!(route.address_of(path, name), address, "{path}");
        }
    }
}
