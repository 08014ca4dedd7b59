//! The hosts that keep what is downloaded: the guard follows links to these and to no others.
//!
//! What answers name is never trusted for more than that: a redirect to the machine's own network finds no
//! host of that name here. Addresses go out byte by byte as they came, for their signatures cover them.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LOCATION, RANGE, USER_AGENT,
};
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use url::Origin;

use super::body::{Body, empty};
use super::links::Address;
use super::pool::{Pool, SendError, SendLimits};

/// A download that leads on further than this leads in circles.
const MOST_REDIRECTS: usize = 5;

/// Of a host's name in a sentence; no real one is longer.
const LONGEST_SHOWN: usize = 253;

/// What storage may see of a request. Nothing in it says who is calling.
const SHOWN: [HeaderName; 9] = [
    ACCEPT,
    ACCEPT_ENCODING,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    RANGE,
    USER_AGENT,
];

/// Hosts by scheme, name and port.
#[derive(Debug, Default)]
pub struct Hosts(Vec<Host>);

#[derive(Debug)]
struct Host {
    scheme: Scheme,
    /// In small letters; an IPv6 address in brackets.
    name: String,
    port: u16,
}

/// What is asked of storage, wherever that is.
#[derive(Clone, Debug)]
pub struct Onward {
    method: Method,
    headers: HeaderMap,
}

/// Why a download was not followed to its end.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(
        "the download leads to {host}, which is none of the hosts that downloads may come from"
    )]
    Foreign { host: String },
    #[error("the download leads to an address that cannot be read")]
    Unreadable,
    #[error("the download leads on and on, more than {MOST_REDIRECTS} times")]
    Circle,
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Onward {
    /// The same as the caller asked, but for everything that is none of storage's business.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        let mut shown = HeaderMap::new();
        for name in &SHOWN {
            for value in headers.get_all(name) {
                shown.append(name, value.clone());
            }
        }
        Self {
            method: method.clone(),
            headers: shown,
        }
    }

    /// Whether its answer has a body.
    pub fn brings_bytes(&self) -> bool {
        self.method != Method::HEAD
    }

    fn to(&self, address: Uri) -> Request<Body> {
        let mut request = Request::new(empty());
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        *request.uri_mut() = address;
        request
    }
}

impl Hosts {
    pub fn new(origins: &[Origin]) -> Self {
        let hosts = origins.iter().filter_map(|origin| match origin {
            Origin::Tuple(scheme, host, port) => Some(Host {
                scheme: scheme.parse().ok()?,
                name: host.to_string(),
                port: *port,
            }),
            Origin::Opaque(_) => None,
        });
        Self(hosts.collect())
    }

    /// Asks for what lies at `address`, and goes where storage sends on to, within these hosts.
    pub async fn fetch(
        &self,
        address: &str,
        onward: &Onward,
        pool: &Pool,
        limits: SendLimits,
    ) -> Result<Response<Body>, FollowError> {
        let mut address: Uri = address.parse().map_err(|_| FollowError::Unreadable)?;
        for _ in 0..=MOST_REDIRECTS {
            self.check(&address)?;
            let answer = pool.send(onward.to(address.clone()), limits).await?;
            match redirect(&answer) {
                None => return Ok(answer),
                Some(location) => {
                    let location = location.ok_or(FollowError::Unreadable)?;
                    address = resolve(&address, location).ok_or(FollowError::Unreadable)?;
                }
            }
        }
        Err(FollowError::Circle)
    }

    /// Whether an address lies on one of these hosts, whatever its scheme.
    pub(super) fn covers(&self, address: &Address<'_>) -> bool {
        self.0.iter().any(|host| {
            let default = default_port(&host.scheme);
            let is_named = host.name.as_bytes().eq_ignore_ascii_case(address.host);
            is_named && address.port == Some(host.port).filter(|port| *port != default)
        })
    }

    /// Whether an address in a header lies on one of these hosts.
    pub fn cover(&self, address: &str) -> bool {
        Address::read(address.as_bytes()).is_some_and(|address| self.covers(&address))
    }

    fn check(&self, address: &Uri) -> Result<(), FollowError> {
        let authority = address.authority().ok_or(FollowError::Unreadable)?;
        let scheme = address.scheme().ok_or(FollowError::Unreadable)?;
        let port = authority.port_u16().unwrap_or_else(|| default_port(scheme));
        let name = authority.host();
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_listed = self.0.iter().any(|host| {
            host.scheme == *scheme && host.port == port && host.name.eq_ignore_ascii_case(name)
        });
        if is_listed && !authority.as_str().contains('@') {
            return Ok(());
        }
        let shown: String = name.chars().take(LONGEST_SHOWN).collect();
        Err(FollowError::Foreign {
            host: format!("{scheme}://{shown}:{port}"),
        })
    }
}

