//! What a policy means, in words: the answer of `check`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use super::upstreams::{Credential, Upstream};
use super::{
    Budget, Match, OnBreach, Policy, SafetyMargin, Team, Unclassified, Unpredictable, Word,
};
use crate::cost::Factor;
use crate::planet::{Api, Declared, UpstreamKind};
use crate::units::{Span, UtcTime, Window, WindowKind};

/// Listeners, upstreams, people, the tree of budgets as it stands at `now`, and warnings.
pub fn describe(policy: &Policy, now: UtcTime) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail; the answer would only be shorter.
    let _ = write_all(&mut text, policy, now);
    text
}

fn write_all(out: &mut String, policy: &Policy, now: UtcTime) -> fmt::Result {
    write_server(out, policy)?;
    write_upstreams(out, policy)?;
    write_people(out, policy, now)?;
    write_budgets(out, policy, now)?;
    write_paces(out, policy)?;
    write_rules(out, policy)?;
    let warnings = policy.warnings(now);
    if !warnings.is_empty() {
        writeln!(out, "\nwarnings")?;
    }
    for warning in warnings {
        writeln!(out, "  ! {warning}")?;
    }
    Ok(())
}

fn write_server(out: &mut String, policy: &Policy) -> fmt::Result {
    let server = policy.server();
    let tls = if server.tls.is_some() {
        " with TLS"
    } else {
        ""
    };
    writeln!(
        out,
        "data port   {}{tls}, links start with {}",
        server.listen, server.public_url
    )?;
    writeln!(
        out,
        "admin port  {}, {}",
        server.admin_listen,
        admins(policy)
    )?;
    let kept = policy.store().keep().map_or_else(String::new, |keep| {
        let days = keep.as_secs() / 86_400;
        format!(", what has ended is rolled up by day after {days} days")
    });
    writeln!(out, "books       {}{kept}", policy.store())
}

fn admins(policy: &Policy) -> String {
    let tokens = policy.admin_tokens();
    if tokens.is_empty() {
        return "health and metrics alone: there are no tokens".into();
    }
    let tokens = tokens
        .iter()
        .map(|token| format!("{} ({})", token.name(), token.role()));
    format!("tokens {}", tokens.collect::<Vec<_>>().join(", "))
}

fn write_upstreams(out: &mut String, policy: &Policy) -> fmt::Result {
    writeln!(out, "\nupstreams")?;
    let longest = |upstream: &Arc<Upstream>| mount(upstream).len();
    let width = policy
        .upstreams()
        .iter()
        .map(longest)
        .max()
        .unwrap_or_default();
    for upstream in policy.upstreams() {
        writeln!(
            out,
            "  {:<width$}  {} ({}), called with {}",
            mount(upstream),
            upstream.url(),
            kind(upstream),
            credential(upstream)
        )?;
    }
    Ok(())
}

fn mount(upstream: &Upstream) -> &str {
    match upstream.mount().as_str() {
        "" => "/",
        mount => mount,
    }
}

fn kind(upstream: &Upstream) -> &'static str {
    match upstream.kind() {
        UpstreamKind::Planet => "planet",
        UpstreamKind::Tiles => "tiles",
        UpstreamKind::SentinelHub => "sentinel-hub",
    }
}

fn credential(upstream: &Upstream) -> String {
    match upstream.credential() {
        Credential::PassThrough => "the caller's own credential".into(),
        Credential::ApiKey(source) => format!("the API key in {source}"),
        Credential::Client { id, token_url, .. } => {
            format!("tokens that {token_url} gives the client in {id}")
        }
    }
}

fn write_people(out: &mut String, policy: &Policy, now: UtcTime) -> fmt::Result {
    writeln!(out, "\nteams")?;
    for team in policy.teams() {
        let state = if team.is_disabled() {
            " (disabled)"
        } else {
            ""
        };
        writeln!(out, "  {}{state}", team.name())?;
        write_keys(out, policy, team, now)?;
    }
    match policy.unknown_keys() {
        Some(team) => writeln!(
            out,
            "  a key that nobody knows passes and counts for {team}"
        ),
        None => writeln!(out, "  a key that nobody knows is turned away"),
    }
}

fn write_keys(out: &mut String, policy: &Policy, team: &Team, now: UtcTime) -> fmt::Result {
    for key in policy.keys_of(team) {
        let mut notes = Vec::new();
        if key.is_disabled() {
            notes.push("disabled".to_owned());
        }
        match key.expires() {
            Some(at) if at <= now => notes.push(format!("expired at {at}")),
            Some(at) => notes.push(format!("until {at}")),
            None => {}
        }
        if let Some(apis) = key.caller().apis {
            notes.push(format!("only {}", list(apis.iter().map(|api| api.name()))));
        }
        let notes = match notes.as_slice() {
            [] => String::new(),
            notes => format!(" ({})", notes.join("; ")),
        };
        writeln!(out, "    key {}{notes}", key.id())?;
    }
    Ok(())
}

