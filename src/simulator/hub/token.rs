//! The token endpoints: client credentials against a bearer token of an hour.

use std::collections::HashMap;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::simulator::answer::Answer;
use crate::simulator::call::{Call, Site};
use crate::simulator::refusal::Refusal;
use crate::simulator::storage;
use crate::simulator::world::{MAX_KEPT, World, age, later};
use crate::units::UtcTime;

/// Tokens in use: when each was issued, and how long it lasts.
pub(in crate::simulator) type Tokens = HashMap<String, (UtcTime, Duration)>;

pub(super) fn answer(call: &Call, segments: &[&str], world: &mut World) -> Result<Answer, Refusal> {
    match (call.method.as_str(), segments) {
        (
            "POST",
            ["oauth", "token"] | ["auth", "realms", _, "protocol", "openid-connect", "token"],
        ) => issue(call, world),
        (
            "GET",
            [
                "auth",
                "realms",
                realm,
                ".well-known",
                "openid-configuration",
            ],
        ) => Ok(configuration(call, realm)),
        ("GET", ["oauth", "tokeninfo"]) => Ok(Answer::json(&json!({"active": true}))),
        _ => Err(Refusal::no_route()),
    }
}

fn issue(call: &Call, world: &mut World) -> Result<Answer, Refusal> {
    let form = call.form();
    let field = |name: &str| {
        let found = form.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    if field("grant_type") != "client_credentials" {
        return Err(Refusal::bad("grant_type must be client_credentials"));
    }
    let (id, secret) = (field("client_id"), field("client_secret"));
    let known = match &world.options.clients {
        None => !id.is_empty() && !secret.is_empty(),
        Some(clients) => clients.get(id).is_some_and(|known| known == secret),
    };
    if !known {
        let message = "Invalid client or Invalid client credentials";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
    }
    let lifetime = world.options.token_lifetime;
    let expires = later(call.now, lifetime).as_second();
    let serial = world.next_id();
    let token = storage::token(&json!({
        "sub": id, "account": "pretended", "exp": expires, "jti": serial,
    }));
    forget_expired(&mut world.tokens, call.now);
    world.tokens.insert(token.clone(), (call.now, lifetime));
    Ok(Answer::json(&json!({
        "access_token": token, "expires_in": lifetime.as_secs(), "token_type": "Bearer",
    })))
}

/// Expired tokens are kept, so that they are refused for what they are, until there are too many.
fn forget_expired(tokens: &mut Tokens, now: UtcTime) {
    if tokens.len() >= MAX_KEPT {
        tokens.retain(|_, (issued, lifetime)| age(*issued, now) < *lifetime);
    }
    if tokens.len() >= MAX_KEPT {
        tokens.clear();
    }
}

fn configuration(call: &Call, realm: &str) -> Answer {
    let issuer = call.link(Site::SentinelHub, &format!("/auth/realms/{realm}"));
    Answer::json(&json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/protocol/openid-connect/token"),
        "jwks_uri": format!("{issuer}/protocol/openid-connect/certs"),
        "authorization_endpoint": format!("{issuer}/protocol/openid-connect/auth"),
        "device_authorization_endpoint": format!("{issuer}/protocol/openid-connect/auth/device"),
    }))
}
