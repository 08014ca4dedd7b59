//! Where the guard listens, what it bounds, and where its books are.

use core::net::{Ipv4Addr, SocketAddr};
use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use url::Url;

use super::SecretSource;
use super::either::WordOrTable;
use super::fault::{Fault, Path};
use super::raw::{RawLimits, RawServer, RawStore, RawTls};
use crate::units::ByteCount;

const DEFAULT_PORT: u16 = 8080;
const DEFAULT_ADMIN_PORT: u16 = 8081;
/// The journal is rolled up by day.
const SHORTEST_KEEP: Duration = Duration::from_hours(24);
const DEFAULT_STORE: &str = "sqlite:quota-guard.db";
const DEFAULT_JOURNAL: &str = "quota-guard.replica";

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    pub listen: SocketAddr,
    /// What rewritten links start with; it ends without a slash.
    pub public_url: String,
    pub admin_listen: SocketAddr,
    pub tls: Option<Tls>,
    pub limits: Limits,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Of a body that must be understood before it is forwarded.
    pub max_body: ByteCount,
    pub max_connections: u32,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long upstream may take to begin its answer.
    pub upstream_timeout: Duration,
    /// How long requests under way may take when the guard stops.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: ByteCount(16 << 20),
            max_connections: 4096,
            header_timeout: Duration::from_secs(10),
            upstream_timeout: Duration::from_mins(5),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Where the books are kept, and what this guard alone remembers of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Store {
    books: Books,
    journal: PathBuf,
    keep: Option<Duration>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Books {
    Sqlite { file: PathBuf },
    Postgres(PostgresUrl),
}

impl Store {
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// The file of this guard's own.
    pub fn journal(&self) -> &FilePath {
        &self.journal
    }

    /// How long requests that have ended are kept one by one; `None`: for ever.
    pub const fn keep(&self) -> Option<Duration> {
        self.keep
    }
}

/// Where a PostgreSQL store is. Its URL may hold a password, so it may be kept outside of the policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PostgresUrl {
    Written(WrittenUrl),
    Kept(SecretSource),
}

/// A URL that stands in the policy. It leaves through [`WrittenUrl::expose`] alone.
#[derive(Clone, Eq, PartialEq)]
pub struct WrittenUrl(Url);

impl WrittenUrl {
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for WrittenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrittenUrl({self})")
    }
}

/// Host and database: nothing that could be a secret.
impl fmt::Display for WrittenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.host_str().unwrap_or("localhost"))?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.0.path())
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.books {
            Books::Sqlite { file } => write!(f, "{} (SQLite)", file.display()),
            Books::Postgres(PostgresUrl::Written(url)) => write!(f, "{url} (PostgreSQL)"),
            Books::Postgres(PostgresUrl::Kept(source)) => {
                write!(f, "at the URL in {source} (PostgreSQL)")
            }
        }
    }
}

pub(super) fn server(raw: RawServer) -> Result<Server, Fault> {
    let RawServer {
        listen,
        public_url,
        admin_listen,
        tls,
        limits,
    } = raw;
    let here = Path::to("server");
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listen = listen.map_or_else(|| loopback(DEFAULT_PORT), |address| address.0);
    let admin_listen =
        admin_listen.map_or_else(|| loopback(DEFAULT_ADMIN_PORT), |address| address.0);
    if listen == admin_listen && listen.port() != 0 {
        return Err(Fault::new(
            here.key("admin_listen"),
            format!("the admin port {admin_listen} is the data port too"),
            "give admin_listen an address of its own",
        ));
    }
    let public_url = match public_url {
        Some(url) => without_end_slash(&url.0),
        None if listen.ip().is_unspecified() => {
            return Err(Fault::new(
                here.key("public_url"),
                format!("listening on {listen}, the guard cannot know its own address"),
                "add public_url = \"https://…\", the address that callers use; links are rewritten to it",
            ));
        }
        None if tls.is_some() => format!("https://{listen}"),
        None => format!("http://{listen}"),
    };
    let tls = tls.map(|RawTls { cert, key }| Tls { cert, key });
    Ok(Server {
        listen,
        public_url,
        admin_listen,
        tls,
        limits: proven_limits(&limits, &here.key("limits"))?,
    })
}

