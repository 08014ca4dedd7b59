//! What a policy allows that its author may not have meant.

use std::sync::Arc;

use super::upstreams::Credential;
use super::{Budget, Caller, Policy, Team, UNKNOWN_KEY, Unclassified, Unpredictable};
use crate::planet::Api;
use crate::units::{UtcTime, WindowKind};

impl Policy {
    /// A sentence for each thing that deserves a second look.
    pub fn warnings(&self, now: UtcTime) -> Vec<String> {
        let callers = self.callers(now);
        let mut warnings = Vec::new();
        if callers.is_empty() {
            warnings.push("no key is accepted: nobody can call".into());
        }
        warnings.extend(self.unlimited_teams(&callers, now));
        for budget in &self.budgets {
            warnings.extend(about_term(budget, now));
            if !callers.iter().any(|caller| can_touch(budget, caller)) {
                warnings.push(format!(
                    "the budget '{}' matches nobody: no accepted key reaches what it counts",
                    budget.name()
                ));
            }
        }
        warnings.extend(self.open_doors());
        warnings
    }

    /// Everybody whose key is accepted at `now`.
    fn callers(&self, now: UtcTime) -> Vec<Caller> {
        let in_service = |team: &str| self.team(team).is_some_and(|team| !team.is_disabled());
        let known = self.keys.values().filter(|key| {
            let lasts = key.expires().is_none_or(|end| now < end);
            lasts && !key.is_disabled() && in_service(key.team())
        });
        let unknown = self.unknown_keys.iter().filter(|team| in_service(team));
        let unknown = unknown.map(|team| Caller {
            team: team.clone(),
            key: UNKNOWN_KEY.into(),
            apis: None,
        });
        known.map(super::Key::caller).chain(unknown).collect()
    }

    fn unlimited_teams(&self, callers: &[Caller], now: UtcTime) -> Vec<String> {
        let limits = |budget: &&Budget| budget.is_enforced() && budget.window().at(now).is_some();
        let limited = |caller: &Caller| {
            let mut budgets = self.budgets.iter().filter(limits);
            budgets.any(|budget| can_touch(budget, caller))
        };
        let unlimited = |team: &&Team| {
            let mut keys = callers.iter().filter(|caller| caller.team == *team.name());
            keys.any(|caller| !limited(caller))
        };
        self.teams
            .values()
            .filter(unlimited)
            .map(|team| {
                format!(
                    "team '{}' has a key that no budget in force limits",
                    team.name()
                )
            })
            .collect()
    }

    fn open_doors(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let admin = self.server.admin_listen;
        if self.has_admins() && !admin.ip().is_loopback() {
            warnings.push(format!(
                "the admin port {admin} has no TLS: keep it on a network where nobody else can read its tokens"
            ));
        }
        if self.unknown_keys.is_some() {
            let own = |upstream: &&Arc<super::Upstream>| {
                *upstream.credential() != Credential::PassThrough
            };
            warnings.extend(self.upstreams.iter().filter(own).map(|upstream| {
                format!(
                    "any text passes for a key, and upstream '{}' is called with the guard's own credential",
                    upstream.name()
                )
            }));
        }
        warnings.extend(self.upstreams.iter().flat_map(|upstream| {
            let hosts = upstream.download_hosts().iter();
            hosts.filter(|host| is_in_the_open(host)).map(|host| {
                format!(
                    "downloads of upstream '{}' come from {} without TLS",
                    upstream.name(),
                    host.ascii_serialization()
                )
            })
        }));
        if self.unclassified == Unclassified::Allow {
            warnings.push("calls that no rule knows pass and are not counted".into());
        }
        if self.unpredictable == Unpredictable::Allow {
            warnings.push("calls whose cost cannot be bounded pass and are not counted".into());
        }
        warnings
    }
}

