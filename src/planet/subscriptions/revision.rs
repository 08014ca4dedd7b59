//! What becomes of a subscription that is there already: revised by PUT or PATCH, or reactivated.
//!
//! What it is now is read back from Planet and taken as it is shown. What cannot be understood of that is no
//! mistake of the caller's: it leaves the call without a bound.

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{PRICED, SubscriptionAsk, read};
use crate::planet::imagery::Unread;
use crate::planet::spelling::{self, Members};
use crate::planet::{Misread, Unbounded, json};
use crate::units::UtcTime;

/// A subscription that is changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    pub before: Present,
    pub after: SubscriptionAsk,
}

/// A subscription as Planet shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Present {
    pub ask: SubscriptionAsk,
    pub presence: Presence,
    /// When anything about it last changed, as far as that is shown.
    pub updated: Option<UtcTime>,
}

/// Whether a subscription delivers, as far as its price depends on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// It does, or will when its time comes.
    Live,
    /// It stands still, and goes on when it is reactivated.
    Suspended,
    /// It has ended, or it is in a state that is not documented.
    Over,
}

impl Present {
    /// Whether it would run until somebody stops it, once it is reactivated.
    pub fn goes_on_without_end(&self) -> bool {
        self.presence != Presence::Live && self.ask.end.is_none()
    }
}

#[derive(Deserialize)]
struct RawPresent {
    status: Option<String>,
    updated: Option<String>,
}

/// Reads what Planet shows of a subscription.
pub fn read_present(shown: &[u8]) -> Result<Present, Unbounded> {
    let understood = || {
        let ask = read(shown)?;
        let raw: RawPresent = json::read_checked(shown)?;
        Ok((ask, raw))
    };
    let (ask, RawPresent { status, updated }) =
        understood().map_err(|misread| not_understood(&misread))?;
    Ok(Present {
        ask,
        presence: Presence::named(status.as_deref().unwrap_or_default()),
        updated: updated.and_then(|updated| updated.parse().ok()),
    })
}

/// Reads the body of a PUT, which takes the whole of it, or of a PATCH, which takes what changes.
pub(in crate::planet) fn read_revision(
    method: &Method,
    shown: &[u8],
    body: &[u8],
) -> Result<Revision, Unread> {
    let before = read_present(shown).map_err(Unread::Unbounded)?;
    let after = if *method == Method::PUT {
        read(body)?
    } else {
        patched(shown, body)?
    };
    Ok(Revision { before, after })
}

/// Whether a revision leaves alone everything that a price hangs on. A PUT never does.
pub fn is_free(method: &Method, body: &[u8]) -> Result<bool, Misread> {
    const FREE: [&str; 2] = ["name", "notifications"];
    if *method == Method::PUT {
        return Ok(false);
    }
    let members: Members = spelling::read(body, PRICED)?;
    Ok(members
        .0
        .iter()
        .all(|member| FREE.contains(&member.as_str())))
}

impl Presence {
    fn named(status: &str) -> Self {
        match status {
            "preparing" | "pending" | "running" => Self::Live,
            "suspended" => Self::Suspended,
            _ => Self::Over,
        }
    }
}

/// What a subscription becomes by a PATCH. Planet does not say how deep it merges, so a patch that would mean
/// one subscription merged member by member and another one put in place as it stands is refused.
fn patched(shown: &[u8], patch: &[u8]) -> Result<SubscriptionAsk, Misread> {
    let current: Value = json::read_checked(shown)?;
    let patch: Value = spelling::read(patch, PRICED)?;
    let merged = after(&current, &patch, usize::MAX)?;
    for depth in 1..=2 {
        let Ok(replaced) = after(&current, &patch, depth) else {
            continue; // upstream could not take it so either
        };
        if replaced != merged {
            return Err(Misread::new(
                "the patch names most of 'source' and leaves something out, and whether that stays as it was or \
                 goes is not documented; name all of it, or what changes alone",
            ));
        }
    }
    Ok(merged)
}

/// The subscription after a patch whose objects are merged down to `depth`, and replace what is there below.
fn after(current: &Value, patch: &Value, depth: usize) -> Result<SubscriptionAsk, Misread> {
    let mut merged = current.clone();
    merge(&mut merged, patch.clone(), depth);
    read(merged.to_string().as_bytes())
}

/// Objects are merged member by member, `null` removes, anything else replaces (RFC 7396).
fn merge(target: &mut Value, patch: Value, depth: usize) {
    let Value::Object(changes) = patch else {
        *target = patch;
        return;
    };
    if depth == 0 || !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else {
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(&name);
        } else {
            let member = members.entry(name).or_insert(Value::Null);
            merge(member, change, depth.saturating_sub(1));
        }
    }
}