/// Two levels: whom a budget binds, and the budgets that bind them together.
fn write_budgets(out: &mut String, policy: &Policy, now: UtcTime) -> fmt::Result {
    writeln!(out, "\nbudgets")?;
    let mut groups: BTreeMap<(u8, String), Vec<&Budget>> = BTreeMap::new();
    for budget in policy.budgets() {
        groups.entry(bound(budget)).or_default().push(budget);
    }
    if groups.is_empty() {
        writeln!(out, "  none: nothing is limited or counted")?;
    }
    for ((_, who), budgets) in groups {
        writeln!(out, "  {who}")?;
        for (position, budget) in budgets.iter().enumerate() {
            let (branch, stem) = if position + 1 == budgets.len() {
                ("└─", "  ")
            } else {
                ("├─", "│ ")
            };
            writeln!(out, "  {branch} {}", budget.name())?;
            for line in budget_lines(budget, now) {
                writeln!(out, "  {stem}    {line}")?;
            }
        }
    }
    Ok(())
}

/// Whom a budget binds; the wider first.
fn bound(budget: &Budget) -> (u8, String) {
    bound_by(budget.matching())
}

fn bound_by(matching: &Match) -> (u8, String) {
    let names = |names: &[Arc<str>]| list(names.iter().map(|name| &**name));
    match (matching.teams(), matching.keys()) {
        (None, None) => (0, "everybody".into()),
        (Some(teams), None) => (1, format!("team {}", names(teams))),
        (None, Some(keys)) => (2, format!("key {}", names(keys))),
        (Some(teams), Some(keys)) => (3, format!("key {} of team {}", names(keys), names(teams))),
    }
}

fn budget_lines(budget: &Budget, now: UtcTime) -> Vec<String> {
    let unit = budget.unit().label();
    let limit = match budget.limit() {
        Some(limit) => format!("limit   {limit} {unit}"),
        None => format!("limit   none, but a count of {unit}"),
    };
    vec![
        format!("{limit} {}{}", every(budget.window()), separately(budget)),
        format!("window  {}", current(budget.window(), now)),
        format!("counts  {}", counted(budget)),
        format!("beyond  {}", beyond(budget)),
    ]
}

fn every(window: &Window) -> &'static str {
    match window.kind {
        WindowKind::Day => "each day",
        WindowKind::Week(_) => "each week",
        WindowKind::Month(_) => "each month",
        WindowKind::Year(..) => "each year",
        WindowKind::Forever => "in all",
        WindowKind::Term { .. } => "in the term",
    }
}

fn separately(budget: &Budget) -> String {
    if budget.per().is_empty() {
        return String::new();
    }
    let dimensions = budget.per().iter().map(|dimension| dimension.name());
    format!(
        ", separately for each {}",
        dimensions.collect::<Vec<_>>().join(" and ")
    )
}

/// The window that `now` falls in, by the clocks of its zone.
fn current(window: &Window, now: UtcTime) -> String {
    match (window.at(now), window.kind) {
        (Some(span), _) => between(span, window),
        (None, WindowKind::Term { start, end }) => {
            let span = Span {
                start,
                end: Some(end),
            };
            format!("not in force now; {}", between(span, window))
        }
        (None, _) => "not in force now".into(),
    }
}

fn between(span: Span, window: &Window) -> String {
    let local = |time: UtcTime| {
        let local = time.to_zoned(window.zone.clone());
        local.strftime("%Y-%m-%d %H:%M").to_string()
    };
    let zone = window.zone.iana_name().unwrap_or("UTC");
    match (window.kind, span.end) {
        (WindowKind::Forever, _) => "without end".into(),
        (_, None) => format!("from {} {zone}", local(span.start)),
        (_, Some(end)) => format!("from {} to {} {zone}", local(span.start), local(end)),
    }
}

fn counted(budget: &Budget) -> String {
    let matching = budget.matching();
    let apis = apis(matching);
    match matching.products() {
        None => apis,
        Some(products) => {
            format!(
                "{apis}, where {} is used",
                list(products.iter().map(|name| &**name))
            )
        }
    }
}

fn apis(matching: &Match) -> String {
    matching.apis().map_or("all APIs".into(), |apis| {
        list(apis.iter().copied().map(Api::name))
    })
}

fn beyond(budget: &Budget) -> String {
    let outcome = match (budget.limit(), budget.on_breach()) {
        (None, _) => return "nothing happens".into(),
        (Some(_), OnBreach::Allow) => "requests pass and are counted".into(),
        (Some(_), OnBreach::Reject) => {
            format!(
                "requests are refused with status {}",
                budget.status().code()
            )
        }
    };
    if budget.alerts().is_empty() {
        return outcome;
    }
    let alerts = budget.alerts().iter().map(|alert| alert.0.to_string());
    format!(
        "{outcome}; alerts at {} %",
        alerts.collect::<Vec<_>>().join(", ")
    )
}

