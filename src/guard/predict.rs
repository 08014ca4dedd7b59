//! From a classified call to what it will cost at most: a pure step, shared by the pipeline, the
//! `estimate` command and the policy's own tests.

use super::refusal::{Problem, Refusal};
use crate::cost::{self, Estimate, Line, Margin};
use crate::planet::{self, Asked, Declared, Reading, Unbounded};
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

/// Reads and prices a call. What cannot be bounded passes only where the policy lets it.
pub fn predict(policy: &Policy, asked: &Asked<'_>, now: UtcTime) -> Result<Predicted, Refusal> {
    let word = policy.bound(asked.route.api, asked.path).map(Bound::word);
    let (declared, most) = match word {
        Some(Word::Imagery(declared)) => (declared, None),
        Some(Word::Pu(most)) => (Declared::default(), Some(most)),
        None => (Declared::default(), None),
    };
    let reading = planet::read(asked, declared)?;
    let (prices, plan) = (policy.prices(), policy.plan());
    let outlook = cost::estimate(&reading.ask, prices, plan, now)
        .and_then(|estimate| Ok((estimate, cost::settled(&reading.ask, prices, plan, now)?)));
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

fn not_predictable(unbounded: &Unbounded) -> Refusal {
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
    use crate::planet::{Deployment, Target, UpstreamKind, classify};

    const MAP: &str = "/ogc/wms/a?SERVICE=WMS&REQUEST=GetMap&VERSION=1.3.0&LAYERS=ndvi&FORMAT=image/png\
                       &WIDTH=512&HEIGHT=512&CRS=EPSG:3857&BBOX=0,0,5120,5120&TIME=2026-06-01/2026-06-02";

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
