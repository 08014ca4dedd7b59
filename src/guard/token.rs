//! The token endpoint of a Sentinel Hub mount: client credentials in, a token of the guard's own out.
//!
//! Nothing of it goes upstream. A form is read strictly, and failures have the shape that OAuth clients
//! print (RFC 6749, section 5.2).

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use tracing::info;

use super::answer::{Answer, Notes, Reply};
use super::pipeline::{Case, Guard};
use crate::identity::{Issued, Refusal};
use crate::telemetry::Decision;
use crate::units::UtcTime;
use crate::upstream::{Body, collect_request};

/// Four short fields and room to spare.
const LONGEST_FORM: usize = 8 * 1024;

/// Why no token is given: an `error` of OAuth and a sentence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenRefusal {
    pub error: TokenError,
    pub description: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenError {
    InvalidRequest,
    InvalidClient,
    UnsupportedGrantType,
}

/// What a client shows to be given a token.
#[derive(Debug, Eq, PartialEq)]
struct Client {
    id: String,
    secret: String,
}

impl TokenError {
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }
}

impl Guard {
    /// Exchanges a key for a token, or says why not.
    pub(super) async fn exchange_token(
        &self,
        head: &Parts,
        body: Body,
        case: &mut Case,
        now: UtcTime,
    ) -> Answer {
        let outcome = self.token(head, body, case, now).await;
        let team = case.team.as_deref().unwrap_or_default();
        match &outcome {
            Ok(_) => info!(api = %case.api, team.id = team, "issued a token"),
            Err(TokenRefusal { error, .. }) => {
                let decision = match error {
                    TokenError::InvalidClient => Decision::Unauthenticated,
                    TokenError::InvalidRequest | TokenError::UnsupportedGrantType => {
                        Decision::Rejected
                    }
                };
                self.metrics.count_request(case.api, team, decision);
                info!(api = %case.api, problem = error.name(), "issued no token");
            }
        }
        self.metrics.observe_overhead(case.own_time.elapsed());
        Answer::new(Reply::Token(outcome), Notes::new(case.request))
    }

    async fn token(
        &self,
        head: &Parts,
        body: Body,
        case: &mut Case,
        now: UtcTime,
    ) -> Result<Issued, TokenRefusal> {
        let patience = self.policy.server().limits.upstream_timeout;
        let form = collect_request(&head.headers, body, LONGEST_FORM, patience)
            .await
            .map_err(|cause| wrong(cause.to_string()))?;
        if head.uri.query().is_some() {
            return Err(wrong(
                "the fields of a token request stand in its body, not in its address",
            ));
        }
        let client = read(&head.headers, &form)?;
        let exchanged = self
            .tokens
            .exchange(&self.policy, &client.id, &client.secret, now);
        let (caller, issued) = exchanged
            .ok_or_else(|| {
                invalid_client(
                    "nobody here has this client_id and client_secret: send the id of a key of this \
                     guard, and the key itself as its secret",
                )
            })?
            .map_err(|refusal: Refusal| invalid_client(refusal.to_string()))?;
        case.team = Some(caller.team);
        Ok(issued)
    }
}

fn read(headers: &HeaderMap, form: &[u8]) -> Result<Client, TokenRefusal> {
    let media = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media: Option<mime::Mime> = media.and_then(|media| media.parse().ok());
    if media.is_none_or(|media| media.essence_str() != "application/x-www-form-urlencoded") {
        return Err(wrong(
            "send the fields as application/x-www-form-urlencoded",
        ));
    }
    let text = std::str::from_utf8(form).map_err(|_| wrong("the form is not UTF-8"))?;
    let field = |name: &str| only(text, name);
    match field("grant_type")?.as_deref() {
        Some("client_credentials") => {}
        None => return Err(wrong("grant_type is missing: send client_credentials")),
        Some(_) => {
            return Err(TokenRefusal {
                error: TokenError::UnsupportedGrantType,
                description: "grant_type must be client_credentials".into(),
            });
        }
    }
    match (
        field("client_id")?,
        field("client_secret")?,
        basic(headers)?,
    ) {
        (Some(id), Some(secret), None) => Ok(Client { id, secret }),
        (id, None, Some(client)) if id.as_ref().is_none_or(|id| *id == client.id) => Ok(client),
        (_, _, Some(_)) => Err(wrong(
            "the client stands twice: in the form and in a header",
        )),
        _ => Err(invalid_client(
            "client_id and client_secret are missing: send both in the form",
        )),
    }
}