fn write_paces(out: &mut String, policy: &Policy) -> fmt::Result {
    if policy.paces().is_empty() {
        return Ok(());
    }
    writeln!(out, "\npaces")?;
    for pace in policy.paces() {
        let (_, who) = bound_by(pace.matching());
        let each = pace
            .per()
            .map_or("together".into(), |per| format!("for each {per}"));
        writeln!(
            out,
            "  {}: {who}, {}: {} {each}, {} at once",
            pace.name(),
            apis(pace.matching()),
            pace.rate(),
            pace.burst()
        )?;
    }
    Ok(())
}

fn write_bounds(out: &mut String, policy: &Policy) -> fmt::Result {
    if policy.bounds().is_empty() {
        return Ok(());
    }
    writeln!(out, "\nbounds")?;
    for bound in policy.bounds() {
        let apis = list(bound.apis().iter().copied().map(Api::name));
        let path = bound.path().unwrap_or("any path");
        match bound.word() {
            Word::Pu(pu) => writeln!(out, "  {apis} at {path}: at most {pu} PU a request")?,
            Word::Imagery(Declared {
                bands,
                float32,
                samples,
            }) => {
                let number = |number: Option<u64>, what: &str| {
                    number.map(|number| format!("{number} {what}"))
                };
                let bits = float32.map(|wide| {
                    if wide {
                        "32-bit values"
                    } else {
                        "values of at most 16 bits"
                    }
                });
                let parts = [
                    number(bands, "bands"),
                    bits.map(ToOwned::to_owned),
                    number(samples, "samples"),
                ];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                writeln!(out, "  {apis} at {path}: {}", parts.join(", "))?;
            }
        }
    }
    Ok(())
}

fn write_rules(out: &mut String, policy: &Policy) -> fmt::Result {
    let unclassified = match policy.unclassified() {
        Unclassified::Reject => "is refused",
        Unclassified::AllowReads => "passes if it only reads, else is refused",
        Unclassified::Allow => "passes",
    };
    let unpredictable = match policy.unpredictable() {
        Unpredictable::Reject => "is refused",
        Unpredictable::Hold => "waits for approval (until holds are built: is refused)",
        Unpredictable::Allow => "passes",
    };
    write_bounds(out, policy)?;
    writeln!(out, "\nrules")?;
    write_downloads(out, policy)?;
    write_comparison(out, policy)?;
    writeln!(out, "  a call that no rule knows {unclassified}")?;
    writeln!(out, "  a call whose cost cannot be bounded {unpredictable}")?;
    if let Some(most) = policy.max_backfill() {
        let days = most.as_secs_f64() / 86_400.0;
        writeln!(out, "  a subscription reaches back {days} days at most")?;
    }
    if policy.live_estimates() {
        writeln!(
            out,
            "  Planet is asked to count what a subscription will find in the past"
        )?;
    }
    let window = policy.resend_window();
    writeln!(
        out,
        "  a create that is sent again within {window:?}, unanswered, is not forwarded twice"
    )?;
    let cache = policy.cache();
    if let Some(size) = cache.size {
        let (bytes, age) = (size.0, cache.max_age);
        writeln!(
            out,
            "  answers that upstream lets a cache keep are kept, {bytes} bytes in all, for {age:?} at most"
        )?;
    }
    if !cache.coalesce {
        writeln!(out, "  identical requests at the same time are each sent")?;
    }
    match policy.safety_margin() {
        SafetyMargin::Fixed(Factor::ONE) => Ok(()),
        SafetyMargin::Fixed(factor) => {
            writeln!(out, "  {factor} times what is predicted is reserved")
        }
        SafetyMargin::Learned => writeln!(
            out,
            "  what is reserved beyond a prediction is learned for each API and team"
        ),
    }
}

fn write_downloads(out: &mut String, policy: &Policy) -> fmt::Result {
    if !policy.meters_egress() {
        return writeln!(
            out,
            "  downloads are not followed: their bytes are predicted with what orders them"
        );
    }
    writeln!(
        out,
        "  downloads are charged by the byte, and followed to the hosts of their upstream alone"
    )?;
    for upstream in policy.upstreams() {
        let hosts = upstream.download_hosts().iter();
        let hosts: Vec<String> = hosts.map(url::Origin::ascii_serialization).collect();
        if !hosts.is_empty() {
            writeln!(out, "    {}: {}", upstream.name(), hosts.join(", "))?;
        }
    }
    Ok(())
}

