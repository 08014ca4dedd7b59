//! Who may see what on the admin port. Tokens are known by their SHA-256: looking one up compares
//! digests, never tokens, so the time it takes says nothing about a token.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use tracing::warn;

use super::problem::Problem;
use crate::identity::hash;
use crate::policy::{Policy, Role};

/// Who is asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Bearer {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
}

/// Whoever bears the token, if it may do what takes `needed`.
pub(super) fn admit(policy: &Policy, headers: &HeaderMap, needed: Role) -> Result<Bearer, Problem> {
    if !policy.has_admins() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "This guard's policy has no admin tokens, so nobody may ask: make one with `quota-guard key \
             admin` and add it to [admin] tokens.",
        ));
    }
    let token = token(headers)?;
    let Some(known) = policy.admin_token(&hash(token)) else {
        warn!("somebody came to the admin port with a token that nobody knows");
        return Err(unauthorised(
            "Nobody here knows this token: check that it was copied whole, and that it is one of [admin] \
             tokens. Keys of the data port open nothing here.",
        ));
    };
    if known.role() < needed {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "The token '{}' is that of a {}, and this takes the role {needed}.",
                known.name(),
                known.role()
            ),
        ));
    }
    Ok(Bearer {
        name: Arc::clone(known.name()),
        role: known.role(),
    })
}

fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut found = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = found.next() else {
        return Err(unauthorised(
            "This page takes a token: send it as 'Authorization: Bearer TOKEN'.",
        ));
    };
    if found.next().is_some() {
        return Err(unauthorised(
            "The request has several Authorization headers: send one.",
        ));
    }
    let text = value.to_str().ok();
    let bearer = text.and_then(|text| text.trim().split_once(' '));
    match bearer {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(unauthorised(
            "The Authorization header cannot be read: send 'Authorization: Bearer TOKEN'.",
        )),
    }
}

fn unauthorised(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn policy(tokens: &str) -> Policy {
        let text = format!(
            "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n[admin]\ntokens = [{tokens}]\n"
        );
        Policy::parse(&text, "p.toml").unwrap()
    }

    fn approver() -> Policy {
        let sha256 = hash("token of ops");
        policy(&format!(
            "{{ name = \"ops\", sha256 = \"{sha256}\", role = \"approver\" }}"
        ))
    }

    fn ask(policy: &Policy, authorization: &[&str], needed: Role) -> Result<Bearer, u16> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        admit(policy, &headers, needed).map_err(|problem| problem.respond().status().as_u16())
    }

    #[test]
    fn a_role_may_do_what_lesser_roles_may_and_no_more() {
        let policy = approver();
        for (needed, answer) in [
            (Role::Viewer, Ok(())),
            (Role::Approver, Ok(())),
            (Role::Admin, Err(403)),
        ] {
            for scheme in ["Bearer", "bearer"] {
                let header = format!("{scheme} token of ops");
                let said = ask(&policy, &[&header], needed);
                assert_eq!(said.map(|bearer| assert_eq!(&*bearer.name, "ops")), answer);
            }
        }
    }

    #[test]
    fn whoever_is_not_known_gets_nothing() {
        let policy = approver();
        for headers in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Bearer token of op"],
            &["Basic token of ops"],
            &["token of ops"],
            &["Bearer token of ops", "Bearer token of ops"],
        ] {
            assert_eq!(ask(&policy, headers, Role::Viewer), Err(401), "{headers:?}");
        }
    }

    #[test]
    fn without_tokens_nobody_may_ask() {
        let said = ask(&policy(""), &["Bearer token of ops"], Role::Viewer);
        assert_eq!(said, Err(403));
    }
}
