//! Where a call goes: an upstream's base URL and the path that was classified, joined so that upstream
//! sees exactly that path.

use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, InvalidUriParts, PathAndQuery, Scheme};

/// An upstream's address, such as `https://api.planet.com` or `http://127.0.0.1:9000/planet`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or `/…` without a slash at its end.
    path: String,
}

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("'{url}' is not an upstream's address: {rule}")]
    Base { url: String, rule: &'static str },
    #[error("the path '{path}' cannot be sent: {rule}")]
    Path { path: String, rule: &'static str },
    #[error("the address is too long or malformed")]
    Join(#[from] InvalidUriParts),
}

impl Base {
    /// The address of one call. `path_and_query` is the canonical one, and begins with one slash.
    pub fn join(&self, path_and_query: &str) -> Result<Uri, TargetError> {
        let refuse = |rule| TargetError::Path {
            path: without_query(path_and_query).to_owned(),
            rule,
        };
        if !path_and_query.starts_with('/') {
            return Err(refuse("it must begin with '/'"));
        }
        if path_and_query.starts_with("//") {
            return Err(refuse("it must begin with a single '/'"));
        }
        if path_and_query.contains('#') {
            return Err(refuse("a fragment ('#') never reaches a server"));
        }
        let joined = PathAndQuery::try_from(format!("{}{path_and_query}", self.path))
            .map_err(|_| refuse("it holds characters that no URL may hold"))?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(joined);
        Ok(Uri::from_parts(parts)?)
    }

    /// Host and port as they stand in `Host`.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for Base {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let shown = url.rsplit('@').next().unwrap_or_default(); // a password may stand before it
        let refuse = |rule| TargetError::Base {
            url: shown.to_owned(),
            rule,
        };
        if url.contains('#') {
            return Err(refuse("a fragment ('#') has no place in it"));
        }
        let parts = url
            .parse::<Uri>()
            .map_err(|_| refuse("it must look like https://host/path"))?
            .into_parts();
        let scheme = parts
            .scheme
            .filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
            .ok_or_else(|| refuse("it must begin with http:// or https://"))?;
        let authority = parts
            .authority
            .ok_or_else(|| refuse("it must name a host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("a user name or password has no place in it"));
        }
        let path = parts
            .path_and_query
            .unwrap_or(PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(refuse("a query ('?') has no place in it"));
        }
        Ok(Self {
            scheme,
            authority,
            path: path.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// Keys travel in queries, so an error shows only what stands before one.
fn without_query(path_and_query: &str) -> &str {
    path_and_query.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_and_a_path_meet_in_one_slash() {
        for (base, path, joined) in [
            (
                "https://api.planet.com",
                "/data/v1",
                "https://api.planet.com/data/v1",
            ),
            ("https://api.planet.com/", "/", "https://api.planet.com/"),
            ("http://h:9/a/b//", "/c?d=//e", "http://h:9/a/b/c?d=//e"),
            ("http://[::1]:9/a", "/c%2Fd?", "http://[::1]:9/a/c%2Fd?"),
        ] {
            let base: Base = base.parse().unwrap();
            assert_eq!(base.join(path).unwrap().to_string(), joined);
        }
    }

    #[test]
    fn a_path_that_upstream_could_read_otherwise_is_refused() {
        let base: Base = "https://api.planet.com".parse().unwrap();
        for path in [
            "",
            "data",
            "//evil.example/x",
            "*",
            "/a#b",
            "/a b",
            "/a\r\nHost: b",
        ] {
            assert!(base.join(path).is_err(), "{path}");
        }
    }

    #[test]
    fn the_error_does_not_repeat_a_key_in_the_query() {
        let base: Base = "https://api.planet.com".parse().unwrap();
        let sentence = base.join("//tiles?api_key=PLAK1").unwrap_err().to_string();
        assert!(!sentence.contains("PLAK1"), "{sentence}");
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused() {
        for url in [
            "",
            "api.planet.com",
            "/path",
            "ftp://h",
            "https://",
            "https://u:p@h",
            "https://h/?a=b",
            "https://h/#a",
        ] {
            assert!(url.parse::<Base>().is_err(), "{url}");
        }
    }
}
