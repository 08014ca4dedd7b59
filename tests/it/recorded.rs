//! Recorded requests with their known prices: a folder for each API in `tests/planet`, a file for each request,
//! and beside it a snapshot of what is read of it and what that costs.
//!
//! A file begins with what it is and what is known of its price, each in a line behind `# `:
//!
//! | line | what it promises |
//! |---|---|
//! | `price: pu=1, tiles=1` | of these units exactly that is reserved; `nothing`: nothing of any |
//! | `at least: pu=20531` | no less is reserved: the published price of what the request only bounds |
//! | `settles: pu=92` | what it counts as when upstream does not say |
//! | `refused: WORDS` | it has no bound, for a reason with these words |
//! | `source: …` | who publishes the price |
//! | `plan: charges = ["km2"]` | `[plan]` of the policy, by commas |
//! | `shown: FILE` | what Planet shows of the thing that the request only names |
//! | `activated: yes` | the books remember that the asset was activated |
//!
//! Then the request line with its host, headers, a blank line and the body; and, behind `=== answer`, the status
//! and headers of the answer as it was seen.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use quota_guard::guard::{Predicted, Refusal, predict};
use quota_guard::planet::{
    Asked, Deployment, Found, Shown, Target, UpstreamKind, answer, classify,
};
use quota_guard::policy::Policy;
use quota_guard::units::{Amount, Amounts};

const NOW: &str = "2026-06-15T12:00:00Z";

struct Recorded {
    /// Lines behind `# `, the first of which says what it is.
    notes: Vec<(String, String)>,
    kind: UpstreamKind,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: String,
    answered: HeaderMap,
    shown: Vec<Shown>,
}

impl Recorded {
    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("a file");
        let (asked, answered) = text.split_once("\n=== answer\n").unwrap_or((&text, ""));
        let (head, body) = asked.split_once("\n\n").unwrap_or((asked, ""));
        let mut notes: Vec<(String, String)> = Vec::new();
        let mut lines = head.lines().peekable();
        while let Some(note) = lines.peek().and_then(|line| line.strip_prefix("# ")) {
            let is_title = notes.is_empty();
            let (name, value) = match note.split_once(": ") {
                Some(pair) if !is_title => pair,
                _ => ("what", note),
            };
            notes.push((name.to_owned(), value.to_owned()));
            lines.next();
        }
        let first = lines.next().expect("a request line");
        let words: Vec<&str> = first.split(' ').collect();
        let [method, host, target] = *words else {
            panic!("{}: '{first}' is no request line", file.display());
        };
        let shown = notes
            .iter()
            .filter(|(name, _)| name == "shown")
            .map(|(_, name)| {
                let text = fs::read(file.with_file_name(name)).expect(name);
                Ok(Bytes::from(text))
            });
        Self {
            shown: shown.collect(),
            kind: match host {
                "planet" => UpstreamKind::Planet,
                "tiles" => UpstreamKind::Tiles,
                "sentinel-hub" => UpstreamKind::SentinelHub,
                other => panic!("{}: there is no host '{other}'", file.display()),
            },
            method: method.parse().expect("a method"),
            target: target.to_owned(),
            headers: headers(lines),
            body: body.strip_suffix('\n').unwrap_or(body).to_owned(),
            answered: headers(answered.lines().skip(1)),
            notes,
        }
    }

    fn note(&self, name: &str) -> Option<&str> {
        let note = self.notes.iter().find(|(known, _)| known == name);
        note.map(|(_, value)| value.as_str())
    }

    fn predicted(&self) -> Result<Predicted, Refusal> {
        let plan = self
            .note("plan")
            .unwrap_or_default()
            .replace(", quota_style", "\nquota_style");
        let policy = format!(
            "[plan]\n{plan}\n[upstreams.planet]\nurl = \"https://api.planet.com\"\nmount = \"/\"\n"
        );
        let policy = Policy::parse(&policy, "p.toml").expect("a policy");
        let target = Target::parse(&self.target)?;
        let asked = Asked {
            method: &self.method,
            route: &classify(self.kind, &self.method, target.path()),
            path: target.path(),
            query: target.query(),
            headers: &self.headers,
            body: self.body.as_bytes(),
            deployment: Deployment::Main,
            found: Found {
                shown: &self.shown,
                activated: self.note("activated").is_some(),
            },
        };
        predict(&policy, &asked, NOW.parse().expect("a time"))
    }

    /// Holds the prediction against everything that the file says of it.
    fn check(&self, predicted: &Result<Predicted, Refusal>) {
        let Ok(predicted) = predicted else {
            let refusal = predicted.as_ref().expect_err("it is one");
            let words = self
                .note("refused")
                .unwrap_or_else(|| panic!("{}", refusal.detail));
            assert!(refusal.detail.contains(words), "{}", refusal.detail);
            return;
        };
        assert_eq!(
            self.note("refused"),
            None,
            "it was to be refused: {:?}",
            predicted.estimate
        );
        if self.note("price") == Some("nothing") {
            assert!(predicted.totals.is_empty(), "{:?}", predicted.estimate);
        }
        for (note, totals) in [
            ("price", &predicted.totals),
            ("settles", &predicted.settles_at),
        ] {
            for (unit, price) in self.note(note).map(amounts).unwrap_or_default().iter() {
                assert_eq!(
                    totals.get(unit),
                    Some(price),
                    "{note}: {:?}",
                    predicted.estimate
                );
            }
        }
        let least = self.note("at least").map(amounts).unwrap_or_default();
        for (unit, least) in least.iter() {
            let total = predicted.totals.get(unit).unwrap_or_default();
            assert!(
                total >= least,
                "{total} < {least}: {:?}",
                predicted.estimate
            );
        }
        let known = ["price", "at least"]
            .iter()
            .any(|name| self.note(name).is_some());
        assert!(
            known && self.note("source").is_some(),
            "a price, and whose it is"
        );
        if let Some(charged) = answer::charged(&self.answered).expect("an amount") {
            let pu = predicted
                .totals
                .get(quota_guard::units::Unit::Pu)
                .unwrap_or_default();
            // bills are kept in single precision
            let rounding =
                Amount::from_micros(charged.micros() / 1_000_000 + 1).expect("an amount");
            assert!(
                pu.saturating_add(rounding) >= charged.amount(),
                "{charged} was charged"
            );
        }
    }
}

