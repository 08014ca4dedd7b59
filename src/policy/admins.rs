//! Who may use the admin port: tokens, known by their hashes alone, and what each of them may do.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::KeyHash;
use super::fault::{Fault, Path};
use super::people::People;
use super::raw::{RawAdmin, RawAdminToken};
use super::text::Name;

/// What the bearer of a token may do. Each role may also do what the ones before it may.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads everything.
    Viewer,
    /// Gives the word that something waits for: what is held for approval, what is in doubt.
    Approver,
    /// Changes how much may be spent.
    Admin,
}

/// Somebody who was given a token for the admin port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdminToken {
    name: Arc<str>,
    role: Role,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Approver, Self::Admin];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.name() == word);
        found.ok_or_else(|| format!("'{word}' is no role: write viewer, approver or admin"))
    }
}

impl AdminToken {
    /// What the record calls whoever bears it.
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub const fn role(&self) -> Role {
        self.role
    }
}

/// Names and hashes are unique. A key that calls Planet opens nothing here: whoever may spend is not
/// thereby one who may raise the limit.
pub(super) fn admins(
    raw: RawAdmin,
    people: &People,
) -> Result<HashMap<KeyHash, AdminToken>, Fault> {
    let RawAdmin { tokens } = raw;
    let mut admins: HashMap<KeyHash, AdminToken> = HashMap::new();
    for (position, token) in tokens.into_iter().enumerate() {
        let here = Path::to("admin").key("tokens").item(position);
        let RawAdminToken {
            name: Name(name),
            sha256,
            role,
        } = token;
        if admins.values().any(|other| other.name == name) {
            return Err(Fault::new(
                here.key("name"),
                format!("the name '{name}' is taken"),
                "each token needs a name of its own: the record says who did what by it",
            ));
        }
        let taken = admins
            .get(&sha256)
            .map(|other| format!("the token '{}'", other.name));
        let key = people
            .keys
            .get(&sha256)
            .map(|key| format!("the key '{}' of team '{}'", key.id(), key.team()));
        if let Some(other) = taken.or(key) {
            return Err(Fault::new(
                here.key("sha256"),
                format!("this is {other} again"),
                "a token is for one person or program and opens the admin port alone; make another with \
                 `quota-guard key admin`",
            ));
        }
        admins.insert(sha256, AdminToken { name, role });
    }
    Ok(admins)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, policy};
    use super::*;

    fn token(name: &str, digit: &str, role: &str) -> String {
        let sha256 = digit.repeat(64);
        format!("{{ name = \"{name}\", sha256 = \"{sha256}\", role = \"{role}\" }}")
    }

    fn tokens(tokens: &[String]) -> String {
        format!("[admin]\ntokens = [ {} ]\n", tokens.join(", "))
    }

    #[test]
    fn a_token_says_who_it_is_and_what_it_may_do() {
        let policy = policy(&tokens(&[
            token("ops", "a", "admin"),
            token("board", "b", "viewer"),
        ]));
        let ops = policy
            .admin_token(&KeyHash::from_bytes([0xaa; 32]))
            .unwrap();
        assert_eq!((&**ops.name(), ops.role()), ("ops", Role::Admin));
        let nobody = policy.admin_token(&KeyHash::from_bytes([0xcc; 32]));
        assert!(nobody.is_none() && policy.has_admins());
        assert!(Role::Viewer < Role::Approver && Role::Approver < Role::Admin);
    }

    #[test]
    fn without_tokens_there_are_no_admins() {
        for text in ["", "[admin]", "[admin]\ntokens = []"] {
            assert!(!policy(text).has_admins(), "{text}");
        }
    }

    #[test]
    fn names_and_tokens_are_unique_and_no_key_opens_the_admin_port() {
        let (a, again) = (token("ops", "a", "admin"), token("ops", "b", "viewer"));
        let twice = token("other", "a", "viewer");
        let key = token("key", "1", "viewer");
        let marked = |digit: &str| format!("\"{}\"", digit.repeat(64).replace(digit, "…"));
        assert_refused(&[
            (
                &tokens(&[a.clone(), again]),
                "\"ops\"",
                "the name 'ops' is taken",
            ),
            (
                &tokens(&[a, twice]),
                &marked("a"),
                "this is the token 'ops' again",
            ),
            (
                &tokens(&[key]),
                &marked("1"),
                "the key 'ag-1' of team 'agriculture' again",
            ),
        ]);
    }

    #[test]
    fn tokens_are_checked_value_by_value() {
        let good = token("ops", "a", "admin");
        assert_refused(&[
            (
                &tokens(&[good.replace("\"admin\"", "\"root\"")]),
                "\"root\"",
                "'root' is not a choice",
            ),
            (
                &tokens(&[good.replace("role", "roles")]),
                "roles",
                "unknown key 'roles'",
            ),
            (
                &tokens(&[good.replace(&"a".repeat(64), "s3cret")]),
                "\"………………\"",
                "not a SHA-256",
            ),
            ("[admin]\ntoken = []", "token", "unknown key 'token'"),
        ]);
    }
}