/// A field that stands once. A second one might be the one that somebody else reads.
fn only(form: &str, name: &str) -> Result<Option<String>, TokenRefusal> {
    let mut values = form_urlencoded::parse(form.as_bytes())
        .filter(|(field, _)| field == name)
        .map(|(_, value)| value.into_owned());
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(wrong(format!("{name} stands twice"))),
        (value, None) => Ok(value.filter(|value| !value.is_empty())),
    }
}

/// The client as HTTP Basic has it: RFC 6749, section 2.3.1.
fn basic(headers: &HeaderMap) -> Result<Option<Client>, TokenRefusal> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let unreadable =
        || wrong("the Authorization header is not Basic with client_id and client_secret");
    let (scheme, encoded) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or_else(unreadable)?;
    let decoded = STANDARD.decode(encoded.trim()).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let (id, secret) = decoded
        .as_deref()
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|text| text.split_once(':'))
        .ok_or_else(unreadable)?;
    let plain = |text: &str| {
        let decoded = form_urlencoded::parse(text.as_bytes()).next();
        decoded.map_or_else(String::new, |(name, _)| name.into_owned())
    };
    Ok(Some(Client {
        id: plain(id),
        secret: plain(secret),
    }))
}

fn wrong(description: impl Into<String>) -> TokenRefusal {
    TokenRefusal {
        error: TokenError::InvalidRequest,
        description: description.into(),
    }
}

fn invalid_client(description: impl Into<String>) -> TokenRefusal {
    TokenRefusal {
        error: TokenError::InvalidClient,
        description: description.into(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const FORM: &str = "grant_type=client_credentials&client_id=ag&client_secret=the%20key";

    fn read_with(authorization: Option<&'static str>, form: &str) -> Result<Client, TokenRefusal> {
        let mut headers = HeaderMap::new();
        let media = "application/x-www-form-urlencoded; charset=utf-8";
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        }
        read(&headers, form.as_bytes())
    }

    fn error(authorization: Option<&'static str>, form: &str) -> TokenError {
        read_with(authorization, form).expect_err(form).error
    }

    #[test]
    fn a_client_is_read_from_the_form_or_from_basic() {
        let client = Client {
            id: "ag".into(),
            secret: "the key".into(),
        };
        assert_eq!(read_with(None, FORM).unwrap(), client);
        // ag:the+key
        let basic = Some("Basic YWc6dGhlK2tleQ==");
        assert_eq!(
            read_with(basic, "grant_type=client_credentials").unwrap(),
            client
        );
        let named = "grant_type=client_credentials&client_id=ag";
        assert_eq!(read_with(basic, named).unwrap(), client);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        use TokenError::{InvalidClient, InvalidRequest, UnsupportedGrantType};
        let basic = Some("Basic YWc6dGhlK2tleQ==");
        for (authorization, form, expected) in [
            (None, format!("{FORM}&client_id=ag"), InvalidRequest),
            (None, format!("{FORM}&client%5Fsecret=x"), InvalidRequest),
            (None, format!("{FORM}&grant_type=password"), InvalidRequest),
            (
                None,
                FORM.replace("client_credentials", "password"),
                UnsupportedGrantType,
            ),
            (None, "client_id=ag&client_secret=k".into(), InvalidRequest),
            (
                None,
                "grant_type=client_credentials&client_id=ag".into(),
                InvalidClient,
            ),
            (None, FORM.replace("the%20key", ""), InvalidClient),
            (basic, FORM.into(), InvalidRequest),
            (
                basic,
                "grant_type=client_credentials&client_id=other".into(),
                InvalidRequest,
            ),
            (Some("Bearer x"), FORM.into(), InvalidRequest),
            (Some("Basic %%%"), FORM.into(), InvalidRequest),
        ] {
            assert_eq!(error(authorization, &form), expected, "{form}");
        }
        let json =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        assert_eq!(
            read(&json, FORM.as_bytes()).unwrap_err().error,
            InvalidRequest
        );
    }

    proptest::proptest! {
        #[test]
        fn any_form_has_an_answer(form in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            drop(read(&headers, &form));
        }
    }
}
