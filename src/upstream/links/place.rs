//! The origins that are known, and the comparison of a link with one.

use url::Url;

use super::Linked;
use crate::planet::UpstreamKind;

/// An origin and base path, and what stands in their stead.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) upstream: String,
    pub(super) kind: UpstreamKind,
    /// Scheme, host and port as a URL begins.
    pub(super) origin: String,
    /// What exchanged links begin with.
    pub(super) home: String,
    host: String,
    port: Option<u16>,
    /// Empty, or `/…` without a slash at its end.
    base: String,
}

/// Why links cannot be rewritten as the settings say.
#[derive(Debug, thiserror::Error)]
#[error("'{url}' cannot stand in links: {rule}")]
pub struct LinkError {
    url: String,
    rule: &'static str,
}

impl Place {
    /// One place, and one more for each sister host that Planet spreads its tiles over.
    pub(super) fn all_of(
        url: &str,
        upstream: &Linked<'_>,
        home: &str,
    ) -> Result<Vec<Self>, LinkError> {
        let parsed = parse(url)?;
        let host = parsed.host_str().unwrap_or_default().to_ascii_lowercase();
        let hosts = match host.as_str() {
            TILES => TILE_SISTERS
                .iter()
                .map(|sister| (*sister).to_owned())
                .collect(),
            _ => vec![host],
        };
        let port = parsed.port();
        let place = |host: String| Self {
            upstream: upstream.name.to_owned(),
            kind: upstream.kind,
            origin: match port {
                Some(port) => format!("{}://{host}:{port}", parsed.scheme()),
                None => format!("{}://{host}", parsed.scheme()),
            },
            home: home.to_owned(),
            host,
            port,
            base: parsed.path().trim_end_matches('/').to_owned(),
        };
        Ok(hosts.into_iter().map(place).collect())
    }

    /// Where this place's origin and base path end in a URL, if it lies there.
    pub(super) fn covers(&self, address: &Address<'_>, url: &[u8]) -> Option<usize> {
        let is_here =
            self.port == address.port && self.host.as_bytes().eq_ignore_ascii_case(address.host);
        let behind = url[address.end..].strip_prefix(self.base.as_bytes())?;
        let is_whole = matches!(behind.first(), None | Some(b'/' | b'?' | b'#'));
        (is_here && is_whole).then(|| url.len() - behind.len())
    }
}

const TILES: &str = "tiles.planet.com";

/// The last is how a tile link spells all of them at once.
const TILE_SISTERS: [&str; 6] = [
    TILES,
    "tiles0.planet.com",
    "tiles1.planet.com",
    "tiles2.planet.com",
    "tiles3.planet.com",
    "tiles{0-3}.planet.com",
];

/// Host and port that a URL begins with.
pub(in crate::upstream) struct Address<'u> {
    pub(in crate::upstream) host: &'u [u8],
    /// `None` where it is the scheme's own. Plain and encrypted default ports count as one place, since a
    /// server behind a balancer may write `http` into links that it answers over TLS.
    pub(in crate::upstream) port: Option<u16>,
    /// Where the path begins, or the URL ends.
    end: usize,
}

impl<'u> Address<'u> {
    pub(in crate::upstream) fn read(url: &'u [u8]) -> Option<Self> {
        let (start, default_port) = scheme(url)?;
        let length = url[start..]
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
            .unwrap_or(url.len() - start);
        let end = start + length;
        let (host, port) = split_port(&url[start..end])?;
        Some(Self {
            host: host.strip_suffix(b".").unwrap_or(host),
            port: port.filter(|port| *port != default_port),
            end,
        })
    }
}

fn scheme(url: &[u8]) -> Option<(usize, u16)> {
    [("https://", 443), ("http://", 80)]
        .into_iter()
        .find(|(scheme, _)| {
            url.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
        })
        .map(|(scheme, port)| (scheme.len(), port))
}