/// Where an answer leads on to: `None` where it does not, `Some(None)` where nobody can read it.
pub fn redirect<B>(answer: &Response<B>) -> Option<Option<&str>> {
    let leads_on = matches!(
        answer.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    leads_on.then(|| answer.headers().get(LOCATION)?.to_str().ok())
}

/// A location absolute, or relative to its host; other relative ones are unheard of here.
fn resolve(from: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    if location.starts_with("//") {
        return format!("{scheme}:{location}").parse().ok();
    }
    if location.starts_with('/') {
        return format!("{scheme}://{authority}{location}").parse().ok();
    }
    Address::read(location.as_bytes())?;
    location.parse().ok()
}

fn default_port(scheme: &Scheme) -> u16 {
    if *scheme == Scheme::HTTP { 80 } else { 443 }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn hosts(origins: &[&str]) -> Hosts {
        let origins: Vec<Origin> = origins
            .iter()
            .map(|origin| origin.parse::<url::Url>().unwrap().origin())
            .collect();
        Hosts::new(&origins)
    }

    #[test]
    fn only_what_is_listed_is_asked_by_scheme_name_and_port() {
        let hosts = hosts(&["https://storage.example", "http://127.0.0.1:9000"]);
        for (address, followed) in [
            ("https://storage.example/b/f?sig=a%2Fb", true),
            ("HTTPS://Storage.Example:443/b", true),
            ("https://storage.example./b", true),
            ("http://127.0.0.1:9000/b", true),
            ("http://storage.example/b", false),
            ("https://storage.example:8443/b", false),
            ("https://a.storage.example/b", false),
            ("https://storage.example.evil.org/b", false),
            ("https://user@storage.example/b", false),
            ("https://storage.example@evil.org/b", false),
            ("http://127.0.0.1/b", false),
            ("http://127.0.0.1:9001/b", false),
            ("http://127.1:9000/b", false),
            ("http://[::1]:9000/b", false),
            ("http://169.254.169.254/latest/meta-data", false),
            ("http://metadata.google.internal/computeMetadata/v1", false),
            ("/b", false),
        ] {
            let read: Uri = address.parse().unwrap();
            assert_eq!(hosts.check(&read).is_ok(), followed, "{address}");
        }
        for unreadable in [
            "https://storage.example\\@evil.org/b",
            "https://storage.example/a b",
        ] {
            assert!(unreadable.parse::<Uri>().is_err(), "{unreadable}");
        }
    }

    #[test]
    fn an_address_in_an_answer_is_known_whatever_its_scheme() {
        let hosts = hosts(&["https://storage.example", "http://[::1]:9000"]);
        for (address, known) in [
            ("https://storage.example/b", true),
            ("http://storage.example/b", true),
            ("https://STORAGE.example:443", true),
            ("http://[::1]:9000/b", true),
            ("https://storage.example:9000/b", false),
            ("https://user@storage.example/b", false),
            ("gs://storage.example/b", false),
        ] {
            assert_eq!(hosts.cover(address), known, "{address}");
        }
        assert!(!Hosts::default().cover("https://storage.example/b"));
    }

    #[test]
    fn an_address_goes_out_as_it_came() {
        let signed = "https://storage.example/b/f%2Fg~(1)?X-Goog-Signature=ab%2Fcd&a=%7e{x}|";
        let read: Uri = signed.parse().unwrap();
        assert_eq!(read.to_string(), signed);
    }

    #[test]
    fn locations_are_resolved_where_they_can_be_read_in_one_way() {
        let from: Uri = "https://storage.example/b/f?x=1".parse().unwrap();
        for (location, address) in [
            (
                "https://other.example/c?d=%2F",
                Some("https://other.example/c?d=%2F"),
            ),
            ("//other.example/c", Some("https://other.example/c")),
            ("/c?d", Some("https://storage.example/c?d")),
            ("c", None),
            ("?d", None),
            ("", None),
            ("file:///etc/passwd", None),
            ("gopher://storage.example/", None),
        ] {
            let resolved = resolve(&from, location).map(|uri| uri.to_string());
            assert_eq!(resolved.as_deref(), address, "{location}");
        }
    }

    #[test]
    fn storage_sees_nothing_of_who_asks() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "api-key K"),
            ("cookie", "a=b"),
            ("x-planet-app", "cli"),
            ("quota-guard-tag", "t"),
            ("x-forwarded-for", "10.0.0.1"),
            ("range", "bytes=0-9"),
            ("if-none-match", "\"e\""),
            ("accept-encoding", "gzip"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let Onward { headers, .. } = Onward::of(&Method::GET, &headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept-encoding", "if-none-match", "range"]);
    }
}
