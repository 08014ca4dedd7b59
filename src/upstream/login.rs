//! OAuth with an upstream: client credentials against a token, fetched once for everybody, renewed ahead
//! of its end, kept in memory alone.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;

use super::body::full;
use super::collect::{CollectError, collect};
use super::pool::{Pool, SendError, SendLimits};
use crate::identity::Secret;
use crate::units::UtcTime;

/// Tokens are short; whatever is longer is none.
const LONGEST_ANSWER: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
/// How long before its end a token is renewed, or a quarter of its life where that is shorter.
const AHEAD: Duration = Duration::from_mins(2);

/// The way to log in with one upstream, and the token that it last gave.
pub struct Login {
    endpoint: Uri,
    form: String,
    desk: Mutex<Desk>,
    /// Held by whoever is fetching: one flight at a time.
    flight: Arc<tokio::sync::Mutex<()>>,
}

/// Why there is no token. Nothing of what was asked for has been sent.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("the token endpoint cannot be asked")]
    Unreachable(#[from] SendError),
    #[error("the token endpoint answered {0}")]
    Refused(StatusCode),
    #[error("the token endpoint's answer cannot be read")]
    Unreadable(#[from] CollectError),
    #[error("the token endpoint's answer is no token: {0}")]
    NoToken(&'static str),
}

#[derive(Default)]
struct Desk {
    held: Option<Held>,
    /// Attempts that failed; those who waited for one share its failure.
    failures: u64,
    last_failure: Option<Arc<LoginError>>,
}

#[derive(Clone)]
struct Held {
    token: Secret,
    renew_at: UtcTime,
    ends: UtcTime,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    token_type: Option<String>,
    expires_in: Value,
}

impl Login {
    /// `audience` is what Planet's own server wants to be told besides.
    pub fn new(endpoint: Uri, id: &Secret, secret: &Secret, audience: Option<&str>) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", id.expose());
        form.append_pair("client_secret", secret.expose());
        if let Some(audience) = audience {
            form.append_pair("audience", audience);
        }
        Self {
            endpoint,
            form: form.finish(),
            desk: Mutex::default(),
            flight: Arc::default(),
        }
    }

    /// The host that gives the tokens.
    pub fn host(&self) -> &str {
        self.endpoint.host().unwrap_or_default()
    }

    /// The token to send now. One that ages is renewed aside, so that nobody waits for it.
    pub async fn token(
        self: &Arc<Self>,
        pool: &Pool,
        now: UtcTime,
    ) -> Result<Secret, Arc<LoginError>> {
        let failures = self.desk().failures;
        match self.held(now) {
            Some(held) if now < held.renew_at => Ok(held.token),
            Some(held) => {
                self.renew_aside(pool, now);
                Ok(held.token)
            }
            None => self.fetch_or_wait(pool, now, failures).await,
        }
    }

    /// Upstream does not take `token` any more. Another that came meanwhile stays.
    pub fn forget(&self, token: &Secret) {
        let mut desk = self.desk();
        if desk.held.as_ref().is_some_and(|held| held.token == *token) {
            desk.held = None;
        }
    }

    fn held(&self, now: UtcTime) -> Option<Held> {
        self.desk().held.clone().filter(|held| now < held.ends)
    }

    fn renew_aside(self: &Arc<Self>, pool: &Pool, now: UtcTime) {
        if let Ok(flight) = Arc::clone(&self.flight).try_lock_owned() {
            let (login, pool) = (Arc::clone(self), pool.clone());
            tokio::spawn(async move {
                _ = login.fetch(&pool, now).await;
                drop(flight);
            });
        }
    }

    async fn fetch_or_wait(
        &self,
        pool: &Pool,
        now: UtcTime,
        failures: u64,
    ) -> Result<Secret, Arc<LoginError>> {
        let _flight = self.flight.lock().await;
        if let Some(held) = self.held(now) {
            return Ok(held.token);
        }
        let failed_meanwhile = {
            let desk = self.desk();
            desk.last_failure
                .clone()
                .filter(|_| desk.failures != failures)
        };
        match failed_meanwhile {
            Some(failure) => Err(failure),
            None => self.fetch(pool, now).await,
        }
    }

    /// Asks for a token and keeps it, or the failure.
    async fn fetch(&self, pool: &Pool, now: UtcTime) -> Result<Secret, Arc<LoginError>> {
        match self.ask(pool, now).await {
            Ok(held) => {
                let token = held.token.clone();
                self.desk().held = Some(held);
                Ok(token)
            }
            Err(failure) => {
                let failure = Arc::new(failure);
                warn!(
                    host = self.host(),
                    error = &*failure as &dyn std::error::Error,
                    "no access token"
                );
                let mut desk = self.desk();
                desk.failures += 1;
                desk.last_failure = Some(Arc::clone(&failure));
                Err(failure)
            }
        }
    }

    async fn ask(&self, pool: &Pool, now: UtcTime) -> Result<Held, LoginError> {
        let mut request = Request::new(full(self.form.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = pool
            .send(request, SendLimits::answer_within(PATIENCE))
            .await?;
        if !answer.status().is_success() {
            return Err(LoginError::Refused(answer.status()));
        }
        let body = collect(answer.into_body(), LONGEST_ANSWER, PATIENCE).await?;
        read(&body, now)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}, …)", self.host())
    }
}

fn read(answer: &[u8], now: UtcTime) -> Result<Held, LoginError> {
    let Grant {
        access_token,
        token_type,
        expires_in,
    } = serde_json::from_slice(answer)
        .map_err(|_| LoginError::NoToken("it must hold access_token and expires_in"))?;
    if token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(LoginError::NoToken("its token_type is not Bearer"));
    }
    let token = Secret::from_text(&access_token).ok_or(LoginError::NoToken(
        "its access_token cannot stand in a header",
    ))?;
    let seconds = expires_in
        .as_u64()
        .or_else(|| expires_in.as_str()?.parse().ok())
        .filter(|seconds| *seconds > 0)
        .ok_or(LoginError::NoToken(
            "its expires_in is not a whole number of seconds",
        ))?;
    let lives = Duration::from_secs(seconds.min(365 * 86_400));
    let after = |span: Duration| now.saturating_add(span).unwrap_or(now);
    Ok(Held {
        token,
        renew_at: after(lives.saturating_sub(AHEAD.min(lives / 4))),
        ends: after(lives),
    })
}

