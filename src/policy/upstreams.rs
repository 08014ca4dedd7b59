//! The hosts behind the guard, where they are mounted, and with whose credential they are called.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use url::Url;

use super::address::{DownloadHost, WebUrl};
use super::either::WordOrTable;
use super::fault::{Fault, Path};
use super::raw::{RawCredential, RawUpstream};
use super::text::{Name, PassThrough};
use crate::planet::{Deployment, Mount, UpstreamKind};

/// A host of Planet's behind a mount.
#[derive(Clone, Debug)]
pub struct Upstream {
    name: Arc<str>,
    kind: UpstreamKind,
    url: Url,
    mount: Mount,
    credential: Credential,
    also_known_as: Vec<url::Origin>,
    download_hosts: Vec<url::Origin>,
    deployment: Deployment,
}

/// What upstream is shown instead of, or as, the caller's credential.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credential {
    /// The caller's own goes on as it came.
    PassThrough,
    /// The caller's is removed and this one put in.
    ApiKey(SecretSource),
    /// The caller's is removed; a token that `token_url` gives this client is put in.
    Client {
        id: SecretSource,
        secret: SecretSource,
        token_url: Url,
    },
}

/// Where a secret is to be found; boot reads it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretSource {
    Env(String),
    File(PathBuf),
}

impl Upstream {
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub const fn kind(&self) -> UpstreamKind {
        self.kind
    }

    /// Without query and fragment; a path in it stands before every path that is forwarded.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    pub const fn mount(&self) -> &Mount {
        &self.mount
    }

    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Further origins whose links belong to this mount.
    pub fn also_known_as(&self) -> &[url::Origin] {
        &self.also_known_as
    }

    /// Where the guard follows signed downloads to, and nowhere else; none where it follows none.
    pub fn download_hosts(&self) -> &[url::Origin] {
        &self.download_hosts
    }

    /// Meaningful for Sentinel Hub alone.
    pub const fn deployment(&self) -> Deployment {
        self.deployment
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            env: Option<String>,
            file: Option<PathBuf>,
        }
        let wrong =
            "a secret does not stand in this file\nwrite { env = \"NAME\" } or { file = \"PATH\" }";
        let WordOrTable::Table(Raw { env, file }) =
            WordOrTable::<serde::de::IgnoredAny, Raw>::deserialize(reader)?
        else {
            return Err(serde::de::Error::custom(wrong));
        };
        match (env, file) {
            (Some(name), None) if !name.is_empty() => Ok(Self::Env(name)),
            (None, Some(path)) if !path.as_os_str().is_empty() => Ok(Self::File(path)),
            _ => Err(serde::de::Error::custom(
                "a secret comes from one place\nwrite { env = \"NAME\" } or { file = \"PATH\" }",
            )),
        }
    }
}

/// All upstreams, longest mount first. `meters` says whether downloads are followed.
pub(super) fn upstreams(
    raw: BTreeMap<Name, RawUpstream>,
    meters: bool,
) -> Result<Vec<Arc<Upstream>>, Fault> {
    let mut mounts: HashMap<Mount, Arc<str>> = HashMap::new();
    let mut origins: HashSet<url::Origin> = HashSet::new();
    let mut all = Vec::new();
    for (name, raw) in raw {
        let here = Path::to("upstreams").key(&name.0);
        let upstream = upstream(name.0, raw, meters, &here)?;
        if let Some(other) = mounts.insert(upstream.mount.clone(), upstream.name.clone()) {
            return Err(Fault::new(
                here.key("mount"),
                format!("the upstream '{other}' stands there already"),
                "give each upstream a mount of its own",
            ));
        }
        for (position, origin) in upstream.also_known_as.iter().enumerate() {
            if !origins.insert(origin.clone()) {
                return Err(Fault::new(
                    here.key("also_known_as").item(position),
                    format!("{} is listed already", origin.ascii_serialization()),
                    "links of one origin can lead to one mount only: keep one",
                ));
            }
        }
        all.push(Arc::new(upstream));
    }
    if all.is_empty() {
        return Err(Fault::new(
            Path::to("upstreams"),
            "there is no upstream to guard",
            "add [upstreams.planet] with url = \"https://api.planet.com\" and mount = \"/\"",
        ));
    }
    no_upstream_is_a_download_host(&all)?;
    all.sort_by_key(|upstream| std::cmp::Reverse(upstream.mount.as_str().len()));
    Ok(all)
}

