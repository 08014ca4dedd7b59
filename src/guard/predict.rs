//! From a classified call to what it will cost at most, in two pure steps that the pipeline, the
//! `estimate` command and the policy's own tests share: it is understood, then priced. What Planet must be
//! asked is asked in between, by [`consult`](super::consult).

use std::time::Duration;

use super::refusal::{Problem, Refusal};
use crate::cost::backfill::{self, TooLong};
use crate::cost::{self, Estimate, Line, Margin, Suggestion};
use crate::planet::{self, Ask, Asked, Declared, Reading, Unbounded};
use crate::policy::{Bound, Policy, Unpredictable, Word};
use crate::units::{Amount, Amounts, Unit, UtcTime};

/// What a call will cost, and on what.
#[derive(Clone, Debug)]
pub struct Predicted {
    pub reading: Reading,
    pub estimate: Estimate,
    /// What is reserved: the sum of the lines.
    pub totals: Amounts,
    /// What it comes to by the published rules alone, without a margin.
    pub published: Amounts,
    /// What was added to that.
    pub margin: Margin,
    /// What it counts as spent when it has succeeded and upstream does not say.
    pub settles_at: Amounts,
    /// Whether it costs no more than that: the policy may let pass what nobody can bound.
    pub bounded: bool,
}

/// A call that was read, and not yet priced.
#[derive(Clone, Debug)]
pub struct Understood {
    pub reading: Reading,
    /// Whether the bytes behind it are charged as they pass.
    pub(super) by_the_byte: bool,
    /// The operator's word on what it costs at most.
    most: Option<Amount>,
}

/// Reads and prices a call, without asking anybody.
pub fn predict(policy: &Policy, asked: &Asked<'_>, now: UtcTime) -> Result<Predicted, Refusal> {
    price(policy, understand(policy, asked, now)?, None, now)
}

/// Reads a call, and refuses one that asks for more of the past than the policy allows, or to change it.
pub fn understand(policy: &Policy, asked: &Asked<'_>, now: UtcTime) -> Result<Understood, Refusal> {
    let word = policy.bound(asked.route.api, asked.path).map(Bound::word);
    let (declared, most) = match word {
        Some(Word::Imagery(declared)) => (declared, None),
        Some(Word::Pu(most)) => (Declared::default(), Some(most)),
        None => (Declared::default(), None),
    };
    let reading = planet::read(asked, declared)?;
    within_reach(policy, &reading.ask, now)?;
    may_change(&reading.ask, now)?;
    Ok(Understood {
        reading,
        by_the_byte: policy.meters_egress() && asked.route.operation.is_download(),
        most,
    })
}

/// Prices a call; what goes on spending, up to `until`. What cannot be bounded passes only where the policy
/// lets it.
pub(super) fn price(
    policy: &Policy,
    understood: Understood,
    until: Option<UtcTime>,
    now: UtcTime,
) -> Result<Predicted, Refusal> {
    let Understood { reading, most, .. } = understood;
    let (prices, plan) = (policy.prices(), policy.plan());
    let ask = &reading.ask;
    let outlook = cost::estimate(ask, prices, plan, now, until)
        .and_then(|estimate| Ok((estimate, cost::settled(ask, prices, plan, now, until)?)));
    let outlook = match most {
        Some(most) => at_most(outlook, most),
        None => outlook,
    };
    let bounded = outlook.is_ok();
    let (estimate, settled) = match outlook {
        Ok(both) => both,
        Err(_) if policy.unpredictable() == Unpredictable::Allow => Default::default(),
        Err(unbounded) => return Err(not_predictable(&unbounded)),
    };
    let totals = estimate.totals().ok_or_else(uncountable)?;
    Ok(Predicted {
        published: totals.clone(),
        totals,
        margin: Margin::NONE,
        settles_at: settled.totals().ok_or_else(uncountable)?,
        estimate,
        reading,
        bounded,
    })
}

impl Predicted {
    /// The same with a margin over it, which is reserved and given back.
    pub fn with(self, margin: Margin) -> Result<Self, Refusal> {
        let estimate = margin.over(self.estimate).ok_or_else(uncountable)?;
        Ok(Self {
            totals: estimate.totals().ok_or_else(uncountable)?,
            estimate,
            margin,
            ..self
        })
    }
}