fn without_end_slash(url: &Url) -> String {
    url.as_str().trim_end_matches('/').into()
}

fn proven_limits(raw: &RawLimits, here: &Path) -> Result<Limits, Fault> {
    let RawLimits {
        max_body,
        max_connections,
        header_timeout,
        upstream_timeout,
        drain_timeout,
    } = raw;
    if *max_connections == Some(0) {
        return Err(Fault::new(
            here.key("max_connections"),
            "no connection would be accepted",
            "write a number above 0",
        ));
    }
    let left_out = Limits::default();
    Ok(Limits {
        max_body: max_body.map_or(left_out.max_body, |size| size.0),
        max_connections: max_connections.unwrap_or(left_out.max_connections),
        header_timeout: header_timeout.map_or(left_out.header_timeout, |time| time.0),
        upstream_timeout: upstream_timeout.map_or(left_out.upstream_timeout, |time| time.0),
        drain_timeout: drain_timeout.map_or(left_out.drain_timeout, |time| time.0),
    })
}

pub(super) fn store(raw: RawStore) -> Result<Store, Fault> {
    let RawStore { url, journal, keep } = raw;
    let books = books(url)?;
    let keep = keep.map(|time| time.0);
    if keep.is_some_and(|keep| keep < SHORTEST_KEEP) {
        return Err(Fault::new(
            Path::to("store").key("keep"),
            "this is too short to look anything up later",
            "write a day or more, such as \"400d\", or leave it out to keep everything",
        ));
    }
    let journal = journal.unwrap_or_else(|| match &books {
        Books::Sqlite { file } => {
            let mut beside = file.as_os_str().to_owned();
            beside.push(".replica");
            beside.into()
        }
        Books::Postgres(_) => DEFAULT_JOURNAL.into(),
    });
    if journal.as_os_str().is_empty() {
        return Err(Fault::new(
            Path::to("store").key("journal"),
            "this names no file",
            "write the name of a file on a disk of this machine's own, such as \"quota-guard.replica\"",
        ));
    }
    Ok(Store {
        books,
        journal,
        keep,
    })
}

