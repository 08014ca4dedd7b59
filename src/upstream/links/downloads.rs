//! Links to downloads lead to the guard itself, which knows what is behind them; those who follow them
//! cannot go there without it.
//!
//! Of a call to Planet the token alone is exchanged. An address in storage is exchanged whole.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use memchr::memmem;

use super::place::Place;
use crate::identity::Seal;
use crate::planet::downloads::{TOKEN, signature_ends, token_ends};
use crate::planet::{Api, Target, classify};
use crate::upstream::hosts::Hosts;
use crate::upstream::ticket::{Goal, Ticket};

/// How links to downloads are exchanged in one answer.
#[derive(Clone)]
pub struct Sealing {
    pub seal: Arc<Seal>,
    /// Of the upstream that answers.
    pub hosts: Arc<Hosts>,
    /// Where addresses in storage lead instead: `https://guard/quota-guard/v1/downloads/planet`.
    pub page: Arc<str>,
    /// The id of the key that the answer is for.
    pub holder: Arc<str>,
    pub api: Api,
}

/// The longest name of a file that is shown behind a link.
const LONGEST_NAME: usize = 120;

impl Sealing {
    /// What follows the origin of a link to a call, with its token exchanged; `None` where it holds none.
    pub(super) fn call(&self, place: &Place, rest: &[u8], amp: &[u8]) -> Option<Vec<u8>> {
        memmem::find(rest, TOKEN.as_bytes())?;
        let written = std::str::from_utf8(rest).ok()?;
        let amp = std::str::from_utf8(amp).ok()?;
        let plain = plain(written, amp);
        let target = Target::parse(&plain).ok()?;
        let route = classify(place.kind, &http::Method::GET, target.path());
        if !route.operation.is_opened_by_token() {
            return None;
        }
        let (path, query) = written.split_once('?')?;
        let pairs = query.split(amp).map(|pair| match pair.split_once('=') {
            Some((TOKEN, token)) => Cow::Owned(format!("{TOKEN}={}", self.token(place, token))),
            _ => Cow::Borrowed(pair),
        });
        let query = pairs.collect::<Vec<_>>().join(amp);
        Some(format!("{path}?{query}").into_bytes())
    }

    /// Writes the guard's own page for an address in storage.
    pub(super) fn put_address(
        &self,
        address: &[u8],
        upstream: &str,
        amp: &[u8],
        out: &mut Vec<u8>,
    ) {
        // what is no text is no address either: the page alone says that nothing is behind it
        let amp = String::from_utf8_lossy(amp);
        let address = String::from_utf8_lossy(address);
        let address = plain(&address, &amp);
        let ticket = Ticket {
            ends: signature_ends(&address),
            ..self.ticket(&address)
        };
        let words = ticket.seal(&self.seal, Goal::Address, upstream);
        out.extend_from_slice(self.page.as_bytes());
        out.push(b'/');
        out.extend_from_slice(words.unwrap_or_default().as_bytes());
        if let Some(name) = file_name(&address) {
            out.push(b'/');
            out.extend_from_slice(name.as_bytes());
        }
    }

    fn token(&self, place: &Place, token: &str) -> String {
        let ticket = Ticket {
            ends: token_ends(token),
            ..self.ticket(token)
        };
        ticket
            .seal(&self.seal, Goal::Token, &place.upstream)
            .unwrap_or_default()
    }

    fn ticket(&self, goal: &str) -> Ticket {
        Ticket {
            ends: None,
            holder: self.holder.to_string(),
            api: self.api,
            goal: goal.to_owned(),
        }
    }
}

/// A link as it is sent, where the text around it spells `&` otherwise.
fn plain<'t>(written: &'t str, amp: &str) -> Cow<'t, str> {
    if amp == "&" || !written.contains(amp) {
        return Cow::Borrowed(written);
    }
    Cow::Owned(written.replace(amp, "&"))
}

/// The last part of an address's path, by which clients name what they save.
fn file_name(address: &str) -> Option<&str> {
    let path = address.split(['?', '#']).next()?;
    let (_, name) = path.rsplit_once('/')?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = name.len() <= LONGEST_NAME && name.bytes().all(fits);
    (is_name && !matches!(name, "" | "." | "..")).then_some(name)
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealing({})", self.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_where_it_is_one() {
        for (address, name) in [
            ("https://s.example/b/order/a_1.tif?sig=x/y", Some("a_1.tif")),
            ("https://s.example/b/manifest.json#x", Some("manifest.json")),
            ("https://s.example/b/", None),
            ("https://s.example/b/..", None),
            ("https://s.example/b/a%2Fb", None),
            ("https://s.example/b/\u{e9}", None),
        ] {
            assert_eq!(file_name(address), name, "{address}");
        }
    }
}