fn not_understood(misread: &Misread) -> Unbounded {
    Unbounded {
        why: format!("the subscription as Planet shows it cannot be understood: {misread}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::planet::tools::Clip;

    fn shown() -> Value {
        json!({"id": "7", "name": "weekly", "status": "running", "created": "2026-03-01T00:00:00Z",
            "updated": "2026-05-01T10:00:00.123Z", "_links": {"_self": "https://api.planet.com/subscriptions/v1/7"},
            "source": {"type": "catalog", "parameters": {
                "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr"],
                "geometry": {"type": "Polygon", "coordinates":
                    [[[14.5, 46.0], [14.52, 46.0], [14.52, 46.02], [14.5, 46.02], [14.5, 46.0]]]},
                "geom_ref": "pl:features/my/a/b",
                "start_time": "2026-03-01T00:00:00Z", "end_time": "2026-10-31T00:00:00Z"}},
            "tools": [{"type": "clip", "parameters": {}}],
            "delivery": {"type": "google_cloud_storage", "parameters": {"credentials": "<REDACTED>"}}})
    }

    fn revised(method: &Method, body: &Value) -> Result<Revision, Misread> {
        let (shown, body) = (shown().to_string(), body.to_string());
        read_revision(method, shown.as_bytes(), body.as_bytes()).map_err(|unread| match unread {
            Unread::Wrong(misread) => misread,
            Unread::Unbounded(unbounded) => panic!("{unbounded}"),
        })
    }

    #[test]
    fn a_subscription_is_read_as_planet_shows_it() {
        for (status, presence) in [
            ("preparing", Presence::Live),
            ("pending", Presence::Live),
            ("running", Presence::Live),
            ("suspended", Presence::Suspended),
            ("completed", Presence::Over),
            ("cancelled", Presence::Over),
            ("failed", Presence::Over),
            ("invalid", Presence::Over),
            ("something new", Presence::Over),
        ] {
            let mut shown = shown();
            shown["status"] = json!(status);
            let present = read_present(shown.to_string().as_bytes()).unwrap();
            assert_eq!(present.presence, presence, "{status}");
            assert_eq!(present.ask.tools.clip, Some(Clip::Source));
            assert_eq!(present.updated, "2026-05-01T10:00:00.123Z".parse().ok());
        }
    }

    #[test]
    fn what_cannot_be_understood_is_no_mistake_of_the_callers() {
        for shown in [
            "",
            "{}",
            "[]",
            r#"{"source":{"parameters":{}},"status":"running"}"#,
        ] {
            let why = read_present(shown.as_bytes()).unwrap_err().why;
            assert!(why.contains("as Planet shows it"), "{why}");
            let read = read_revision(&Method::PATCH, shown.as_bytes(), b"{}");
            assert!(matches!(read, Err(Unread::Unbounded(_))), "{shown}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_removes() {
        let patched = |patch: Value| revised(&Method::PATCH, &patch).map(|revision| revision.after);
        let longer = json!({"source": {"parameters": {"end_time": "2027-10-31T00:00:00Z"}}});
        assert_eq!(
            patched(longer).unwrap().end,
            "2027-10-31T00:00:00Z".parse().ok()
        );
        let endless = json!({"source": {"parameters": {"end_time": null}}});
        assert_eq!(patched(endless).unwrap().end, None);
        let before = read_present(shown().to_string().as_bytes()).unwrap().ask;
        assert_eq!(patched(json!({"name": "new"})), Ok(before));
        assert!(patched(json!({"Tools": []})).is_err());
        assert!(
            patched(json!({"source": {"parameters": {"geometry": {"type": "Point"}}}})).is_err()
        );
    }

    #[test]
    fn a_patch_that_two_servers_could_take_differently_is_refused() {
        let whole = shown()["source"].clone();
        let patched = |source: &Value| revised(&Method::PATCH, &json!({"source": source}));
        assert!(patched(&whole).is_ok(), "the whole of it means one thing");
        let mut without_end = whole;
        let parameters = without_end["parameters"].as_object_mut().unwrap();
        parameters.remove("end_time");
        let sentence = patched(&without_end).unwrap_err().sentence;
        assert!(sentence.contains("leaves something out"), "{sentence}");
    }

    #[test]
    fn a_put_is_the_whole_of_it() {
        let mut body = shown();
        body["source"]["parameters"]["end_time"] = json!("2028-01-01T00:00:00Z");
        let revision = revised(&Method::PUT, &body).unwrap();
        assert_eq!(revision.after.end, "2028-01-01T00:00:00Z".parse().ok());
        assert_eq!(revision.before.ask.end, "2026-10-31T00:00:00Z".parse().ok());
        assert!(revised(&Method::PUT, &json!({"name": "x"})).is_err());
    }

    #[test]
    fn only_a_patch_of_names_is_free() {
        for (method, body, free) in [
            (Method::PATCH, r#"{"name":"new"}"#, true),
            (Method::PATCH, r#"{"name":"new","notifications":{}}"#, true),
            (Method::PATCH, r#"{"name":"new","tools":[]}"#, false),
            (
                Method::PATCH,
                r#"{"end_time":"2030-01-01T00:00:00Z"}"#,
                false,
            ),
            (Method::PUT, r#"{"name":"new"}"#, false),
        ] {
            assert_eq!(
                is_free(&method, body.as_bytes()),
                Ok(free),
                "{method} {body}"
            );
        }
        assert!(is_free(&Method::PATCH, br#"{"Tools":[]}"#).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            shown in prop::collection::vec(any::<u8>(), 0..200), body in prop::collection::vec(any::<u8>(), 0..200)
        ) {
            let _ = (read_present(&shown), is_free(&Method::PATCH, &body));
            let _ = read_revision(&Method::PATCH, &shown, &body);
        }

        #[test]
        fn any_patch_is_read_or_refused(patch in crate::planet::wild::variations(shown())) {
            let _ = revised(&Method::PATCH, &patch);
        }
    }
}