/// A link leads to a mount, where it is judged as a call, or is a download: never both.
fn no_upstream_is_a_download_host(all: &[Arc<Upstream>]) -> Result<(), Fault> {
    let known = |origin: &url::Origin| {
        all.iter().find(|upstream| {
            upstream.url.origin() == *origin || upstream.also_known_as.contains(origin)
        })
    };
    for upstream in all {
        for (position, origin) in upstream.download_hosts.iter().enumerate() {
            if let Some(other) = known(origin) {
                let here = Path::to("upstreams").key(&upstream.name);
                return Err(Fault::new(
                    here.key("download_hosts").item(position),
                    format!("links to it lead to the mount of upstream '{}'", other.name),
                    "list only hosts that store what is downloaded",
                ));
            }
        }
    }
    Ok(())
}

fn upstream(
    name: Arc<str>,
    raw: RawUpstream,
    meters: bool,
    here: &Path,
) -> Result<Upstream, Fault> {
    let RawUpstream {
        url,
        mount,
        kind,
        credential,
        also_known_as,
        download_hosts,
        deployment,
    } = raw;
    let kind = kind_of(&name, kind, here)?;
    if deployment.is_some() && kind != UpstreamKind::SentinelHub {
        return Err(Fault::new(
            here.key("deployment"),
            "only Sentinel Hub has deployments",
            "remove the key, or set kind = \"sentinel-hub\" on an upstream with a name of its own",
        ));
    }
    Ok(Upstream {
        name,
        kind,
        url: url.0,
        mount: mount.0,
        credential: credential_for(kind, credential, here)?,
        also_known_as: also_known_as
            .iter()
            .enumerate()
            .map(|(position, url)| origin(&url.0, &here.key("also_known_as").item(position)))
            .collect::<Result<_, Fault>>()?,
        download_hosts: hosts_for(kind, download_hosts, meters, here)?,
        deployment: deployment.unwrap_or_default(),
    })
}

/// Where api.planet.com keeps what it delivers by links.
const PLANETS_STORAGE: &str = "https://storage.googleapis.com";

fn hosts_for(
    kind: UpstreamKind,
    written: Option<Vec<DownloadHost>>,
    meters: bool,
    here: &Path,
) -> Result<Vec<url::Origin>, Fault> {
    let here = here.key("download_hosts");
    let Some(written) = written else {
        let usual = Url::parse(PLANETS_STORAGE).ok();
        let usual = usual.filter(|_| meters && kind == UpstreamKind::Planet);
        return Ok(usual.iter().map(Url::origin).collect());
    };
    if !meters {
        return Err(Fault::new(
            here,
            "downloads are not followed, so nothing would act on this",
            "remove it, or set meter_egress = true in [policy]",
        ));
    }
    let mut hosts = Vec::new();
    for (position, DownloadHost(origin)) in written.into_iter().enumerate() {
        if hosts.contains(&origin) {
            return Err(Fault::new(
                here.item(position),
                format!("{} is listed already", origin.ascii_serialization()),
                "keep one",
            ));
        }
        hosts.push(origin);
    }
    Ok(hosts)
}

fn kind_of(name: &str, written: Option<UpstreamKind>, here: &Path) -> Result<UpstreamKind, Fault> {
    let named = match name {
        "planet" => Some(UpstreamKind::Planet),
        "tiles" => Some(UpstreamKind::Tiles),
        "sentinel-hub" => Some(UpstreamKind::SentinelHub),
        _ => None,
    };
    match (named, written) {
        (Some(named), Some(written)) if named != written => Err(Fault::new(
            here.key("kind"),
            format!("an upstream named '{name}' is of that kind"),
            "remove the key, or choose another name",
        )),
        (Some(kind), _) | (None, Some(kind)) => Ok(kind),
        (None, None) => Err(Fault::new(
            here.clone(),
            format!("nothing says which API the upstream '{name}' speaks"),
            "add kind = \"planet\", \"tiles\" or \"sentinel-hub\"",
        )),
    }
}

