//! How the token endpoint's answers look on the wire: RFC 6749, sections 5.1 and 5.2.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::guard::{TokenError, TokenRefusal};
use crate::identity::Issued;
use crate::upstream::{Body, full};

pub(super) fn respond(outcome: &Result<Issued, TokenRefusal>) -> Response<Body> {
    match outcome {
        Ok(issued) => with_json(StatusCode::OK, &granted(issued)),
        Err(refusal) => {
            let document = json!({
                "error": refusal.error.name(),
                "error_description": refusal.description,
            });
            let mut response = with_json(status(refusal.error), &document);
            if response.status() == StatusCode::UNAUTHORIZED {
                let basic = HeaderValue::from_static("Basic realm=\"quota-guard\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, basic);
            }
            response
        }
    }
}

const fn status(error: TokenError) -> StatusCode {
    match error {
        TokenError::InvalidClient => StatusCode::UNAUTHORIZED,
        TokenError::InvalidRequest | TokenError::UnsupportedGrantType => StatusCode::BAD_REQUEST,
    }
}

/// `expires_at` is no part of the standard, but Sentinel Hub's SDK looks for it.
fn granted(issued: &Issued) -> Value {
    json!({
        "access_token": issued.token.expose(),
        "token_type": "Bearer",
        "expires_in": issued.lives.as_secs(),
        "expires_at": issued.ends.as_second(),
    })
}

fn with_json(status: StatusCode, document: &Value) -> Response<Body> {
    let mut response = Response::new(full(document.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_client_is_told_apart_from_a_wrong_request() {
        for (error, expected) in [
            (TokenError::InvalidClient, 401),
            (TokenError::InvalidRequest, 400),
            (TokenError::UnsupportedGrantType, 400),
        ] {
            let description = "why".to_owned();
            let response = respond(&Err(TokenRefusal { error, description }));
            assert_eq!(response.status().as_u16(), expected);
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            let challenged = response.headers().contains_key(WWW_AUTHENTICATE);
            assert_eq!(challenged, expected == 401);
        }
    }
}
