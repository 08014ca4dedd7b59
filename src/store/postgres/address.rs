//! Where a PostgreSQL store is: the URL as the operator wrote it, taken apart so that what is shown of it
//! can never be its password.

use std::fmt;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::identity::Secret;
use crate::store::OpenError;

/// Our tables have a schema of their own, beside whatever else the database holds.
const DEFAULT_SCHEMA: &str = "quota_guard";
/// PostgreSQL cuts longer names off.
const LONGEST_SCHEMA: usize = 63;

/// What a URL may say behind its question mark; the rest would be ignored, and is refused.
const KNOWN: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "schema",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
];

#[derive(Clone)]
pub(super) struct Address {
    pub(super) options: PgConnectOptions,
    pub(super) schema: String,
    database: String,
}

impl Address {
    pub(super) fn parse(url: &Secret) -> Result<Self, OpenError> {
        let wrong = |what: &str| OpenError::Url { what: what.into() };
        let mut url =
            Url::parse(url.expose()).map_err(|cause| wrong(&format!("it is no URL ({cause})")))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(wrong("it does not begin with postgres://"));
        }
        let schema = take_schema(&mut url)?;
        let known = |key: &str| KNOWN.contains(&key) || key == "user";
        if let Some((key, _)) = url.query_pairs().find(|(key, _)| !known(key)) {
            let keys = KNOWN.join(", ");
            return Err(wrong(&format!("it says '{key}', which is none of {keys}")));
        }
        let options = PgConnectOptions::from_url(&url)
            .map_err(|_| wrong("one of its values is not understood"))?;
        let database = options.get_database();
        let database = database
            .ok_or_else(|| wrong("it names no database"))?
            .to_owned();
        Ok(Self {
            options,
            schema,
            database,
        })
    }

    pub(super) fn user(&self) -> &str {
        self.options.get_username()
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }
}

/// Host and database: nothing that could be a secret.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.options.get_socket() {
            Some(socket) => write!(f, "{}", socket.display())?,
            None => write!(f, "{}:{}", self.options.get_host(), self.options.get_port())?,
        }
        write!(f, "/{} (schema {})", self.database, self.schema)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// `?schema=…` is ours and not the driver's.
fn take_schema(url: &mut Url) -> Result<String, OpenError> {
    let (ours, theirs): (Vec<_>, Vec<_>) = url
        .query_pairs()
        .into_owned()
        .partition(|(key, _)| key == "schema");
    url.set_query(None);
    if !theirs.is_empty() {
        url.query_pairs_mut().extend_pairs(theirs);
    }
    let schema = ours.into_iter().next_back();
    let schema = schema.map_or_else(|| DEFAULT_SCHEMA.to_owned(), |(_, schema)| schema);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = schema.bytes().all(plain)
        && schema.starts_with(|first: char| !first.is_ascii_digit())
        && schema.len() <= LONGEST_SCHEMA
        && !schema.starts_with("pg_");
    fits.then_some(schema).ok_or_else(|| OpenError::Url {
        what: "its schema is not 1 to 63 small letters, digits and '_'".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, OpenError> {
        Address::parse(&Secret::from_text(url).unwrap())
    }

    #[test]
    fn what_is_shown_is_host_and_database() {
        let address = parse("postgres://guard:hunter2@db.example/quota?sslmode=require").unwrap();
        assert_eq!(
            address.to_string(),
            "db.example:5432/quota (schema quota_guard)"
        );
        assert!(!format!("{address:?}").contains("hunter2"));
        let address = parse("postgresql:///quota?host=/run/postgresql&schema=a_1").unwrap();
        assert_eq!(address.to_string(), "/run/postgresql/quota (schema a_1)");
    }

    #[test]
    fn a_url_that_is_not_understood_is_refused_without_its_password() {
        for (url, what) in [
            ("postgres://guard:hunter2@db:x/quota", "it is no URL"),
            ("mysql://guard:hunter2@db/quota", "does not begin with"),
            ("postgres://guard:hunter2@db", "names no database"),
            (
                "postgres://guard:hunter2@db/q?pool=hunter2",
                "it says 'pool', which",
            ),
            (
                "postgres://guard:hunter2@db/q?sslmode=hunter2",
                "is not understood",
            ),
            ("postgres://guard:hunter2@db/q?schema=A", "small letters"),
            ("postgres://guard:hunter2@db/q?schema=pg_a", "small letters"),
            ("postgres://guard:hunter2@db/q?schema=", "small letters"),
        ] {
            let refusal = parse(url).unwrap_err();
            let sentence = refusal.to_string();
            assert!(sentence.contains(what), "{sentence}");
            assert!(!format!("{sentence} {refusal:?}").contains("hunter2"));
        }
    }
}