/// The operator's word stands where a request shows no bound or a wider one. What is known exactly needs
/// nobody's word.
fn at_most(outlook: Result<Outlook, Unbounded>, most: Amount) -> Result<Outlook, Unbounded> {
    let wider = |estimate: &Estimate| {
        let pu = estimate.totals().and_then(|totals| totals.get(Unit::Pu));
        !estimate.is_exact() && pu.is_none_or(|pu| pu > most)
    };
    if outlook.as_ref().is_ok_and(|(estimate, _)| !wider(estimate)) {
        return outlook;
    }
    let declared = Estimate {
        lines: vec![Line {
            rule: "declared-bound",
            unit: Unit::Pu,
            amount: most,
            quantity: "1 request".into(),
            source: "[[bounds]] of the policy",
            exact: false,
        }],
    };
    Ok((declared.clone(), declared))
}

/// What is reserved, and what it settles at when upstream does not say.
type Outlook = (Estimate, Estimate);

fn within_reach(policy: &Policy, ask: &Ask, now: UtcTime) -> Result<(), Refusal> {
    let (Some(most), Ask::Subscriptions(all)) = (policy.max_backfill(), ask) else {
        return Ok(());
    };
    let mut long = all
        .iter()
        .filter_map(|one| backfill::too_long(one, most, now));
    long.next()
        .map_or(Ok(()), |long| Err(reaches_too_far(&long, most, all.len())))
}

/// Planet does not move a start that has passed, and a change that it takes in part is not what was priced.
fn may_change(ask: &Ask, now: UtcTime) -> Result<(), Refusal> {
    let Ask::Revision(change) = ask else {
        return Ok(());
    };
    let (begun, wanted) = (change.before.ask.start, change.after.start);
    if begun > now || wanted == begun {
        return Ok(());
    }
    let detail = format!(
        "The subscription has run since {begun}, and a start_time that has passed cannot be changed (to {wanted}). \
         Send the start_time as it is, or cancel this subscription and create another."
    );
    Err(Refusal::new(Problem::NotUnderstood, detail))
}

/// The start that would do is told of a single subscription, and of several that one is too long.
fn reaches_too_far(long: &TooLong, most: Duration, among: usize) -> Refusal {
    let (subject, suggestion) = match among {
        1 => (
            "This subscription",
            Some(Suggestion::StartTime(long.suggested)),
        ),
        _ => ("One of these subscriptions", None),
    };
    let TooLong {
        start,
        end,
        suggested,
    } = long;
    let detail = format!(
        "{subject} asks for {} days of backfill, from {start} to {end}, and no more than {} are allowed here. \
         It would pass with start_time {suggested}.",
        long.days(),
        in_words(most)
    );
    Refusal {
        suggestion: suggestion
            .and_then(|suggestion| serde_json::to_value(suggestion).ok())
            .map(Box::new),
        ..Refusal::new(Problem::BackfillTooLong, detail)
    }
}

fn in_words(span: Duration) -> String {
    const DAY: u64 = 86_400;
    match span.as_secs() {
        seconds if seconds % DAY == 0 => format!("{} days", seconds / DAY),
        _ => format!("{span:?}"),
    }
}

pub(super) fn not_predictable(unbounded: &Unbounded) -> Refusal {
    let detail = format!(
        "The cost of this request cannot be predicted: {unbounded}. The guard forwards only what it can \
         put an upper bound on."
    );
    Refusal::new(Problem::CostNotPredictable, detail)
}

