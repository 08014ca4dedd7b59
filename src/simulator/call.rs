//! One request as the routes see it, read as leniently as any server in front of an API might read it:
//! doubled and trailing slashes, dot segments and percent signs do not hide a call from its price.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::options::LinkOrigins;
use super::refusal::Refusal;
use crate::units::UtcTime;

pub(super) struct Call {
    pub(super) method: Method,
    /// As it arrived.
    pub(super) path: String,
    pub(super) query_text: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) now: UtcTime,
    segments: Vec<String>,
    origins: Origins,
}

/// A host of Planet's, for which links are made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Site {
    Api,
    Tiles,
    Link,
    SentinelHub,
    Storage,
}

struct Origins {
    links: LinkOrigins,
    own: String,
}

impl Call {
    pub(super) fn new(
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        links: LinkOrigins,
        now: UtcTime,
    ) -> Self {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
        let own = format!("http://{}", host.unwrap_or("localhost"));
        let query_text = uri.query().unwrap_or_default().to_owned();
        Self {
            method,
            path: uri.path().to_owned(),
            query: form_urlencoded::parse(query_text.as_bytes())
                .into_owned()
                .collect(),
            query_text,
            headers,
            body: Bytes::new(),
            now,
            segments: segments(uri.path()),
            origins: Origins { links, own },
        }
    }

    pub(super) fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter whose name may be in any case, as OGC's may.
    pub(super) fn ogc_parameter(&self, name: &str) -> Option<&str> {
        let mut query = self.query.iter();
        let found = query.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.parameter(name)?.parse().ok()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.headers.get(AUTHORIZATION)?.to_str().ok()
    }

    pub(super) fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::bad(format!("the body is not valid JSON: {error}")))
    }

    pub(super) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// An absolute address on one of Planet's hosts, or on this one that plays them all.
    pub(super) fn link(&self, site: Site, path: &str) -> String {
        let links = &self.origins.links;
        let set = match site {
            Site::Api => &links.api,
            Site::Tiles => &links.tiles,
            Site::Link => &links.link,
            Site::SentinelHub => &links.sentinel_hub,
            Site::Storage => &links.storage,
        };
        match (set, site) {
            (Some(origin), _) => format!("{origin}{path}"),
            // another host than the APIs', as it is in the world: links to it are not the guard's
            (None, Site::Storage) => {
                format!(
                    "{}{path}",
                    self.origins.own.replacen("127.0.0.1", "localhost", 1)
                )
            }
            (None, _) => format!("{}{path}", self.origins.own),
        }
    }
}

fn segments(path: &str) -> Vec<String> {
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let mut segments: Vec<String> = Vec::new();
    for part in decoded.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            part => segments.push(part.to_owned()),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(uri: &str, links: LinkOrigins) -> Call {
        let uri: Uri = uri.parse().unwrap();
        Call::new(
            Method::GET,
            &uri,
            HeaderMap::new(),
            links,
            UtcTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn no_spelling_of_a_path_hides_it() {
        for path in [
            "/api/v1/process",
            "/api/v1/process/",
            "//api//v1/./process",
            "/other/../api/v1/process",
            "/api/v1/%70rocess",
            "/api%2Fv1%2fprocess",
        ] {
            let call = call(path, LinkOrigins::default());
            assert_eq!(call.segments(), ["api", "v1", "process"], "{path}");
        }
    }

    #[test]
    fn links_lead_home_unless_an_origin_is_set() {
        let links = LinkOrigins {
            tiles: Some("https://tiles.planet.com".to_owned()),
            ..LinkOrigins::default()
        };
        let call = call("http://127.0.0.1:9/x", links);
        assert_eq!(call.link(Site::Api, "/a"), "http://127.0.0.1:9/a");
        assert_eq!(call.link(Site::Tiles, "/a"), "https://tiles.planet.com/a");
    }
}
