//! The table: what a row is, which groups of rows an upstream has, and the page that is printed from it.

use std::fmt;

use http::Method;

use super::{
    Api, Operation, Pattern, Route, UpstreamKind, account, batch, data, features, insights, ogc,
    orders, subscriptions, tiles,
};

/// Every row of the table.
pub fn table() -> impl Iterator<Item = Entry> {
    KINDS.into_iter().flat_map(|(kind, _)| {
        groups(kind)
            .flat_map(move |group| group.rows.iter().map(move |row| Entry { kind, group, row }))
    })
}

/// The table as a page of Markdown: `ROUTES.md` beside this folder is this text.
pub fn markdown() -> String {
    let sections = KINDS.map(|(kind, title)| {
        let rows: Vec<String> = table()
            .filter(|entry| entry.kind == kind)
            .flat_map(Entry::lines)
            .collect();
        format!(
            "\n## {title}\n\n| Method | Path | API | Rule | Note |\n|---|---|---|---|---|\n{}",
            rows.concat()
        )
    });
    format!("{INTRODUCTION}{}", sections.concat())
}

const KINDS: [(UpstreamKind, &str); 3] = [
    (UpstreamKind::Planet, "api.planet.com"),
    (UpstreamKind::Tiles, "tiles.planet.com"),
    (
        UpstreamKind::SentinelHub,
        "services.sentinel-hub.com and its sisters",
    ),
];

const INTRODUCTION: &str = "\
# Routes

Every call that the guard knows, and the rule by which it is priced. A test derives this page from the
code. A path, a case or a method that is not listed is unclassified, GETs included, and
`policy.unclassified` decides on it. HEAD is classified as GET. A request with a header that stands in
for its method (`X-HTTP-Method-Override` and the like) is refused.
";

/// One row of the table, for whoever prints or checks it.
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

    pub fn calls(&self) -> impl Iterator<Item = (Verb, Operation)> + use<> {
        let row = self.row;
        row.calls.iter().copied()
    }

    fn lines(self) -> impl Iterator<Item = String> {
        self.calls().map(move |(verb, operation)| {
            format!(
                "| {verb} | `{}` | {} | {operation} | {} |\n",
                self.pattern(),
                self.api(),
                self.row.note
            )
        })
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
pub(super) struct Group {
    pub(super) api: Api,
    pub(super) prefix: &'static str,
    pub(super) rows: &'static [Row],
}

impl Group {
    pub(super) fn route(&'static self, row: &'static Row, method: &Method) -> Route {
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
pub(super) struct Row {
    pub(super) tail: &'static str,
    calls: &'static [(Verb, Operation)],
    note: &'static str,
}

pub(super) const fn row(tail: &'static str, calls: &'static [(Verb, Operation)]) -> Row {
    Row {
        tail,
        calls,
        note: "",
    }
}

impl Row {
    pub(super) const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

pub(super) const fn group(api: Api, prefix: &'static str, rows: &'static [Row]) -> Group {
    Group { api, prefix, rows }
}

pub(super) fn groups(kind: UpstreamKind) -> impl Iterator<Item = &'static Group> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_routes_is_printed_from_the_table() {
        let page = include_str!("../ROUTES.md");
        for (printed, written) in markdown().lines().zip(page.lines()) {
            assert_eq!(
                printed, written,
                "bring src/planet/ROUTES.md up to the table"
            );
        }
        assert_eq!(markdown().lines().count(), page.lines().count());
    }

    #[test]
    fn every_row_can_be_called_and_names_each_method_once() {
        for entry in table() {
            let verbs: Vec<Verb> = entry.calls().map(|(verb, _)| verb).collect();
            assert!(!verbs.is_empty(), "{}", entry.pattern());
            for (at, verb) in verbs.iter().enumerate() {
                assert!(!verbs[..at].contains(verb), "{verb} {}", entry.pattern());
            }
        }
    }
}