fn write_comparison(out: &mut String, policy: &Policy) -> fmt::Result {
    match policy.compared() {
        Ok(upstream) => writeln!(
            out,
            "  what {} says was used is compared with the books every day",
            upstream.name()
        ),
        Err(why) => writeln!(out, "  what is used beside the guard is not seen: {why}"),
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, policy};
    use super::*;

    const NOW: &str = "2026-11-22T12:00:00Z";

    #[test]
    fn a_policy_is_told_as_people_speak_of_it() {
        let policy = policy(
            "[store]\nkeep = \"400d\"\n[admin]\ntokens = [ \
             { name = \"ops\", sha256 = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", role = \"admin\" }, \
             { name = \"board\", sha256 = \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\", role = \"viewer\" } ]\n\
             [upstreams.tiles]\nurl = \"https://tiles.planet.com\"\nmount = \"/tiles\"\n\
             credential = { api_key = { env = \"PL_API_KEY\" } }\n\
             [[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50000\nwindow = \"month\"\n\
             timezone = \"Europe/Berlin\"\nalerts = [50, 90]\n\
             [[budgets]]\nname = \"day\"\nunit = \"requests\"\nlimit = 10\nwindow = \"day\"\n\
             per = [\"team\", \"api\"]\non_breach = \"allow\"\n\
             [[budgets]]\nname = \"forest-aum\"\nunit = \"aum\"\nwindow = \"forever\"\n\
             match = { teams = [\"forest\"], apis = [\"orders\"], products = [\"PSScene\"] }\n",
        );
        insta::assert_snapshot!(describe(&policy, at(NOW)), @"
        data port   127.0.0.1:8080, links start with http://127.0.0.1:8080
        admin port  127.0.0.1:8081, tokens board (viewer), ops (admin)
        books       quota-guard.db (SQLite), what has ended is rolled up by day after 400 days

        upstreams
          /tiles  https://tiles.planet.com/ (tiles), called with the API key in the environment variable PL_API_KEY
          /       https://api.planet.com/ (planet), called with the caller's own credential

        teams
          agriculture
            key ag-1
          forest
            key fo-1
          a key that nobody knows passes and counts for forest

        budgets
          everybody
          ├─ day
          │     limit   10 requests each day, separately for each team and api
          │     window  from 2026-11-22 00:00 to 2026-11-23 00:00 UTC
          │     counts  all APIs
          │     beyond  requests pass and are counted
          └─ org-pu
                limit   50000 PU each month
                window  from 2026-11-01 00:00 to 2026-12-01 00:00 Europe/Berlin
                counts  all APIs
                beyond  requests are refused with status 403; alerts at 50, 90 %
          team forest
          └─ forest-aum
                limit   none, but a count of km² of AUM in all
                window  without end
                counts  orders, where PSScene is used
                beyond  nothing happens

        rules
          downloads are charged by the byte, and followed to the hosts of their upstream alone
            planet: https://storage.googleapis.com
          what is used beside the guard is not seen: the guard has no credential of its own for Planet
          a call that no rule knows is refused
          a call whose cost cannot be bounded is refused
          a create that is sent again within 900s, unanswered, is not forwarded twice

        warnings
          ! any text passes for a key, and upstream 'tiles' is called with the guard's own credential
        ");
    }

    #[test]
    fn rules_about_the_past_are_told_where_they_are_set() {
        let text = describe(
            &policy("[policy]\nmax_backfill = \"36h\"\nlive_estimates = true"),
            at(NOW),
        );
        assert!(text.contains("reaches back 1.5 days at most"), "{text}");
        assert!(text.contains("asked to count"), "{text}");
    }

    #[test]
    fn what_is_kept_shared_and_reserved_beyond_is_told_where_it_is_not_as_usual() {
        let told = |more: &str| describe(&policy(more), at(NOW));
        let usual = told("");
        for (more, words) in [
            (
                "[cache]\nsize = \"1MiB\"",
                "are kept, 1048576 bytes in all, for 3600s at most",
            ),
            (
                "[cache]\ncoalesce = false",
                "at the same time are each sent",
            ),
            (
                "[policy]\nsafety_margin = 1.2",
                "1.2 times what is predicted",
            ),
            (
                "[policy]\nsafety_margin = \"learned\"",
                "learned for each API and team",
            ),
        ] {
            assert!(
                told(more).contains(words) && !usual.contains(words),
                "{more}"
            );
        }
    }

    #[test]
    fn a_term_that_is_over_says_so() {
        let policy = policy(
            "[[budgets]]\nname = \"t\"\nunit = \"pu\"\nlimit = 1\n\
             window = { start = 2025-01-01T00:00:00Z, end = 2026-01-01T00:00:00Z }",
        );
        let text = describe(&policy, at(NOW));
        assert!(
            text.contains("not in force now; from 2025-01-01 00:00 to 2026-01-01 00:00 UTC"),
            "{text}"
        );
    }
}
