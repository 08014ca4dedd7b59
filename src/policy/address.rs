//! Where things stand: mounts in the guard's own paths, and addresses of other hosts.

use core::net::SocketAddr;

use url::Url;

use super::text::{Text, texts};
use crate::planet::Mount;

/// Where an upstream stands in the guard's own paths.
#[derive(Clone, Debug)]
pub(super) struct MountPath(pub(super) Mount);

/// The guard's own routes live under this.
const OWN_ROUTES: &str = "/quota-guard";

impl Text for MountPath {
    const EXPECTED: &str = "a path such as \"/tiles\"";

    fn read(text: &str) -> Result<Self, String> {
        let mount = Mount::parse(text)
            .map_err(|misread| format!("'{text}' cannot be a mount\n{}", misread.sentence))?;
        let under = mount.as_str().strip_prefix(OWN_ROUTES);
        if under.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err(format!(
                "'{text}' is where the guard's own routes are\nchoose another mount than {OWN_ROUTES}"
            ));
        }
        Ok(Self(mount))
    }
}

/// An address and a port to listen on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listen(pub(super) SocketAddr);

impl Text for Listen {
    const EXPECTED: &str = "an address with a port, such as \"127.0.0.1:8080\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("'{text}' is not an address with a port\nwrite one such as \"127.0.0.1:8080\" or \"[::1]:8080\"")
        })
    }
}

/// An http or https address without credentials, query and fragment.
#[derive(Clone, Debug)]
pub(super) struct WebUrl(pub(super) Url);

impl Text for WebUrl {
    const EXPECTED: &str = "an address such as \"https://api.planet.com\"";

    fn read(text: &str) -> Result<Self, String> {
        let rule = "write an address such as \"https://api.planet.com\"";
        let url =
            Url::parse(text).map_err(|error| format!("this is not a URL: {error}\n{rule}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(format!(
                "the URL must begin with http:// or https://\n{rule}"
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "a URL here must not hold a user name or password\n{rule}"
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("a URL here has no '?' and no '#'\n{rule}"));
        }
        Ok(Self(url))
    }
}

/// Where signed downloads lead: a host that is asked over TLS, or an origin written in full.
#[derive(Clone, Debug)]
pub(super) struct DownloadHost(pub(super) url::Origin);

impl Text for DownloadHost {
    const EXPECTED: &str = "a host such as \"storage.googleapis.com\"";

    fn read(text: &str) -> Result<Self, String> {
        let rule = "write its name alone, such as \"storage.googleapis.com\"; only a host that is asked \
                    without TLS needs http:// before it";
        if text.contains('*') {
            return Err(format!("one entry is one host\n{rule}"));
        }
        let written = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let WebUrl(url) =
            WebUrl::read(&written).map_err(|_| format!("'{text}' is no host\n{rule}"))?;
        if url.path() != "/" || text.ends_with('/') {
            return Err(format!("a host has no path\n{rule}"));
        }
        Ok(Self(url.origin()))
    }
}

texts!(DownloadHost, Listen, MountPath, WebUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_a_path_that_requests_can_have_and_not_the_guards_own() {
        for good in ["/", "/tiles", "/a/b", "/quota-guards"] {
            assert!(MountPath::read(good).is_ok(), "{good}");
        }
        for bad in ["", "tiles", "//", "/a//b", "/../x", "/a b", "/a?b"] {
            assert!(MountPath::read(bad).is_err(), "{bad}");
        }
        for own in ["/quota-guard", "/quota-guard/", "/quota-guard/v1"] {
            assert!(MountPath::read(own).unwrap_err().contains("own routes"));
        }
    }

    #[test]
    fn addresses_hold_nothing_but_an_address() {
        assert!(WebUrl::read("https://api.planet.com").is_ok());
        for bad in [
            "api.planet.com",
            "ftp://a",
            "https://u:p@a",
            "https://a?x=1",
            "https://a#b",
            "",
        ] {
            assert!(WebUrl::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_download_host_is_asked_over_tls_unless_it_says_otherwise() {
        for (text, origin) in [
            ("storage.googleapis.com", "https://storage.googleapis.com"),
            ("Storage.Example:8443", "https://storage.example:8443"),
            ("https://a.example:443", "https://a.example"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("[::1]:9000", "https://[::1]:9000"),
        ] {
            let DownloadHost(read) = DownloadHost::read(text).unwrap();
            assert_eq!(read.ascii_serialization(), origin);
        }
        for bad in [
            "",
            "*",
            "a b",
            "a.example/",
            "a.example/bucket",
            "https://a.example/b",
            "ftp://a.example",
            "u@a.example",
            "a.example?x",
            "*.googleapis.com",
        ] {
            assert!(DownloadHost::read(bad).is_err(), "{bad}");
        }
    }
}