fn credential_for(
    kind: UpstreamKind,
    written: Option<WordOrTable<PassThrough, RawCredential>>,
    here: &Path,
) -> Result<Credential, Fault> {
    let here = here.key("credential");
    let RawCredential {
        api_key,
        client_id,
        client_secret,
        token_url,
    } = match written {
        None | Some(WordOrTable::Word(PassThrough)) => return Ok(Credential::PassThrough),
        Some(WordOrTable::Table(table)) => table,
    };
    let refuse = |key, message, rule| Err(Fault::new(here.key(key), message, rule));
    match (api_key, client_id, client_secret, token_url) {
        (Some(_), None, None, None) if kind == UpstreamKind::SentinelHub => {
            refuse("api_key", "Sentinel Hub takes no API key", A_CLIENT)
        }
        (Some(api_key), None, None, None) => Ok(Credential::ApiKey(api_key)),
        (Some(_), ..) => refuse(
            "api_key",
            "upstream is shown one credential",
            AN_API_KEY_OR_A_CLIENT,
        ),
        (None, Some(_), Some(_), Some(_)) if kind == UpstreamKind::Tiles => refuse(
            "client_id",
            "tiles are asked for with an API key",
            "write { api_key = { env = \"NAME\" } }",
        ),
        (None, Some(id), Some(secret), Some(WebUrl(token_url))) => Ok(Credential::Client {
            id,
            secret,
            token_url,
        }),
        _ => Err(Fault::new(
            here.clone(),
            "this credential is not whole",
            AN_API_KEY_OR_A_CLIENT,
        )),
    }
}

const A_CLIENT: &str = "write { client_id = { env = … }, client_secret = { env = … }, token_url = \"…\" }, or \
    \"pass-through\": callers bring a token of their own";
const AN_API_KEY_OR_A_CLIENT: &str =
    "write { api_key = { env = \"NAME\" } }, or client_id, client_secret and token_url together";