fn headers<'a>(lines: impl Iterator<Item = &'a str>) -> HeaderMap {
    let pair = |line: &'a str| {
        let (name, value) = line.split_once(": ").expect(line);
        let name: HeaderName = name.parse().expect(name);
        (name, HeaderValue::from_str(value).expect(value))
    };
    lines.map(pair).collect()
}

fn amounts(text: &str) -> Amounts {
    if text == "nothing" {
        return Amounts::default();
    }
    let amount = |pair: &str| {
        let (unit, amount) = pair.split_once('=').expect(pair);
        (
            unit.parse().expect(unit),
            amount.parse::<Amount>().expect(amount),
        )
    };
    text.split(", ").map(amount).collect()
}

/// What is read of a request, and what it costs line by line.
fn told(recorded: &Recorded, predicted: &Result<Predicted, Refusal>) -> String {
    let mut text = String::new();
    for (name, value) in &recorded.notes {
        _ = writeln!(text, "{name}: {value}");
    }
    text.push('\n');
    let predicted = match predicted {
        Ok(predicted) => predicted,
        Err(refusal) => {
            _ = writeln!(
                text,
                "refused, {}: {}",
                refusal.problem.name(),
                refusal.detail
            );
            return text;
        }
    };
    for line in &predicted.estimate.lines {
        let sort = if line.exact { "exactly" } else { "at most" };
        _ = writeln!(
            text,
            "{} {} {} by '{}': {}\n    ({})",
            line.unit, sort, line.amount, line.rule, line.quantity, line.source
        );
    }
    _ = writeln!(
        text,
        "reserves {}, settles at {}",
        predicted.totals, predicted.settles_at
    );
    _ = writeln!(
        text,
        "products: {}\n",
        predicted.reading.products.join(", ")
    );
    _ = writeln!(text, "{:#?}", predicted.reading.ask);
    text
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planet");
    let mut files = Vec::new();
    for api in fs::read_dir(folder).expect("a folder for each API") {
        let api = api.expect("an entry").path();
        for file in fs::read_dir(&api).expect("requests") {
            let file = file.expect("an entry").path();
            if file
                .extension()
                .is_some_and(|extension| extension == "http")
            {
                files.push(file);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn recorded_requests_cost_what_planet_publishes() {
    let files = files();
    assert!(
        files.len() > 50,
        "only {} requests are recorded",
        files.len()
    );
    for file in files {
        let recorded = Recorded::read(&file);
        let predicted = recorded.predicted();
        let name = file
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        println!("{}", file.display());
        recorded.check(&predicted);
        insta::with_settings!({
            snapshot_path => file.parent().expect("a folder"),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, told(&recorded, &predicted));
        });
    }
}