#[cfg(test)]
mod tests {
    use super::super::pool::Trust;
    use super::*;
    use crate::clock::SystemClock;
    use crate::simulator::{Options, Simulator};

    const NOON: &str = "2026-11-22T12:00:00Z";

    fn at(time: &str) -> UtcTime {
        time.parse().unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::from_text(text).unwrap()
    }

    /// A simulator whose only client is `id` with `right`.
    async fn simulator() -> Simulator {
        let options = Options {
            clients: Some([("id".to_owned(), "right".to_owned())].into()),
            ..Options::default()
        };
        let any_port = ([127, 0, 0, 1], 0).into();
        Simulator::start(any_port, options, Arc::new(SystemClock))
            .await
            .unwrap()
    }

    fn login(simulator: &Simulator, word: &str) -> Arc<Login> {
        let endpoint = format!("http://{}/oauth/token", simulator.address());
        Arc::new(Login::new(
            endpoint.parse().unwrap(),
            &secret("id"),
            &secret(word),
            None,
        ))
    }

    fn pool() -> Pool {
        Pool::new(Trust::Only(vec![])).unwrap()
    }

    fn fetched(simulator: &Simulator) -> u64 {
        simulator.bill().requests_to("POST /oauth/token")
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_however_many_ask() {
        let (simulator, pool) = (simulator().await, pool());
        let login = login(&simulator, "right");
        let asked = (0..20).map(|_| login.token(&pool, at(NOON)));
        let tokens = futures_util::future::join_all(asked).await;
        let first = tokens[0].as_ref().unwrap();
        assert!(tokens.iter().all(|token| token.as_ref().unwrap() == first));
        assert_eq!(fetched(&simulator), 1);
    }

    #[tokio::test]
    async fn an_ageing_token_is_renewed_while_the_old_one_serves() {
        let (simulator, pool) = (simulator().await, pool());
        let login = login(&simulator, "right");
        let old = login.token(&pool, at(NOON)).await.unwrap();
        let still = login
            .token(&pool, at("2026-11-22T12:57:59Z"))
            .await
            .unwrap();
        assert_eq!((still == old, fetched(&simulator)), (true, 1));
        let ageing = login
            .token(&pool, at("2026-11-22T12:58:30Z"))
            .await
            .unwrap();
        assert!(ageing == old, "nobody waits for the new one");
        drop(login.flight.lock().await); // until the renewal has landed
        let new = login
            .token(&pool, at("2026-11-22T12:59:00Z"))
            .await
            .unwrap();
        assert_eq!((new == old, fetched(&simulator)), (false, 2));
    }

    #[tokio::test]
    async fn a_token_that_ended_or_was_refused_is_not_used_again() {
        let (simulator, pool) = (simulator().await, pool());
        let login = login(&simulator, "right");
        let first = login.token(&pool, at(NOON)).await.unwrap();
        let second = login
            .token(&pool, at("2026-11-22T13:00:00Z"))
            .await
            .unwrap();
        assert!(first != second);
        login.forget(&first);
        assert_eq!(
            login
                .token(&pool, at("2026-11-22T13:00:00Z"))
                .await
                .unwrap(),
            second
        );
        login.forget(&second);
        assert!(
            login
                .token(&pool, at("2026-11-22T13:00:00Z"))
                .await
                .unwrap()
                != second
        );
        assert_eq!(fetched(&simulator), 3);
    }

    #[tokio::test]
    async fn those_who_wait_share_a_failure_and_the_next_one_tries_again() {
        let (simulator, pool) = (simulator().await, pool());
        let login = login(&simulator, "wrong");
        let asked = (0..20).map(|_| login.token(&pool, at(NOON)));
        let failures = futures_util::future::join_all(asked).await;
        assert!(failures.iter().all(|failure| {
            matches!(failure.as_ref().unwrap_err().as_ref(), LoginError::Refused(status) if status.as_u16() == 401)
        }));
        assert_eq!(fetched(&simulator), 1);
        assert!(login.token(&pool, at(NOON)).await.is_err());
        assert_eq!(fetched(&simulator), 2);
    }

    #[test]
    fn only_a_bearer_token_with_an_end_is_one() {
        let read = |answer: &str| read(answer.as_bytes(), at(NOON));
        let held = read(r#"{"access_token": "T", "expires_in": "60"}"#).unwrap();
        assert_eq!(
            (held.renew_at, held.ends),
            (at("2026-11-22T12:00:45Z"), at("2026-11-22T12:01:00Z"))
        );
        for answer in [
            "",
            "[]",
            r#"{"access_token": "T"}"#,
            r#"{"access_token": "", "expires_in": 60}"#,
            r#"{"access_token": "a b", "expires_in": 60}"#,
            r#"{"access_token": "T", "expires_in": -1}"#,
            r#"{"access_token": "T", "expires_in": 1e999}"#,
            r#"{"access_token": "T", "expires_in": 60, "token_type": "mac"}"#,
        ] {
            assert!(read(answer).is_err(), "{answer}");
        }
        assert!(read(r#"{"access_token": "T", "expires_in": 18446744073709551615}"#).is_ok());
    }

    #[test]
    fn nothing_prints_the_secret() {
        let login = Login::new(
            "http://h/t".parse().unwrap(),
            &secret("id"),
            &secret("hidden"),
            None,
        );
        assert_eq!(format!("{login:?}"), "Login(h, …)");
    }
}