fn origin(url: &Url, here: &Path) -> Result<url::Origin, Fault> {
    if url.path() == "/" {
        return Ok(url.origin());
    }
    Err(Fault::new(
        here.clone(),
        "an origin has no path",
        "write scheme and host alone, such as \"https://link.planet.com\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, policy};
    use super::*;

    fn upstream(name: &str, rest: &str) -> String {
        format!("[upstreams.{name}]\nurl = \"https://x.example\"\n{rest}\n")
    }

    #[test]
    fn the_longest_mount_wins() {
        let text = upstream("tiles", "mount = \"/tiles\"")
            + &upstream(
                "sentinel-hub",
                "mount = \"/tiles/deep\"\ndeployment = \"us-west-2\"",
            );
        let policy = policy(&text);
        for (path, name, rest) in [
            ("/tiles/deep/a", "sentinel-hub", "/a"),
            ("/tiles/deeper", "tiles", "/deeper"),
            ("/tiles", "tiles", "/"),
            ("/data/v1", "planet", "/data/v1"),
        ] {
            let (upstream, left) = policy.upstream_for(path).unwrap();
            assert_eq!((&**upstream.name(), left), (name, rest), "{path}");
        }
        assert!(policy.upstream_for("no-slash").is_none());
        assert_eq!(policy.upstreams()[0].deployment(), Deployment::UsWest2);
    }

    #[test]
    fn a_credential_is_the_callers_or_comes_from_elsewhere() {
        let read = |credential: &str| {
            let text = upstream(
                "tiles",
                &format!("mount = \"/t\"\ncredential = {credential}"),
            );
            policy(&text).upstreams()[0].credential().clone()
        };
        assert_eq!(read("\"pass-through\""), Credential::PassThrough);
        assert_eq!(
            read("{ api_key = { env = \"K\" } }"),
            Credential::ApiKey(SecretSource::Env("K".into()))
        );
        let client = "{ client_id = { env = \"I\" }, client_secret = { file = \"s\" }, token_url = \"https://t/x\" }";
        let hub = upstream(
            "sentinel-hub",
            &format!("mount = \"/s\"\ncredential = {client}"),
        );
        assert_eq!(
            *policy(&hub).upstreams()[0].credential(),
            Credential::Client {
                id: SecretSource::Env("I".into()),
                secret: SecretSource::File("s".into()),
                token_url: "https://t/x".parse().unwrap(),
            }
        );
        assert_eq!(
            read("{ api_key = { file = \"k\" } }"),
            Credential::ApiKey(SecretSource::File("k".into()))
        );
    }

    #[test]
    fn a_key_in_the_file_itself_is_refused_and_not_repeated() {
        for credential in ["{ api_key = \"PLAKsecret\" }", "\"PLAKsecret\""] {
            let text = upstream(
                "tiles",
                &format!("mount = \"/t\"\ncredential = {credential}"),
            );
            let said = super::super::testing::read(&text).unwrap_err().to_string();
            assert!(!said.contains("PLAK"), "{said}");
        }
    }

    #[test]
    fn contradictions_are_refused_where_they_stand() {
        let tiles = |rest: &str| upstream("tiles", &format!("mount = \"/t\"\n{rest}"));
        let hub = |rest: &str| upstream("sentinel-hub", &format!("mount = \"/s\"\n{rest}"));
        assert_refused(&[
            (
                &upstream("tiles", "mount = \"/\""),
                "\"/\"",
                "'planet' stands there already",
            ),
            (
                &upstream("tiles", "mount = \"/quota-guard\""),
                "\"/quota-guard\"",
                "own routes",
            ),
            (
                &upstream("tiles", "mount = \"t\""),
                "\"t\"",
                "'t' cannot be a mount",
            ),
            (
                &upstream("eu", "mount = \"/eu\""),
                "[upstreams.eu]",
                "which API",
            ),
            (&tiles("kind = \"planet\""), "\"planet\"", "is of that kind"),
            (
                &tiles("kind = \"planets\""),
                "\"planets\"",
                "'planets' is not a choice",
            ),
            (
                &tiles("deployment = \"main\""),
                "\"main\"",
                "only Sentinel Hub",
            ),
            (&hub("deployment = \"mars\""), "\"mars\"", "not a choice"),
            (
                &hub("credential = { api_key = { env = \"K\" } }"),
                "{ env = \"K\" }",
                "takes no API key",
            ),
            (
                &tiles("credential = { api_key = { env = \"K\", file = \"k\" } }"),
                "{ env = \"K\", file = \"k\" }",
                "one place",
            ),
            (
                &tiles("also_known_as = [\"https://a/b\"]"),
                "\"https://a/b\"",
                "no path",
            ),
            (
                &tiles("also_known_as = [\"https://a\", \"https://a:443\"]"),
                "\"https://a:443\"",
                "listed already",
            ),
        ]);
    }

    #[test]
    fn downloads_are_followed_to_planets_storage_unless_other_hosts_are_listed() {
        let hosts = |text: &str| -> Vec<String> {
            let policy = policy(text);
            let planet = policy.upstream_for("/").unwrap().0;
            let hosts = planet.download_hosts().iter();
            hosts.map(url::Origin::ascii_serialization).collect()
        };
        assert_eq!(hosts(""), ["https://storage.googleapis.com"]);
        assert!(hosts("[policy]\nmeter_egress = false").is_empty());
        let eu = |hosts: &str| {
            format!(
                "[upstreams.eu]\nurl = \"https://x.example\"\nmount = \"/eu\"\nkind = \"planet\"\n\
                 also_known_as = [\"https://y.example\"]\ndownload_hosts = {hosts}\n"
            )
        };
        let listed = policy(&eu("[\"s.example\", \"http://127.0.0.1:9\"]"));
        let listed = listed.upstream_for("/eu").unwrap().0.download_hosts();
        assert_eq!(listed.len(), 2);
        assert_refused(&[
            (&eu("[\"s\", \"s:443\"]"), "\"s:443\"", "listed already"),
            (&eu("[\"s/b\"]"), "\"s/b\"", "no path"),
            (
                &eu("[\"y.example\"]"),
                "\"y.example\"",
                "mount of upstream 'eu'",
            ),
            (
                &eu("[\"api.planet.com\"]"),
                "\"api.planet.com\"",
                "mount of upstream 'planet'",
            ),
            (
                &format!("{}[policy]\nmeter_egress = false", eu("[\"s\"]")),
                "[\"s\"]",
                "not followed",
            ),
        ]);
    }

    #[test]
    fn a_client_is_whole_and_of_a_kind_that_knows_clients() {
        let tiles = |rest: &str| upstream("tiles", &format!("mount = \"/t\"\n{rest}"));
        let hub = |rest: &str| upstream("sentinel-hub", &format!("mount = \"/s\"\n{rest}"));
        assert_refused(&[
            (
                &hub("credential = { client_id = { env = \"I\" } }"),
                "{ client_id = { env = \"I\" } }",
                "not whole",
            ),
            (
                &hub("credential = { api_key = { env = \"K\" }, client_id = { env = \"I\" } }"),
                "{ env = \"K\" }",
                "one credential",
            ),
            (
                &tiles(
                    "credential = { client_id = { env = \"I\" }, client_secret = { env = \"S\" }, token_url = \"https://t\" }",
                ),
                "{ env = \"I\" }",
                "with an API key",
            ),
        ]);
    }
}
