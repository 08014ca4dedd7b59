//! Teams and their keys.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::KeyHash;
use super::fault::{Fault, Path};
use super::raw::{RawIdentity, RawKey, RawTeam};
use super::text::{ApiName, Name};
use crate::planet::Api;
use crate::units::UtcTime;

/// The key id under which all keys that nobody knows are counted together.
pub const UNKNOWN_KEY: &str = "unknown";

/// Who is calling, as the rules and the books name them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    pub team: Arc<str>,
    /// The key's id, never the key. [`UNKNOWN_KEY`] for every key that nobody knows.
    pub key: Arc<str>,
    /// The APIs that the key may use; `None`: all.
    pub apis: Option<Arc<[Api]>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Team {
    name: Arc<str>,
    disabled: bool,
    /// Ids, in the order of the file.
    keys: Vec<Arc<str>>,
}

/// A key that somebody was given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    id: Arc<str>,
    team: Arc<str>,
    disabled: bool,
    expires: Option<UtcTime>,
    apis: Option<Arc<[Api]>>,
}

impl Caller {
    pub fn may_use(&self, api: Api) -> bool {
        self.apis.as_ref().is_none_or(|apis| apis.contains(&api))
    }
}

impl Team {
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub const fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// The ids of its keys.
    pub fn keys(&self) -> &[Arc<str>] {
        &self.keys
    }
}

impl Key {
    pub const fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub const fn team(&self) -> &Arc<str> {
        &self.team
    }

    pub const fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// When the key stopped or will stop to be accepted.
    pub const fn expires(&self) -> Option<UtcTime> {
        self.expires
    }

    /// The one who calls with this key.
    pub fn caller(&self) -> Caller {
        Caller {
            team: self.team.clone(),
            key: self.id.clone(),
            apis: self.apis.clone(),
        }
    }
}

/// Everybody the policy knows.
pub(super) struct People {
    pub(super) teams: BTreeMap<Arc<str>, Team>,
    pub(super) keys: HashMap<KeyHash, Key>,
    pub(super) key_ids: HashSet<Arc<str>>,
    pub(super) unknown_keys: Option<Arc<str>>,
}

pub(super) fn people(teams: Vec<RawTeam>, identity: &RawIdentity) -> Result<People, Fault> {
    let mut people = People {
        teams: BTreeMap::new(),
        keys: HashMap::new(),
        key_ids: HashSet::new(),
        unknown_keys: None,
    };
    for (position, team) in teams.into_iter().enumerate() {
        people.admit(team, &Path::to("teams").item(position))?;
    }
    people.unknown_keys = people.team_of_unknown_keys(identity)?;
    if people.unknown_keys.is_some() {
        people.key_ids.insert(UNKNOWN_KEY.into());
    }
    Ok(people)
}

impl People {
    fn admit(&mut self, raw: RawTeam, here: &Path) -> Result<(), Fault> {
        let RawTeam {
            name: Name(name),
            disabled,
            keys,
        } = raw;
        if self.teams.contains_key(&name) || &*name == REJECT {
            return Err(Fault::new(
                here.key("name"),
                format!("the team name '{name}' is taken"),
                "each team needs a name of its own, and \"reject\" is a word of [identity]",
            ));
        }
        let mut ids = Vec::with_capacity(keys.len());
        for (position, key) in keys.into_iter().enumerate() {
            ids.push(key.id.0.clone());
            self.hand_out(key, &name, &here.key("keys").item(position))?;
        }
        let team = Team {
            name: name.clone(),
            disabled,
            keys: ids,
        };
        self.teams.insert(name, team);
        Ok(())
    }

    fn hand_out(&mut self, raw: RawKey, team: &Arc<str>, here: &Path) -> Result<(), Fault> {
        let RawKey {
            id: Name(id),
            sha256,
            expires,
            apis,
            disabled,
        } = raw;
        if &*id == UNKNOWN_KEY || !self.key_ids.insert(id.clone()) {
            return Err(Fault::new(
                here.key("id"),
                format!("the key id '{id}' is taken"),
                "each key needs an id of its own, over all teams, and \"unknown\" stands for keys nobody knows",
            ));
        }
        if let Some(other) = self.keys.get(&sha256) {
            return Err(Fault::new(
                here.key("sha256"),
                format!(
                    "this is the key '{}' of team '{}' again",
                    other.id, other.team
                ),
                "a key belongs to one team under one id; make another with `quota-guard key new`",
            ));
        }
        let key = Key {
            id,
            team: team.clone(),
            disabled,
            expires: expires.map(|moment| moment.0),
            apis: apis
                .map(|apis| some_apis(&apis, &here.key("apis")))
                .transpose()?,
        };
        self.keys.insert(sha256, key);
        Ok(())
    }

