//! Links in answers point back to the guard, so that paging and downloads stay inside.
//!
//! A link is text that begins with a known origin, which ends where its host or port ends; what merely
//! starts alike is another host, and is left alone. Only the origin (and an upstream's base path) is
//! exchanged: path, URI-template braces, query order and encodings stay as they came. Planet's own key,
//! which it writes into some links, is exchanged for the caller's or removed; links to downloads are
//! exchanged for the guard's own, where it counts their bytes.

mod downloads;
mod keys;
mod place;
mod stream;

use std::fmt;
use std::sync::Arc;

use crate::planet::{Mount, UpstreamKind};

pub use downloads::Sealing;
pub use keys::HiddenKey;
pub(super) use place::Address;
pub use place::LinkError;
pub use stream::{Form, Rewriter};

use place::Place;

/// One upstream as links name it.
#[derive(Clone, Copy, Debug)]
pub struct Linked<'a> {
    pub name: &'a str,
    pub kind: UpstreamKind,
    /// Its address, with the base path under which it is called.
    pub url: &'a str,
    /// Further addresses whose links lead to the same mount.
    pub also_known_as: &'a [String],
    pub mount: &'a Mount,
}

/// Where links to each known origin lead.
#[derive(Debug)]
pub struct Links {
    places: Vec<Place>,
}

impl Links {
    /// `public_url` is what rewritten links begin with, with or without a path.
    pub fn new(public_url: &str, upstreams: &[Linked<'_>]) -> Result<Self, LinkError> {
        let public_url = place::checked(public_url)?.trim_end_matches('/');
        let mut places = Vec::new();
        for upstream in upstreams {
            let home = format!("{public_url}{}", upstream.mount.as_str());
            let urls = std::iter::once(upstream.url);
            for url in urls.chain(upstream.also_known_as.iter().map(String::as_str)) {
                places.extend(Place::all_of(url, upstream, &home)?);
            }
        }
        Ok(Self { places })
    }

    /// How links are rewritten in an answer that came through `upstream`.
    pub fn in_answer_of(self: &Arc<Self>, upstream: &str, hidden: Option<HiddenKey>) -> Rewrite {
        Rewrite {
            links: Arc::clone(self),
            upstream: upstream.into(),
            hidden,
            sealing: None,
        }
    }

    /// The place that a URL lies in, and where its origin and base path end. Of several, the one with
    /// the longest base path, then the upstream that the answer came through.
    fn place_of(&self, url: &[u8], upstream: &str) -> Option<(&Place, usize)> {
        let address = place::Address::read(url)?;
        self.places
            .iter()
            .filter_map(|place| Some((place, place.covers(&address, url)?)))
            .max_by_key(|(place, end)| (*end, place.upstream == upstream))
    }
}

/// How the links of one answer are rewritten.
#[derive(Clone)]
pub struct Rewrite {
    links: Arc<Links>,
    upstream: Arc<str>,
    hidden: Option<HiddenKey>,
    sealing: Option<Sealing>,
}

impl Rewrite {
    /// The same, with links to downloads exchanged for the guard's own.
    #[must_use]
    pub fn sealing(self, sealing: Option<Sealing>) -> Self {
        Self { sealing, ..self }
    }

    /// Whether who follows a `Location` comes back to the guard.
    pub fn leads_back(&self, location: &str) -> bool {
        let is_known = |url: &str| {
            self.links
                .place_of(url.as_bytes(), &self.upstream)
                .is_some()
        };
        if location.starts_with("//") {
            return is_known(&format!("https:{location}"));
        }
        let is_relative = !location
            .split(['/', '?', '#'])
            .next()
            .unwrap_or_default()
            .contains(':');
        is_relative || is_known(location)
    }

    /// A `Location`, absolute or relative to its host; `None` when it stays as it is.
    pub fn location(&self, value: &str) -> Option<String> {
        let mut out = Vec::with_capacity(value.len());
        self.put_reference(value, &mut out);
        let changed = self.scrubbed(out);
        (changed != value.as_bytes()).then(|| String::from_utf8(changed).ok())?
    }

    /// A `Link` header: each `<reference>` is rewritten, its parameters are not.
    pub fn link_header(&self, value: &str) -> Option<String> {
        let mut out = Vec::with_capacity(value.len());
        let mut rest = value;
        while let Some(start) = reference_start(rest) {
            let Some(length) = rest[start..].find('>') else {
                break;
            };
            out.extend_from_slice(&rest.as_bytes()[..start]);
            self.put_reference(&rest[start..start + length], &mut out);
            rest = &rest[start + length..];
        }
        out.extend_from_slice(rest.as_bytes());
        let changed = self.scrubbed(out);
        (changed != value.as_bytes()).then(|| String::from_utf8(changed).ok())?
    }

    /// A whole body.
    pub fn body(&self, form: Form, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len());
        let mut rewriter = self.clone().streaming(form);
        rewriter.push(body, &mut out);
        rewriter.finish(&mut out);
        out
    }

    /// A body that comes in chunks.
    pub fn streaming(self, form: Form) -> Rewriter {
        Rewriter::new(self, form)
    }

    /// Writes the link rewritten, or nothing and `false` when it leads elsewhere. `amp` is how the text
    /// around it spells the `&` between two pairs of a query.
    fn put_link(&self, url: &[u8], amp: &[u8], out: &mut Vec<u8>) -> bool {
        let Some((place, end)) = self.links.place_of(url, &self.upstream) else {
            return self.put_download(url, amp, out);
        };
        out.extend_from_slice(place.home.as_bytes());
        let sealing = self.sealing.as_ref();
        let sealed = sealing.and_then(|sealing| sealing.call(place, &url[end..], amp));
        let rest = sealed.as_deref().unwrap_or(&url[end..]);
        match &self.hidden {
            Some(hidden) => hidden.put_without_planets(rest, amp, out),
            None => out.extend_from_slice(rest),
        }
        true
    }

    /// Writes the guard's own page where the link leads to storage.
    fn put_download(&self, url: &[u8], amp: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(sealing) = &self.sealing else {
            return false;
        };
        let is_download = Address::read(url).is_some_and(|address| sealing.hosts.covers(&address));
        if is_download {
            sealing.put_address(url, &self.upstream, amp, out);
        }
        is_download
    }

    /// As [`Self::put_link`], for a header, whose references may leave out scheme and host.
    fn put_reference(&self, reference: &str, out: &mut Vec<u8>) {
        if reference.starts_with("//") {
            let absolute = format!("https:{reference}");
            if self.put_link(absolute.as_bytes(), b"&", out) {
                return;
            }
        } else if reference.starts_with('/') {
            if let Some(own) = self.own_place() {
                let absolute = format!("{}{reference}", own.origin);
                if self.put_link(absolute.as_bytes(), b"&", out) {
                    return;
                }
            }
        } else if self.put_link(reference.as_bytes(), b"&", out) {
            return;
        }
        out.extend_from_slice(reference.as_bytes());
    }

    fn own_place(&self) -> Option<&Place> {
        self.links
            .places
            .iter()
            .find(|place| *place.upstream == *self.upstream)
    }

    fn scrubbed(&self, text: Vec<u8>) -> Vec<u8> {
        match &self.hidden {
            Some(hidden) => hidden.scrub_all(&text),
            None => text,
        }
    }
}

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rewrite({})", self.upstream)
    }
}

/// Where the next reference of a `Link` header begins: behind a '<' that stands in no quoted string.
fn reference_start(value: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