/// Whether what is asked of this host crosses a network that others can read.
fn is_in_the_open(host: &url::Origin) -> bool {
    let url::Origin::Tuple(scheme, host, _) = host else {
        return false;
    };
    let is_here = match host {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    scheme == "http" && !is_here
}

/// Whether some call of this caller could claim from the budget.
fn can_touch(budget: &Budget, caller: &Caller) -> bool {
    let reachable = |api: &&Api| caller.may_use(**api);
    let mut apis = Api::ALL.iter().filter(reachable);
    apis.any(|api| budget.matching().covers(caller, *api))
}

fn about_term(budget: &Budget, now: UtcTime) -> Option<String> {
    let WindowKind::Term { start, end } = budget.window().kind else {
        return None;
    };
    let name = budget.name();
    Some(if now < start {
        format!("the budget '{name}' begins at {start}: until then it limits nothing")
    } else if now < end {
        format!("the budget '{name}' ends at {end}: from then on it limits nothing")
    } else {
        format!("the budget '{name}' ended at {end} and limits nothing")
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BASE, at, policy};
    use super::*;

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn warnings(more: &str) -> Vec<String> {
        policy(more).warnings(at(NOW))
    }

    fn budget(rest: &str) -> String {
        format!("[[budgets]]\nname = \"b\"\nunit = \"pu\"\n{rest}\n")
    }

    #[test]
    fn a_budget_for_everybody_leaves_nothing_to_warn_of() {
        assert_eq!(
            warnings(&budget("limit = 1\nwindow = \"day\"")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_team_that_nothing_limits_is_named() {
        let both = |rest: &str| {
            let text = warnings(&budget(rest)).join("\n");
            (
                text.contains("team 'agriculture'"),
                text.contains("team 'forest'"),
            )
        };
        let limit = "limit = 1\nwindow = \"day\"\n";
        assert_eq!(
            both("window = \"day\""),
            (true, true),
            "counting limits nothing"
        );
        assert_eq!(both(&format!("{limit}on_breach = \"allow\"")), (true, true));
        assert_eq!(
            both(&format!("{limit}match = {{ teams = [\"forest\"] }}")),
            (true, false)
        );
        let one_key = format!("{limit}match = {{ keys = [\"fo-1\"] }}");
        assert_eq!(
            both(&one_key),
            (true, true),
            "unknown keys count for forest too"
        );
    }

    #[test]
    fn a_term_says_when_it_limits_nothing() {
        let of = |start: &str, end: &str| {
            let window = format!("limit = 1\nwindow = {{ start = {start}, end = {end} }}");
            warnings(&budget(&window)).join("\n")
        };
        let (past, gone) = ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        let (soon, later) = ("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z");
        assert!(of(past, soon).contains("ends at 2027-01-01T00:00:00Z"));
        assert!(
            !of(past, soon).contains("team"),
            "it limits everybody until then"
        );
        assert!(of(soon, later).contains("begins at 2027") && of(soon, later).contains("team"));
        assert!(of(past, gone).contains("ended at 2026") && of(past, gone).contains("team"));
    }

    #[test]
    fn a_download_host_without_tls_is_named_unless_it_is_this_machine() {
        let from = |host: &str| {
            let base = BASE.replacen("mount", &format!("download_hosts = [\"{host}\"]\nmount"), 1);
            let policy = Policy::parse(&base, "p.toml").unwrap();
            let warnings = policy.warnings(at(NOW)).join("\n");
            warnings.contains(&format!("come from {host} without TLS"))
        };
        assert!(from("http://storage.example"));
        assert!(!from("http://127.0.0.1:9") && !from("http://localhost:9"));
        assert!(!from("https://storage.example"));
    }

    #[test]
    fn a_budget_that_nobody_reaches_is_named() {
        let matching = |lists: &str| {
            let rest = format!("limit = 1\nwindow = \"day\"\nmatch = {{ {lists} }}");
            warnings(&budget(&rest))
                .join("\n")
                .contains("'b' matches nobody")
        };
        assert!(matching("teams = [\"agriculture\"], keys = [\"fo-1\"]"));
        assert!(!matching("teams = [\"forest\"], keys = [\"unknown\"]"));
        assert!(!matching("apis = [\"orders\"]"));
    }

    #[test]
    fn doors_that_stand_open_are_named() {
        let text = "[upstreams.tiles]\nurl = \"https://t\"\nmount = \"/t\"\n\
                    credential = { api_key = { env = \"K\" } }\n\
                    [policy]\nunclassified = \"allow\"\nunpredictable = \"allow\"\n";
        let said = warnings(&(text.to_owned() + &budget("limit = 1\nwindow = \"day\""))).join("\n");
        for words in ["any text passes", "no rule knows", "cannot be bounded"] {
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn tokens_on_an_open_network_are_named() {
        let text = |address: &str| {
            let token = format!(
                "{{ name = \"ops\", sha256 = \"{}\", role = \"admin\" }}",
                "a".repeat(64)
            );
            let said = warnings(&format!(
                "[server]\nadmin_listen = \"{address}\"\n[admin]\ntokens = [{token}]"
            ));
            said.join("\n")
        };
        assert!(text("0.0.0.0:8081").contains("has no TLS"));
        assert!(!text("127.0.0.1:8081").contains("has no TLS"));
    }

    #[test]
    fn a_policy_without_an_accepted_key_is_named() {
        let text = BASE.replace("unknown_keys = \"forest\"", "");
        let text = text.replace("name = \"", "disabled = true\nname = \"");
        let policy = Policy::parse(&text, "p.toml").unwrap();
        assert_eq!(
            policy.warnings(at(NOW)),
            ["no key is accepted: nobody can call"]
        );
    }
}