    fn team_of_unknown_keys(&self, identity: &RawIdentity) -> Result<Option<Arc<str>>, Fault> {
        let RawIdentity { unknown_keys } = identity;
        match unknown_keys {
            None => Ok(None),
            Some(Name(word)) if &**word == REJECT => Ok(None),
            Some(Name(team)) if self.teams.contains_key(team) => Ok(Some(team.clone())),
            Some(Name(team)) => Err(Fault::new(
                Path::to("identity").key("unknown_keys"),
                format!("unknown team '{team}'"),
                self.teams_for(team),
            )),
        }
    }

    /// The rule for a team name that is not one.
    pub(super) fn teams_for(&self, word: &str) -> String {
        let known: Vec<&str> = self.teams.keys().map(|name| &**name).collect();
        super::suggest::among(word, &known, "teams are")
    }

    pub(super) fn keys_for(&self, word: &str) -> String {
        let mut known: Vec<&str> = self.key_ids.iter().map(|id| &**id).collect();
        known.sort_unstable();
        super::suggest::among(word, &known, "keys are")
    }
}

/// The word of `[identity]` that is not a team.
const REJECT: &str = "reject";

fn some_apis(apis: &[ApiName], here: &Path) -> Result<Arc<[Api]>, Fault> {
    if apis.is_empty() {
        return Err(Fault::new(
            here.clone(),
            "an empty list allows nothing",
            "name at least one API, or remove the key to allow all",
        ));
    }
    Ok(apis.iter().map(|api| api.0).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, policy};
    use super::*;

    const HASH: &str = "3333333333333333333333333333333333333333333333333333333333333333";

    fn team(rest: &str) -> String {
        format!("[[teams]]\nname = \"water\"\n{rest}\n")
    }

    fn key(rest: &str) -> String {
        team(&format!(
            "keys = [ {{ id = \"w-1\", sha256 = \"{HASH}\"{rest} }} ]"
        ))
    }

    #[test]
    fn a_key_knows_its_team_its_end_and_its_apis() {
        let policy = policy(&key(
            ", expires = 2027-01-01T00:00:00+01:00, apis = [\"orders\"]",
        ));
        let hash = KeyHash::from_bytes([0x33; 32]);
        let key = policy.key(&hash).unwrap();
        assert_eq!((&**key.team(), &**key.id()), ("water", "w-1"));
        assert_eq!(key.expires(), Some("2026-12-31T23:00:00Z".parse().unwrap()));
        assert!(key.caller().may_use(Api::Orders) && !key.caller().may_use(Api::Data));
        assert!(policy.key(&KeyHash::from_bytes([0x34; 32])).is_none());
    }

    #[test]
    fn names_ids_and_keys_are_unique() {
        let again = team("").replace("water", "forest");
        let id = key("").replace("w-1", "ag-1");
        let hash = key("").replace(HASH, &"1".repeat(64));
        assert_refused(&[
            (&again, "\"forest\"", "the team name 'forest' is taken"),
            (
                &team("").replace("water", "reject"),
                "\"reject\"",
                "is taken",
            ),
            (&id, "\"ag-1\"", "the key id 'ag-1' is taken"),
            (
                &key("").replace("w-1", "unknown"),
                "\"unknown\"",
                "is taken",
            ),
            (
                &hash,
                &format!("\"{}\"", "…".repeat(64)),
                "the key 'ag-1' of team 'agriculture' again",
            ),
        ]);
    }

    #[test]
    fn keys_are_checked_value_by_value() {
        assert_refused(&[
            (
                &key("").replace(HASH, "PLAK1"),
                "\"……………\"",
                "not a SHA-256",
            ),
            (&key(", apis = []"), "[]", "an empty list allows nothing"),
            (&key(", apis = [\"order\"]"), "\"order\"", "unknown API"),
            (&key(", expires = \"2027\""), "\"2027\"", ""),
            (&key(", expire = 1"), "expire", "unknown key 'expire'"),
            (
                &team("keys = []\ndisabled = 1"),
                "1",
                "integer 1 cannot stand here",
            ),
        ]);
    }

    #[test]
    fn unknown_keys_count_for_a_team_or_for_nobody() {
        assert_eq!(
            policy("").unknown_keys().map(|team| &**team),
            Some("forest")
        );
        let upstream = "[upstreams.planet]\nurl = \"http://a\"\nmount = \"/\"\n[identity]\n";
        let read = |word: &str| {
            let text = format!("{upstream}unknown_keys = \"{word}\"");
            super::super::Policy::parse(&text, "p.toml")
        };
        assert_eq!(read("reject").unwrap().unknown_keys(), None);
        assert_eq!(
            read("guests").unwrap_err().message(),
            "unknown team 'guests'"
        );
    }
}
