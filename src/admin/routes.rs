//! The pages of the admin API: where they are, how they are asked for, and which role they take.

use http::Method;
use percent_encoding::percent_decode_str;

use super::problem::Problem;
use crate::policy::Role;

/// A page, with what its path names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Page {
    Budgets,
    TopUps(String),
    TopUp(String),
    Unknowns,
    Resolve(String),
    Audit,
    OpenApi,
}

impl Page {
    /// Only lists have parameters behind the `?`.
    pub(super) const fn takes_no_query(&self) -> bool {
        matches!(self, Self::TopUp(_) | Self::Resolve(_) | Self::OpenApi)
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Route {
    pub(super) page: Page,
    role: Role,
}

/// How one page is asked for. `{}` in a pattern stands for one piece of the path.
struct Rule {
    method: Method,
    pattern: &'static str,
    role: Role,
    page: fn(String) -> Page,
}

static RULES: [Rule; 7] = [
    Rule::reads("/api/v1/budgets", |_| Page::Budgets),
    Rule::reads("/api/v1/budgets/{}/top-ups", Page::TopUps),
    Rule::orders("/api/v1/budgets/{}/top-ups", Role::Admin, Page::TopUp),
    Rule::reads("/api/v1/unknowns", |_| Page::Unknowns),
    Rule::orders("/api/v1/unknowns/{}/resolve", Role::Approver, Page::Resolve),
    Rule::reads("/api/v1/audit", |_| Page::Audit),
    Rule::reads("/openapi.json", |_| Page::OpenApi),
];

impl Rule {
    const fn reads(pattern: &'static str, page: fn(String) -> Page) -> Self {
        Self {
            method: Method::GET,
            pattern,
            role: Role::Viewer,
            page,
        }
    }

    const fn orders(pattern: &'static str, role: Role, page: fn(String) -> Page) -> Self {
        Self {
            method: Method::POST,
            pattern,
            role,
            page,
        }
    }

    /// What stands in the path for `{}`; empty where the pattern has none.
    fn matches(&self, path: &str) -> Option<String> {
        let Some((before, behind)) = self.pattern.split_once("{}") else {
            return (path == self.pattern).then(String::new);
        };
        let piece = path.strip_prefix(before)?.strip_suffix(behind)?;
        let plain = !piece.is_empty() && !piece.contains('/');
        let piece = percent_decode_str(piece).decode_utf8().ok()?;
        plain.then(|| piece.into_owned())
    }

    fn answers(&self, method: &Method) -> bool {
        self.method == method || (self.method == Method::GET && method == Method::HEAD)
    }
}

impl Route {
    /// The page at `path`, or why there is none.
    pub(super) fn find(method: &Method, path: &str) -> Result<Self, Problem> {
        let here = RULES
            .iter()
            .filter_map(|rule| Some((rule, rule.matches(path)?)));
        let here: Vec<_> = here.collect();
        if let Some((rule, piece)) = here.iter().find(|(rule, _)| rule.answers(method)) {
            return Ok(Self {
                page: (rule.page)(piece.clone()),
                role: rule.role,
            });
        }
        if here.is_empty() {
            return Err(nothing_here());
        }
        let methods = here.iter().map(|(rule, _)| match rule.method {
            Method::GET => "GET, HEAD",
            _ => rule.method.as_str(),
        });
        Err(Problem::wrong_method(
            &methods.collect::<Vec<_>>().join(", "),
        ))
    }

    /// The role that somebody must have to get this page, or to hear that there is none.
    pub(super) fn needs(found: &Result<Self, Problem>) -> Role {
        found.as_ref().map_or(Role::Viewer, |route| route.role)
    }
}

fn nothing_here() -> Problem {
    let mut paths: Vec<&str> = RULES.iter().map(|rule| rule.pattern).collect();
    paths.dedup();
    let paths = paths.join(", ").replace("{}", "…");
    Problem::not_found(format!(
        "There is nothing here. Pages are {paths}, /healthz, /readyz and /metrics."
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::openapi::DOCUMENT;
    use super::*;

    fn page(method: &Method, path: &str) -> Result<Page, u16> {
        let found = Route::find(method, path);
        let status = |problem: Problem| problem.respond().status().as_u16();
        found.map(|route| route.page).map_err(status)
    }

    #[test]
    fn a_path_leads_to_one_page_or_says_why_not() {
        for (method, path, expected) in [
            (Method::GET, "/api/v1/budgets", Ok(Page::Budgets)),
            (Method::HEAD, "/api/v1/budgets", Ok(Page::Budgets)),
            (Method::POST, "/api/v1/budgets", Err(405)),
            (
                Method::POST,
                "/api/v1/budgets/org%2Dpu/top-ups",
                Ok(Page::TopUp("org-pu".into())),
            ),
            (
                Method::GET,
                "/api/v1/budgets/org-pu/top-ups",
                Ok(Page::TopUps("org-pu".into())),
            ),
            (Method::GET, "/api/v1/unknowns/1/resolve", Err(405)),
            (Method::GET, "/api/v1/budgets/", Err(404)),
            (Method::GET, "/api/v1/budgets//top-ups", Err(404)),
            (Method::POST, "/api/v1/budgets/a/b/top-ups", Err(404)),
            (Method::GET, "/api/v1", Err(404)),
            (Method::GET, "/", Err(404)),
        ] {
            assert_eq!(page(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn every_page_is_described_and_nothing_else_is() {
        let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("an item") {
                if method == "parameters" {
                    continue;
                }
                let role = operation["x-role"].as_str().unwrap_or("none").to_owned();
                described.insert((method.to_uppercase(), path.clone(), role));
            }
        }
        let named = |rule: &Rule| {
            let name = if rule.pattern.contains("budgets") {
                "{name}"
            } else {
                "{id}"
            };
            let path = rule.pattern.replace("{}", name);
            (rule.method.to_string(), path, rule.role.name().to_owned())
        };
        let open = ["/healthz", "/readyz", "/metrics"];
        let open = open.map(|path| ("GET".to_owned(), path.to_owned(), "none".to_owned()));
        let served: BTreeSet<_> = RULES.iter().map(named).chain(open).collect();
        assert_eq!(described, served);
    }
}
