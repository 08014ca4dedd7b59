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
mod subscriptions;
mod tiles;

use std::fmt;

use http::Method;

use super::{Api, UpstreamKind};

pub use ogc::OgcRequest;
pub use operation::Operation;

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

/// Every row of the table: upstream, pattern, methods with their operations, and what to know of it.
pub fn table() -> impl Iterator<Item = Entry> {
    const KINDS: [UpstreamKind; 3] = [
        UpstreamKind::Planet,
        UpstreamKind::Tiles,
        UpstreamKind::SentinelHub,
    ];
    KINDS.into_iter().flat_map(|kind| {
        groups(kind)
            .flat_map(move |group| group.rows.iter().map(move |row| Entry { kind, group, row }))
    })
}

/// One row of the table, for whoever prints it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub kind: UpstreamKind,
    group: &'static Group,
    row: &'static Row,
}

impl Entry {
    pub fn api(&self) -> Api {
        self.group.api
    }

    pub fn pattern(&self) -> Pattern {
        self.group.pattern(self.row)
    }

    pub fn calls(&self) -> impl Iterator<Item = (Verb, Operation)> {
        self.row.calls.iter().copied()
    }

    pub fn note(&self) -> &'static str {
        self.row.note
    }
}

/// The methods that Planet's APIs use. HEAD is classified as the GET that it asks about: upstream may
/// bill it alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    fn of(method: &Method) -> Option<Self> {
        Some(match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ => return None,
        })
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        })
    }
}

/// Routes with one prefix. An API that answers under two prefixes has two groups over the same rows.
#[derive(Debug)]
struct Group {
    api: Api,
    prefix: &'static str,
    rows: &'static [Row],
}

impl Group {
    fn route(&'static self, row: &'static Row, method: &Method) -> Route {
        let verb = Verb::of(method);
        let call = row.calls.iter().find(|(known, _)| Some(*known) == verb);
        call.map_or(Route::UNKNOWN, |(_, operation)| Route {
            api: self.api,
            operation: *operation,
            pattern: self.pattern(row),
        })
    }

    fn pattern(&self, row: &Row) -> Pattern {
        Pattern {
            prefix: self.prefix,
            tail: row.tail,
        }
    }
}

/// One pattern below a group's prefix. Where two match a path, the one that is more literal stands first.
#[derive(Debug)]
struct Row {
    tail: &'static str,
    calls: &'static [(Verb, Operation)],
    note: &'static str,
}

const fn row(tail: &'static str, calls: &'static [(Verb, Operation)]) -> Row {
    Row {
        tail,
        calls,
        note: "",
    }
}

impl Row {
    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

const fn group(api: Api, prefix: &'static str, rows: &'static [Row]) -> Group {
    Group { api, prefix, rows }
}

fn groups(kind: UpstreamKind) -> impl Iterator<Item = &'static Group> {
    let parts: &[&'static [Group]] = match kind {
        UpstreamKind::Planet => &[
            data::GROUPS,
            orders::GROUPS,
            subscriptions::GROUPS,
            features::GROUPS,
            account::GROUPS,
        ],
        UpstreamKind::Tiles => &[tiles::GROUPS],
        UpstreamKind::SentinelHub => &[insights::GROUPS, batch::GROUPS, ogc::GROUPS],
    };
    parts.iter().copied().flatten()
}
