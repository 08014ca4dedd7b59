//! What stands behind the `?` of a page, and where its next part is. A parameter that a page does not
//! know is an error: a misspelt filter would show everything.

use std::collections::BTreeMap;
use std::str::FromStr;

use http::Uri;
use serde::Serialize;

use super::problem::Problem;

/// Items to a page, where nobody asks otherwise, and the most there are.
const USUAL: usize = 100;
const MOST: usize = 1000;

/// The parameters of a list, each known and given once.
#[derive(Debug)]
pub(super) struct Query {
    path: String,
    given: BTreeMap<String, String>,
}

/// One part of a list.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// Where the rest is, on this server; `null` when there is none.
    next: Option<String>,
}

impl Query {
    /// `known`: besides `limit` and `after`, which every list knows.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let mut given = BTreeMap::new();
        let query = uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !["limit", "after"].contains(&&*name) && !known.contains(&&*name) {
                let mut all: Vec<_> = known.to_vec();
                all.extend(["limit", "after"]);
                let (name, all) = (shortened(&name), all.join(", "));
                return Err(Problem::bad_request(format!(
                    "This page does not know the parameter '{name}'; it knows {all}."
                )));
            }
            if given.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Problem::bad_request(format!(
                    "The parameter '{name}' is given twice."
                )));
            }
        }
        Ok(Self {
            path: uri.path().to_owned(),
            given,
        })
    }

    /// Of a page that takes no parameters at all.
    pub(super) fn none(uri: &Uri) -> Result<(), Problem> {
        match uri.query() {
            None | Some("") => Ok(()),
            Some(_) => Err(Problem::bad_request("This page takes no parameters.")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// A value of a kind; `kind` says what to write.
    pub(super) fn value<T: FromStr>(&self, name: &str, kind: &str) -> Result<Option<T>, Problem> {
        let read = |text: &str| {
            let value = text.parse();
            value.map_err(|_| wrong(name, text, kind))
        };
        self.text(name).map(read).transpose()
    }

    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let kind = "a whole number from 1 to 1000";
        match self.value::<usize>("limit", kind)? {
            None => Ok(USUAL),
            Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
            Some(_) => Err(wrong("limit", self.text("limit").unwrap_or_default(), kind)),
        }
    }

    /// One page of `items`, which may hold one more than fits; `place` names an item's place in the list.
    pub(super) fn page<T>(
        &self,
        mut items: Vec<T>,
        limit: usize,
        place: impl FnOnce(&T) -> String,
    ) -> Page<T> {
        let goes_on = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| goes_on);
        Page {
            next: last.map(|last| self.after(&place(last))),
            items,
        }
    }

    fn after(&self, place: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.given {
            if name != "after" {
                query.append_pair(name, value);
            }
        }
        query.append_pair("after", place);
        format!("{}?{}", self.path, query.finish())
    }
}

fn wrong(name: &str, text: &str, kind: &str) -> Problem {
    let text = shortened(text);
    Problem::bad_request(format!("'{text}' cannot be {name}: write {kind}."))
}

/// What a caller wrote, as far as it is worth repeating.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let kept = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    kept.take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(query: &str) -> Result<Query, Problem> {
        let uri: Uri = format!("/api/v1/things?{query}").parse().unwrap();
        Query::read(&uri, &["state"])
    }

    #[test]
    fn a_list_goes_on_where_it_stopped_with_the_same_filters() {
        let query = query("state=low&limit=2&after=1").unwrap();
        let page = query.page(vec![2, 3, 4], query.limit().unwrap(), ToString::to_string);
        assert_eq!(page.items, [2, 3]);
        let next = page.next.unwrap();
        assert_eq!(next, "/api/v1/things?limit=2&state=low&after=3");
        assert_eq!(query.page(vec![4, 5], 2, ToString::to_string).next, None);
        assert_eq!(query.page(vec![], 2, i32::to_string).next, None);
    }

    #[test]
    fn what_a_page_does_not_know_is_said_and_not_ignored() {
        for (text, words) in [
            (
                "stat=low",
                "does not know the parameter 'stat'; it knows state, limit, after",
            ),
            ("state=a&state=b", "given twice"),
            ("%0A=1", "parameter ' '"),
        ] {
            let problem = query(text).unwrap_err();
            let said = format!("{problem:?}");
            assert!(said.contains(words), "{text}: {said}");
        }
        for limit in ["0", "1001", "-1", "ten", ""] {
            let asked = query(&format!("limit={limit}")).unwrap();
            assert!(asked.limit().is_err(), "{limit}");
        }
        assert_eq!(query("").unwrap().limit(), Ok(USUAL));
    }
}
