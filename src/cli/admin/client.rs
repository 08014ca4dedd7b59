//! Talking to the admin port of a running guard, and saying in a sentence why that did not work.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use crate::identity::{Secret, SecretError};
use crate::upstream::{Body, Pool, SendError, SendLimits, Trust, collect, empty, full};

const TOKEN: &str = "QUOTA_GUARD_ADMIN_TOKEN";
const PATIENCE: Duration = Duration::from_secs(30);
/// Before an order that may be given again is, if there was no answer.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// Of one answer; lists come in pages.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Items to a page.
const PAGE: usize = 500;
/// Pages that a list is followed for, so that one that never ends is noticed.
const MOST_PAGES: usize = 2000;

/// Which guard, and how to print what it says.
#[derive(Args, Debug)]
pub(in crate::cli) struct Reach {
    /// Where the guard's admin port is. The token is taken from `QUOTA_GUARD_ADMIN_TOKEN`.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:8081"
    )]
    admin: Url,
    /// Print JSON, for scripts.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

pub(super) struct Client {
    base: Url,
    token: HeaderValue,
    pool: Pool,
}

/// A part of a list, its items as they came.
#[derive(Deserialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// What the admin port says when it does not do what was asked. The data port says more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Problem {
    #[serde(rename = "type")]
    _type: String,
    #[serde(rename = "title")]
    _title: String,
    #[serde(rename = "status")]
    _status: u16,
    detail: String,
}

impl Client {
    pub(super) fn new(reach: &Reach) -> anyhow::Result<Self> {
        let base = reach.admin.clone();
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            bail!("--admin must be a URL such as http://127.0.0.1:8081, and '{base}' is none");
        }
        let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
        let token = token.with_context(|| {
            format!(
                "{TOKEN} is not set: put the token there that stands, as its SHA-256, in the guard's \
                 [admin] tokens (`quota-guard key admin` makes one)"
            )
        })?;
        let token = Secret::from_text(&token).with_context(|| {
            format!("{TOKEN} does not hold a token: it must be one line of visible characters")
        })?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
        bearer.set_sensitive(true);
        Ok(Self {
            base,
            token: bearer,
            pool: Pool::new(Trust::Platform)?,
        })
    }

    /// A list to its end, page by page.
    pub(super) async fn list(&self, path: &str) -> anyhow::Result<Vec<Box<RawValue>>> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut path = format!("{path}{mark}limit={PAGE}");
        let mut items = Vec::new();
        for _ in 0..MOST_PAGES {
            let text = self.ask(Method::GET, &path, None).await?;
            let page: Page = self.read(&text)?;
            items.extend(page.items);
            match page.next {
                Some(next) => path = next,
                None => return Ok(items),
            }
        }
        bail!("the list does not end: {} items so far", items.len())
    }

    /// Gives an order, and answers what the guard says that it did.
    pub(super) async fn order(&self, path: &str, body: String) -> anyhow::Result<Bytes> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Gives an order that is carried out once, however often it arrives: again, if no answer comes.
    pub(super) async fn order_once(&self, path: &str, body: String) -> anyhow::Result<Bytes> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(SecretError::NoRandomness)?;
        let key = uuid::Builder::from_random_bytes(random).into_uuid();
        let key = HeaderValue::try_from(key.to_string())?;
        let mut pauses = PAUSES.into_iter();
        loop {
            let asked = self.send(Method::POST, path, Some(body.clone()), Some(key.clone()));
            match (asked.await?, pauses.next()) {
                (Ok(answer), _) => return self.heard(answer).await,
                (Err(SendError::Unanswered { .. } | SendError::Broken { .. }), Some(pause)) => {
                    tokio::time::sleep(pause).await;
                }
                (Err(cause), _) => return Err(self.unanswered(cause, true)),
            }
        }
    }

    /// Reads an answer, or says that this was none of a guard's.
    pub(super) fn read<'a, T: Deserialize<'a>>(&self, text: &'a [u8]) -> anyhow::Result<T> {
        serde_json::from_slice(text).with_context(|| self.no_guard())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<String>) -> anyhow::Result<Bytes> {
        let orders = method != Method::GET;
        match self.send(method, path, body, None).await? {
            Ok(answer) => self.heard(answer).await,
            Err(cause) => Err(self.unanswered(cause, orders)),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        key: Option<HeaderValue>,
    ) -> anyhow::Result<Result<Response<Body>, SendError>> {
        let url = self.at(path)?;
        let mut request = Request::new(body.map_or_else(empty, full));
        *request.method_mut() = method;
        *request.uri_mut() = url;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.token.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(key.map(|key| (HeaderName::from_static("idempotency-key"), key)));
        let limits = SendLimits::answer_within(PATIENCE);
        Ok(self.pool.send(request, limits).await)
    }

    /// What the guard said, if it did what was asked.
    async fn heard(&self, answer: Response<Body>) -> anyhow::Result<Bytes> {
        let (head, body) = answer.into_parts();
        let text = collect(body, LONGEST_ANSWER, PATIENCE).await;
        let text = text.with_context(|| format!("the answer of {} broke off", self.base))?;
        if head.status.is_success() {
            return Ok(text);
        }
        let said = serde_json::from_slice::<Problem>(&text).ok();
        match said {
            Some(Problem { detail, .. }) => bail!("{detail} ({})", head.status),
            None => bail!("{} (it answered {})", self.no_guard(), head.status),
        }
    }

    /// A path of the guard's, behind whatever its admin port is published under. No path leads to another
    /// server, which would get the token.
    fn at(&self, path: &str) -> anyhow::Result<Uri> {
        let base = self.base.as_str().trim_end_matches('/');
        if !path.starts_with('/') {
            bail!("{}", self.no_guard());
        }
        Ok(format!("{base}{path}").parse()?)
    }

    fn unanswered(&self, cause: SendError, ordered: bool) -> anyhow::Error {
        let left = !matches!(cause, SendError::NeverLeft { .. });
        let advice = if ordered && left {
            "whether the order was carried out is not known: look before you give it again"
        } else {
            "is the guard running, and is this its admin_listen?"
        };
        anyhow::Error::new(cause).context(format!(
            "no answer from the admin port {}: {advice}",
            self.base
        ))
    }

    fn no_guard(&self) -> String {
        format!(
            "{} does not answer as the admin port of a guard does: check --admin",
            self.base
        )
    }
}
