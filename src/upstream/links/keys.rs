//! Planet's own key, which it writes into some links, never reaches a team.

use std::fmt;

use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const UNRESERVED_STAY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is hidden in an answer, and what stands in its stead.
#[derive(Clone)]
pub struct HiddenKey {
    planets: Option<memmem::Finder<'static>>,
    /// `api_key=…`, as it stands in a query.
    callers: Option<String>,
}

impl HiddenKey {
    /// `planets` is the guard's own upstream key, where it has one: it is taken out of any text. In links
    /// to known origins every `api_key` is taken for Planet's. `callers` is the key that the caller came
    /// with; without it the parameter is removed.
    pub fn new(planets: Option<&str>, callers: Option<&str>) -> Self {
        let finder = |key: &str| memmem::Finder::new(key.as_bytes()).into_owned();
        Self {
            planets: planets.filter(|key| !key.is_empty()).map(finder),
            callers: callers
                .map(|key| format!("{NAME}{}", utf8_percent_encode(key, UNRESERVED_STAY))),
        }
    }

    /// Writes what follows the origin of a link, its `api_key` exchanged or removed.
    pub(super) fn put_without_planets(&self, rest: &[u8], amp: &[u8], out: &mut Vec<u8>) {
        let fragment_at = memchr::memchr(b'#', rest).unwrap_or(rest.len());
        let query_at = memchr::memchr(b'?', &rest[..fragment_at]);
        let (Some(query_at), true) = (query_at, memmem::find(rest, NAME.as_bytes()).is_some())
        else {
            out.extend_from_slice(rest);
            return;
        };
        out.extend_from_slice(&rest[..query_at]);
        let mut separator: &[u8] = b"?";
        for pair in pairs(&rest[query_at + 1..fragment_at], amp) {
            let kept = match (pair.starts_with(NAME.as_bytes()), &self.callers) {
                (false, _) => pair,
                (true, Some(callers)) => callers.as_bytes(),
                (true, None) => continue,
            };
            out.extend_from_slice(separator);
            out.extend_from_slice(kept);
            separator = amp;
        }
        out.extend_from_slice(&rest[fragment_at..]);
    }

    /// Takes the guard's own key out of a whole text.
    pub(super) fn scrub_all(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let kept = self.scrub(text, &mut out);
        out.extend_from_slice(&text[kept..]);
        out
    }

    /// Writes `text` without the guard's own key, but for an end in which a key may have begun; says
    /// where that end starts.
    pub(super) fn scrub(&self, text: &[u8], out: &mut Vec<u8>) -> usize {
        let Some(finder) = &self.planets else {
            out.extend_from_slice(text);
            return text.len();
        };
        let key = finder.needle();
        let callers = self
            .callers
            .as_deref()
            .map_or("", |pair| &pair[NAME.len()..]);
        let mut done = 0;
        while let Some(at) = finder.find(&text[done..]) {
            out.extend_from_slice(&text[done..done + at]);
            out.extend_from_slice(callers.as_bytes());
            done += at + key.len();
        }
        let tail = text.len().saturating_sub(key.len() - 1).max(done);
        let begun = (tail..text.len()).find(|start| key.starts_with(&text[*start..]));
        let end = begun.unwrap_or(text.len());
        out.extend_from_slice(&text[done..end]);
        end
    }
}

impl fmt::Debug for HiddenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HiddenKey(…)")
    }
}

const NAME: &str = "api_key=";

fn pairs<'q>(query: &'q [u8], amp: &[u8]) -> impl Iterator<Item = &'q [u8]> {
    let mut rest = Some(query);
    std::iter::from_fn(move || {
        let query = rest?;
        match memmem::find(query, amp) {
            Some(at) => {
                rest = Some(&query[at + amp.len()..]);
                Some(&query[..at])
            }
            None => rest.take(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanged(rest: &str, amp: &str, callers: Option<&str>) -> String {
        let mut out = Vec::new();
        HiddenKey::new(None, callers).put_without_planets(
            rest.as_bytes(),
            amp.as_bytes(),
            &mut out,
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_key_of_a_link_is_exchanged_or_removed_and_the_rest_stays() {
        for (rest, amp, with_callers, without) in [
            ("/x?api_key=PLAK1", "&", "/x?api_key=my%2Bkey", "/x"),
            (
                "/x?a=%7e&api_key=P&b={z}#f",
                "&",
                "/x?a=%7e&api_key=my%2Bkey&b={z}#f",
                "/x?a=%7e&b={z}#f",
            ),
            ("/x?api_key=P&b", "&", "/x?api_key=my%2Bkey&b", "/x?b"),
            (
                "/x?a=1&amp;api_key=P&amp;b=2",
                "&amp;",
                "/x?a=1&amp;api_key=my%2Bkey&amp;b=2",
                "/x?a=1&amp;b=2",
            ),
            ("/x?my_api_key=P", "&", "/x?my_api_key=P", "/x?my_api_key=P"),
            ("/api_key=P/x", "&", "/api_key=P/x", "/api_key=P/x"),
            ("/x#?api_key=P", "&", "/x#?api_key=P", "/x#?api_key=P"),
        ] {
            assert_eq!(exchanged(rest, amp, Some("my+key")), with_callers, "{rest}");
            assert_eq!(exchanged(rest, amp, None), without, "{rest}");
        }
    }

    #[test]
    fn the_guards_own_key_is_taken_out_of_any_text() {
        let hidden = HiddenKey::new(Some("PLAK77"), Some("mine"));
        let text = hidden.scrub_all(b"PLAK77 <a>PLPLAK77PLAK7</a>");
        assert_eq!(String::from_utf8(text).unwrap(), "mine <a>PLminePLAK7</a>");
        assert_eq!(format!("{hidden:?}"), "HiddenKey(…)");
    }

    #[test]
    fn an_end_in_which_a_key_may_have_begun_is_kept_back() {
        let hidden = HiddenKey::new(Some("PLAK77"), None);
        let mut out = Vec::new();
        assert_eq!(hidden.scrub(b"x PLAK77 PLPLA", &mut out), 11);
        assert_eq!(out, b"x  PL");
        assert_eq!(hidden.scrub(b"PLAX", &mut out), 4);
    }
}