fn books(url: Option<WordOrTable<String, SecretSource>>) -> Result<Books, Fault> {
    let url = match url {
        None => DEFAULT_STORE.into(),
        Some(WordOrTable::Word(url)) => url,
        Some(WordOrTable::Table(source)) => return Ok(Books::Postgres(PostgresUrl::Kept(source))),
    };
    let fault = |message: &str| {
        let rule = "write sqlite: and the name of a file, such as \"sqlite:quota-guard.db\", or the URL of a \
                    PostgreSQL database, such as \"postgres://guard@db.example/quota\" or { env = \"NAME\" }";
        Fault::new(Path::to("store").key("url"), message, rule)
    };
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        let url = Url::parse(&url).map_err(|_| fault("this is not a URL"))?;
        return Ok(Books::Postgres(PostgresUrl::Written(WrittenUrl(url))));
    }
    let Some(file) = url.strip_prefix("sqlite:") else {
        return Err(fault("the store must be SQLite or PostgreSQL"));
    };
    let file = file.strip_prefix("//").unwrap_or(file);
    if file.contains(":memory:") || file.contains(['?', '#']) || file.is_empty() {
        return Err(fault(
            "the store must be a file, so that the books outlive the process",
        ));
    }
    Ok(Books::Sqlite { file: file.into() })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, policy};
    use super::*;

    #[test]
    fn what_is_left_out_has_a_default() {
        let policy = policy("[server.limits]\nmax_body = \"1KiB\"");
        let server = policy.server();
        assert_eq!(server.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(server.admin_listen.to_string(), "127.0.0.1:8081");
        assert_eq!(server.limits.max_body, ByteCount(1024));
        assert_eq!(server.limits.drain_timeout, Limits::default().drain_timeout);
        assert_eq!(policy.store().to_string(), "quota-guard.db (SQLite)");
    }

    #[test]
    fn links_start_with_the_public_address_without_its_last_slash() {
        let public = |text: &str| policy(text).server().public_url.clone();
        assert_eq!(
            public("[server]\npublic_url = \"https://g.example/\""),
            "https://g.example"
        );
        assert_eq!(
            public("[server]\npublic_url = \"https://g/eo/\""),
            "https://g/eo"
        );
        let tls = "[server]\ntls = { cert = \"c.pem\", key = \"k.pem\" }";
        assert_eq!(public(tls), "https://127.0.0.1:8080");
    }

    #[test]
    fn the_store_is_a_file_or_a_database() {
        let store = |url: &str| policy(&format!("[store]\nurl = {url}")).store().clone();
        for (url, shown) in [
            ("\"sqlite:a.db\"", "a.db (SQLite)"),
            ("\"sqlite:///var/a.db\"", "/var/a.db (SQLite)"),
            (
                "\"postgres://guard:hunter2@db:6432/quota?sslmode=require\"",
                "db:6432/quota (PostgreSQL)",
            ),
            (
                "\"postgresql:///quota?host=/run\"",
                "localhost/quota (PostgreSQL)",
            ),
            (
                "{ env = \"BOOKS\" }",
                "at the URL in the environment variable BOOKS (PostgreSQL)",
            ),
        ] {
            let store = store(url);
            assert_eq!(store.to_string(), shown);
            assert!(!format!("{store:?}").contains("hunter2"));
        }
        let Books::Postgres(PostgresUrl::Written(url)) =
            store("\"postgres://g:hunter2@db/q\"").books
        else {
            panic!("a PostgreSQL store");
        };
        assert_eq!(url.expose(), "postgres://g:hunter2@db/q");
    }

    #[test]
    fn everything_is_kept_unless_the_policy_says_how_long() {
        assert_eq!(policy("").store().keep(), None);
        let keep = policy("[store]\nkeep = \"400d\"").store().keep();
        assert_eq!(keep, Some(Duration::from_hours(24 * 400)));
        let short = [("[store]\nkeep = \"23h\"", "\"23h\"", "too short")];
        assert_refused(&short);
    }

    #[test]
    fn nonsense_is_refused_where_it_stands() {
        assert_refused(&[
            (
                "[server]\nlisten = \"localhost\"",
                "\"localhost\"",
                "not an address with a port",
            ),
            (
                "[server]\nlisten = \"0.0.0.0:8080\"",
                "[server]",
                "its own address",
            ),
            (
                "[server]\nadmin_listen = \"127.0.0.1:8080\"",
                "\"127.0.0.1:8080\"",
                "data port too",
            ),
            ("[server]\npublic_url = \"guard\"", "\"guard\"", "not a URL"),
            ("[server.limits]\nmax_connections = 0", "0", "no connection"),
            ("[server.limits]\nmax_body = \"16\"", "\"16\"", "not a size"),
            (
                "[server.limits]\nmax_body = 16",
                "16",
                "integer 16 cannot stand here",
            ),
            (
                "[server.limits]\ndrain_timeout = \"1w\"",
                "\"1w\"",
                "not a time",
            ),
            (
                "[store]\nurl = \"mysql:x\"",
                "\"mysql:x\"",
                "must be SQLite or PostgreSQL",
            ),
            (
                "[store]\nurl = \"sqlite::memory:\"",
                "\"sqlite::memory:\"",
                "must be a file",
            ),
            (
                "[store]\nurl = \"sqlite:a.db?mode=ro\"",
                "\"sqlite:a.db?mode=ro\"",
                "must be a file",
            ),
        ]);
    }
}