/// A colon inside brackets belongs to an IPv6 address; an empty port is the scheme's own.
fn split_port(authority: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let Some(colon) = memchr::memrchr(b':', authority) else {
        return Some((authority, None));
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    if port.ends_with(b"]") {
        return Some((authority, None));
    }
    if port.is_empty() {
        return Some((host, None));
    }
    if !port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some((host, Some(port)))
}

/// An address that links can begin with: `http` or `https`, no credentials, query or fragment.
pub(super) fn checked(url: &str) -> Result<&str, LinkError> {
    parse(url).map(|_| url)
}

fn parse(url: &str) -> Result<Url, LinkError> {
    let refuse = |rule| LinkError {
        url: url.rsplit('@').next().unwrap_or_default().to_owned(), // a password may stand before it
        rule,
    };
    let parsed = Url::parse(url).map_err(|_| refuse("it must look like https://host/path"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(refuse("it must begin with http:// or https://"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(refuse("a user name or password has no place in it"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(refuse("a query or fragment has no place in it"));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::Mount;

    fn end_in(place: &str, url: &str) -> Option<usize> {
        let address = Address::read(url.as_bytes())?;
        let upstream = Linked {
            name: "planet",
            kind: UpstreamKind::Planet,
            url: place,
            also_known_as: &[],
            mount: &Mount::parse("/").unwrap(),
        };
        let places = Place::all_of(place, &upstream, "http://guard").unwrap();
        places
            .iter()
            .find_map(|place| place.covers(&address, url.as_bytes()))
    }

    #[test]
    fn a_place_covers_what_lies_under_it_and_nothing_that_starts_alike() {
        let api = "https://api.planet.com";
        for (place, url, covered) in [
            (
                api,
                "https://api.planet.com",
                Some("https://api.planet.com"),
            ),
            (
                api,
                "HTTPS://API.Planet.com/x",
                Some("https://api.planet.com"),
            ),
            (
                api,
                "https://api.planet.com:443?x",
                Some("https://api.planet.com:443"),
            ),
            (
                api,
                "https://api.planet.com:#x",
                Some("https://api.planet.com:"),
            ),
            (
                api,
                "https://api.planet.com./x",
                Some("https://api.planet.com."),
            ),
            (
                api,
                "http://api.planet.com/x",
                Some("http://api.planet.com"),
            ),
            (api, "https://api.planet.com:8443/x", None),
            (api, "https://api.planet.com.evil.org/x", None),
            (api, "https://api.planet.com@evil.org/x", None),
            (api, "https://user@api.planet.com/x", None),
            (api, "https://api.planet.com\\@evil.org/x", None),
            (api, "https://api.planet.com:443@evil.org/x", None),
            (api, "https://api.planet.comet/x", None),
            (api, "ftp://api.planet.com/x", None),
            (api, "https:/api.planet.com/x", None),
            (
                "http://h:9/planet/",
                "http://h:9/planet/x",
                Some("http://h:9/planet"),
            ),
            ("http://h:9/planet", "http://h:9/planetary/x", None),
            ("http://h:9", "http://h/x", None),
            ("http://[::1]:9", "http://[::1]:9/x", Some("http://[::1]:9")),
            ("http://[::1]", "http://[::1]/x", Some("http://[::1]")),
            (
                "https://tiles.planet.com",
                "https://tiles2.planet.com/x",
                Some("https://tiles2.planet.com"),
            ),
            (
                "https://tiles.planet.com",
                "https://tiles{0-3}.planet.com/{z}",
                Some("https://tiles{0-3}.planet.com"),
            ),
        ] {
            assert_eq!(end_in(place, url), covered.map(str::len), "{url}");
        }
    }

    #[test]
    fn an_address_that_no_link_could_begin_with_is_refused_without_its_password() {
        for (url, rule) in [
            ("api.planet.com", "must look like"),
            ("ftp://h", "http:// or https://"),
            ("https://u:secret@h", "user name or password"),
            ("https://h?x=1", "query or fragment"),
        ] {
            let error = checked(url).unwrap_err().to_string();
            assert!(error.contains(rule) && !error.contains("secret"), "{error}");
        }
    }
}