fn uncountable() -> Refusal {
    Refusal::new(
        Problem::NotUnderstood,
        "This request would cost more than can be counted.",
    )
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::planet::{Deployment, Found, Target, UpstreamKind, classify};

    const MAP: &str = "/ogc/wms/a?SERVICE=WMS&REQUEST=GetMap&VERSION=1.3.0&LAYERS=ndvi&FORMAT=image/png\
                       &WIDTH=512&HEIGHT=512&CRS=EPSG:3857&BBOX=0,0,5120,5120&TIME=2026-06-01/2026-06-02";

    fn subscribe(rules: &str, parameters: &str) -> Result<Predicted, Refusal> {
        let text =
            format!("[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n[policy]\n{rules}\n");
        let policy = Policy::parse(&text, "p.toml").unwrap();
        let target = Target::parse("/subscriptions/v1").unwrap();
        let body = format!(
            r#"{{"source": {{"parameters": {{"item_types": ["PSScene"], "asset_types": ["ortho_visual"],
                "geometry": {{"type": "Polygon", "coordinates": [[[14, 46], [14.1, 46], [14.1, 46.1], [14, 46]]]}},
                {parameters}}}}}, "delivery": {{"type": "amazon_s3"}}}}"#
        );
        let asked = Asked {
            method: &Method::POST,
            route: &classify(UpstreamKind::Planet, &Method::POST, target.path()),
            path: target.path(),
            query: target.query(),
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
            deployment: Deployment::Main,
            found: Found::default(),
        };
        predict(&policy, &asked, "2026-11-22T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_backfill_that_is_too_long_is_told_a_start_that_passes() {
        let refusal = subscribe(
            "max_backfill = \"90d\"",
            r#""start_time": "2016-11-22T12:00:00Z""#,
        );
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.problem, Problem::BackfillTooLong);
        let sentence = &refusal.detail;
        assert!(
            sentence.contains("3652 days") && sentence.contains("90 days are"),
            "{sentence}"
        );
        let start = refusal.suggestion.unwrap()["start_time"].clone();
        assert_eq!(start, "2026-08-25T00:00:00Z");
        let start = format!("\"start_time\": {start}");
        assert!(subscribe("max_backfill = \"90d\"", &start).is_ok());
        assert!(subscribe("", r#""start_time": "2016-11-22T12:00:00Z""#).is_ok());
    }

    /// The lines predicted of a map under a policy with `bounds`.
    fn lines(bounds: &str) -> Result<Vec<Line>, Refusal> {
        let text =
            format!("[upstreams.sentinel-hub]\nurl = \"https://a\"\nmount = \"/\"\n{bounds}");
        let policy = Policy::parse(&text, "p.toml").unwrap();
        let target = Target::parse(MAP).unwrap();
        let asked = Asked {
            method: &Method::GET,
            route: &classify(UpstreamKind::SentinelHub, &Method::GET, target.path()),
            path: target.path(),
            query: target.query(),
            headers: &HeaderMap::new(),
            body: &[],
            deployment: Deployment::Main,
            found: Found::default(),
        };
        let predicted = predict(&policy, &asked, "2026-11-22T12:00:00Z".parse().unwrap());
        predicted.map(|predicted| predicted.estimate.lines)
    }

    #[test]
    fn the_operators_word_bounds_what_a_layer_does_not_show() {
        let refusal = lines("").unwrap_err();
        assert_eq!(refusal.problem, Problem::CostNotPredictable);
        let bound = "[[bounds]]\nmatch = { apis = [\"ogc\"], path = \"/ogc/wms/a\" }\n";
        let declared = lines(&format!("{bound}pu = 4.0")).unwrap();
        assert_eq!(
            (declared[0].rule, declared[0].amount),
            ("declared-bound", Amount::from_whole(4).unwrap())
        );
        assert!(!declared[0].exact);
        let imagery = format!("{bound}bands = 6\nsample_type = \"UINT8\"\nsamples = 1");
        let computed = lines(&imagery).unwrap();
        assert_eq!(
            computed[0].amount,
            Amount::from_whole(2).unwrap(),
            "{computed:?}"
        );
        assert!(lines(&format!("{}pu = 4.0", bound.replace("wms/a", "wms/b"))).is_err());
    }

    #[test]
    fn a_word_narrows_a_bound_and_leaves_what_is_exact() {
        let line = |exact, whole| Line {
            rule: "process",
            unit: Unit::Pu,
            amount: Amount::from_whole(whole).unwrap(),
            quantity: String::new(),
            source: "",
            exact,
        };
        let most = Amount::from_whole(4).unwrap();
        for (exact, whole, left) in [(false, 3, 3), (false, 9, 4), (true, 9, 9)] {
            let estimate = Estimate {
                lines: vec![line(exact, whole)],
            };
            let (estimate, _) = at_most(Ok((estimate.clone(), estimate)), most).unwrap();
            assert_eq!(estimate.lines[0].amount, Amount::from_whole(left).unwrap());
        }
    }
}
