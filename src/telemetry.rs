//! What the guard tells operators while it runs: typed Prometheus metrics and structured logs.
//!
//! No label takes a value that a caller chooses.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts,
    Registry, TextEncoder,
};
use tracing_subscriber::EnvFilter;

use crate::cost::Factor;
use crate::ledger::{Charge, ChargeSource};
use crate::planet::Api;
use crate::units::{Amount, Amounts, Unit};

/// Seconds that the guard's own work may take, from 25 µs up; close together below a millisecond, where it
/// should be.
const OVERHEAD_BUCKETS: &[f64] = &[
    0.000_025, 0.000_05, 0.000_075, 0.000_1, 0.000_15, 0.000_25, 0.000_5, 0.000_75, 0.001, 0.002_5,
    0.005, 0.01, 0.025, 0.1, 0.5, 2.0,
];
/// Seconds that an upstream may take.
const UPSTREAM_BUCKETS: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 120.0,
];
/// Actual over predicted: above 1 the prediction was too low.
const RATIO_BUCKETS: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0, 1.01, 1.1, 1.5, 2.0, 5.0,
];

/// What became of a request; the `decision` label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    Forwarded,
    Rejected,
    Held,
    DryRun,
    Unauthenticated,
    Error,
}

impl Decision {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Rejected => "rejected",
            Self::Held => "held",
            Self::DryRun => "dry_run",
            Self::Unauthenticated => "unauthenticated",
            Self::Error => "error",
        }
    }
}

/// The value of one budget gauge family at the moment of a scrape.
#[derive(Clone, Debug)]
pub struct BudgetReading {
    pub budget: String,
    pub unit: Unit,
    pub partition: String,
    pub limit: Option<Amount>,
    pub settled: Amount,
    pub held: Amount,
    pub unknown: Amount,
    pub overrun: Amount,
    pub remaining: Option<Amount>,
}

/// A charge that was corrected.
#[derive(Clone, Debug, Default)]
pub struct Correction {
    pub predicted: Amounts,
    /// What the books had counted as charged; nothing of what was in doubt.
    pub before: Amounts,
    pub after: Amounts,
}

/// Every metric of the guard, by the names of the contract.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    upstream_responses: IntCounterVec,
    predicted: CounterVec,
    charged: CounterVec,
    egress_bytes: IntCounterVec,
    prediction_ratio: HistogramVec,
    overhead: Histogram,
    upstream: HistogramVec,
    ledger_commit: Histogram,
    policy_reloads: IntCounterVec,
    questions: IntCounterVec,
    question: HistogramVec,
    holds_open: Gauge,
    differing_limits: Gauge,
    safety_margin: GaugeVec,
    capture_ratio: GaugeVec,
    cache: CacheMetrics,
    budgets: [GaugeVec; 6],
}

/// What one answer for several requests comes to.
struct CacheMetrics {
    saved: CounterVec,
    answers: IntCounterVec,
    bytes: Gauge,
}

impl Metrics {
    /// Fails only when two metrics share a name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let m = Maker {
            registry: Registry::new(),
        };
        m.build_info()?;
        let by_charge = ["unit", "api", "team", "source"];
        Ok(Self {
            requests: m.counts("requests_total", "Requests.", &["api", "team", "decision"])?,
            upstream_responses: m.counts(
                "upstream_responses_total",
                "Answers of upstreams.",
                &["api", "status"],
            )?,
            predicted: m.sums(
                "predicted_total",
                "Predicted cost of what was forwarded.",
                &["unit", "api", "team"],
            )?,
            charged: m.sums(
                "charged_total",
                "Charged cost, by how it is known.",
                &by_charge,
            )?,
            egress_bytes: m.counts(
                "egress_bytes_total",
                "Bytes of answers to clients.",
                &["api", "team"],
            )?,
            prediction_ratio: m.histograms(
                "prediction_ratio",
                "Actual over predicted PU.",
                RATIO_BUCKETS,
            )?,
            overhead: m.histogram("overhead_seconds", "The guard's own time per request.")?,
            upstream: m.histograms(
                "upstream_seconds",
                "Time until an upstream answered.",
                UPSTREAM_BUCKETS,
            )?,
            ledger_commit: m.histogram(
                "ledger_commit_seconds",
                "Time until a step of the books was durable.",
            )?,
            policy_reloads: m.counts(
                "policy_reloads_total",
                "Attempts to load the policy file.",
                &["result"],
            )?,
            questions: m.counts(
                "questions_total",
                "Free calls to upstreams that a prediction needed.",
                &["api", "result"],
            )?,
            question: m.histograms(
                "question_seconds",
                "Time until a free call that a prediction needed was answered.",
                UPSTREAM_BUCKETS,
            )?,
            holds_open: m.gauge("holds_open", "Requests that wait for approval.")?,
            differing_limits: m.gauge("differing_limits", "Limits that guards set differently.")?,
            safety_margin: m.gauges(
                "safety_margin",
                "What PU predictions are multiplied by, where that is learned.",
                &["api", "team"],
            )?,
            capture_ratio: m.capture()?,
            cache: m.cache()?,
            budgets: m.budgets()?,
            registry: m.registry,
        })
    }

    pub fn count_request(&self, api: Api, team: &str, decision: Decision) {
        self.requests
            .with_label_values(&[api.name(), team, decision.name()])
            .inc();
    }

    pub fn count_answer(&self, api: Api, status: http::StatusCode, waited: Duration) {
        self.upstream_responses
            .with_label_values(&[api.name(), status.as_str()])
            .inc();
        self.upstream
            .with_label_values(&[api.name()])
            .observe(waited.as_secs_f64());
    }

    pub fn count_predicted(&self, api: Api, team: &str, predicted: &Amounts) {
        for (unit, amount) in predicted.iter() {
            self.predicted
                .with_label_values(&[unit.name(), api.name(), team])
                .inc_by(float(amount));
        }
    }

    /// Counts a charge; a unit that the charge does not name was charged as predicted. Only what is known
    /// of the actual charge says how good the prediction was.
    pub fn count_charged(&self, api: Api, team: &str, predicted: &Amounts, charge: &Charge) {
        for (unit, amount) in predicted.iter() {
            let (amount, source) = match charge.amounts.get(unit) {
                Some(actual) => (actual, charge.source),
                None => (amount, ChargeSource::Predicted),
            };
            let labels = [unit.name(), api.name(), team, source.name()];
            self.charged
                .with_label_values(&labels)
                .inc_by(float(amount));
        }
        let is_actual = charge.source != ChargeSource::Predicted;
        let actual = charge.amounts.get(Unit::Pu).filter(|_| is_actual);
        self.observe_ratio(api, actual, predicted.get(Unit::Pu));
    }

    /// Counts what a charge turned out to be more than the books had: a counter only goes up, and what was given
    /// back is seen in the budgets. In any case it says how good the prediction was.
    pub fn count_corrected(&self, api: Api, team: &str, correction: &Correction) {
        let Correction {
            predicted,
            before,
            after,
        } = correction;
        for (unit, amount) in after.iter() {
            let more = amount.minus(before.get(unit).unwrap_or_default());
            let source = ChargeSource::Reconciled.name();
            self.charged
                .with_label_values(&[unit.name(), api.name(), team, source])
                .inc_by(float(more));
        }
        self.observe_ratio(api, after.get(Unit::Pu), predicted.get(Unit::Pu));
    }

    fn observe_ratio(&self, api: Api, actual: Option<Amount>, predicted: Option<Amount>) {
        let ratio = actual.zip(predicted);
        if let Some((actual, predicted)) = ratio.filter(|(_, predicted)| !predicted.is_zero()) {
            let ratio = float(actual) / float(predicted);
            self.prediction_ratio
                .with_label_values(&[api.name()])
                .observe(ratio);
        }
    }

    pub fn count_egress(&self, api: Api, team: &str, bytes: u64) {
        self.egress_bytes
            .with_label_values(&[api.name(), team])
            .inc_by(bytes);
    }

    pub fn observe_overhead(&self, took: Duration) {
        self.overhead.observe(took.as_secs_f64());
    }

    pub fn observe_commit(&self, took: Duration) {
        self.ledger_commit.observe(took.as_secs_f64());
    }

    pub fn count_policy_load(&self, succeeded: bool) {
        let result = if succeeded { "ok" } else { "error" };
        self.policy_reloads.with_label_values(&[result]).inc();
    }

    /// Counts a free call of the guard's own; `result`: answered | refused | failed.
    pub fn count_question(&self, api: Api, result: &'static str, waited: Duration) {
        self.questions
            .with_label_values(&[api.name(), result])
            .inc();
        self.question
            .with_label_values(&[api.name()])
            .observe(waited.as_secs_f64());
    }

    /// Counts an answer that might have been another's; `cache` says whose it was.
    pub fn count_cache(&self, api: Api, team: &str, cache: &'static str) {
        self.cache
            .answers
            .with_label_values(&[api.name(), team, cache])
            .inc();
    }

    /// Counts what an answer saved.
    pub fn count_saved(&self, api: Api, team: &str, cache: &'static str, saved: &Amounts) {
        for (unit, amount) in saved.iter() {
            self.cache
                .saved
                .with_label_values(&[unit.name(), api.name(), team, cache])
                .inc_by(float(amount));
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a metric's value is a double by definition"
    )]
    pub fn set_cache_bytes(&self, bytes: u64) {
        self.cache.bytes.set(bytes as f64);
    }

    pub fn set_margin(&self, api: Api, team: &str, margin: Factor) {
        self.safety_margin
            .with_label_values(&[api.name(), team])
            .set(float(margin.into()));
    }

    /// An alert should tell of any: of each such limit the lower one holds until the policies agree.
    pub fn set_differing_limits(&self, budgets: usize) {
        let budgets = u32::try_from(budgets).unwrap_or(u32::MAX);
        self.differing_limits.set(budgets.into());
    }

    /// `ours` of `theirs`; where nothing was used, nothing escaped.
    pub fn set_captured(&self, upstream: &str, unit: Unit, ours: Amount, theirs: Amount) {
        let ratio = if theirs.is_zero() {
            1.0
        } else {
            (float(ours) / float(theirs)).min(1.0)
        };
        self.capture_ratio
            .with_label_values(&[upstream, unit.name()])
            .set(ratio);
    }

    pub fn set_holds_open(&self, open: u32) {
        self.holds_open.set(open.into());
    }

    /// Everything in the text format of Prometheus, with the budgets as the ledger has them now.
    pub fn render(&self, budgets: &[BudgetReading]) -> Result<String, prometheus::Error> {
        for family in &self.budgets {
            family.reset();
        }
        for reading in budgets {
            let values = [
                reading.limit,
                Some(reading.settled),
                Some(reading.held),
                Some(reading.unknown),
                Some(reading.overrun),
                reading.remaining,
            ];
            let labels = [&*reading.budget, reading.unit.name(), &*reading.partition];
            for (family, value) in self.budgets.iter().zip(values) {
                if let Some(value) = value {
                    family.with_label_values(&labels).set(float(value));
                }
            }
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Metrics are doubles: the edge at which exact amounts become floats.
#[expect(
    clippy::cast_precision_loss,
    reason = "a metric's value is a double by definition"
)]
fn float(amount: Amount) -> f64 {
    amount.micros() as f64 / 1e6
}

/// Makes metrics, each with the guard's prefix, and registers them.
struct Maker {
    registry: Registry,
}

impl Maker {
    fn register<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M, prometheus::Error> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counts(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(named(name, help), labels)?)
    }

    fn sums(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<CounterVec, prometheus::Error> {
        self.register(CounterVec::new(named(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.register(Gauge::with_opts(named(name, help))?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<GaugeVec, prometheus::Error> {
        self.register(GaugeVec::new(named(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::from(named(name, help)).buckets(OVERHEAD_BUCKETS.to_vec());
        self.register(Histogram::with_opts(options)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::from(named(name, help)).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, &["api"])?)
    }

    fn capture(&self) -> Result<GaugeVec, prometheus::Error> {
        self.gauges(
            "capture_ratio",
            "Of what Planet says was used, the part that passed through the guard.",
            &["upstream", "unit"],
        )
    }

    fn cache(&self) -> Result<CacheMetrics, prometheus::Error> {
        Ok(CacheMetrics {
            saved: self.sums(
                "saved_total",
                "What answers would have cost that were another's.",
                &["unit", "api", "team", "cache"],
            )?,
            answers: self.counts(
                "cache_answers_total",
                "Answers that might have been another's, by whose they were.",
                &["api", "team", "cache"],
            )?,
            bytes: self.gauge("cache_bytes", "Bytes of the answers that are kept.")?,
        })
    }

    /// One gauge for each amount of a [`BudgetReading`], in its order.
    fn budgets(&self) -> Result<[GaugeVec; 6], prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let options = named(&format!("budget_{name}"), help);
            self.register(GaugeVec::new(options, &["budget", "unit", "partition"])?)
        };
        Ok([
            gauge("limit", "What a budget may spend in its current window.")?,
            gauge("settled", "Charged, up to what had been reserved for it.")?,
            gauge("held", "Reserved for requests under way.")?,
            gauge(
                "unknown",
                "Reserved for requests in doubt; counts as spent.",
            )?,
            gauge("overrun", "Charged beyond what had been reserved.")?,
            gauge("remaining", "What the current window still allows.")?,
        ])
    }

    fn build_info(&self) -> Result<(), prometheus::Error> {
        let options = named("build_info", "Always 1; the version is a label.")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        self.register(Gauge::with_opts(options)?)?.set(1.0);
        Ok(())
    }
}

fn named(name: &str, help: &str) -> Opts {
    Opts::new(format!("quota_guard_{name}"), help)
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts logging to standard error; `RUST_LOG` sets the level, `level` holds without it.
pub fn start_logging(
    format: LogFormat,
    level: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // what it would say of a line that could not be written goes the same way, and ends the task that
        // says it: a full disk under the logs must not stop a settlement
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().expect(text)
    }

    #[test]
    fn what_is_counted_is_rendered_under_the_names_of_the_contract() {
        let metrics = Metrics::new().unwrap();
        metrics.count_request(Api::Process, "agriculture", Decision::Forwarded);
        let predicted = Amounts::of(Unit::Pu, amount("4"));
        metrics.count_predicted(Api::Process, "agriculture", &predicted);
        let amounts = Amounts::of(Unit::Pu, amount("1.5"));
        let charge = Charge {
            amounts,
            source: ChargeSource::Header,
        };
        metrics.count_charged(Api::Process, "agriculture", &predicted, &charge);
        let guessed = Charge {
            amounts: predicted.clone(),
            source: ChargeSource::Predicted,
        };
        metrics.count_charged(Api::Process, "agriculture", &predicted, &guessed);
        metrics.count_cache(Api::Tiles, "agriculture", "hit");
        metrics.count_saved(Api::Tiles, "agriculture", "hit", &predicted);
        let text = metrics.render(&[]).unwrap();
        for line in [
            r#"quota_guard_cache_answers_total{api="tiles",cache="hit",team="agriculture"} 1"#,
            r#"quota_guard_saved_total{api="tiles",cache="hit",team="agriculture",unit="pu"} 4"#,
            r#"quota_guard_requests_total{api="process",decision="forwarded",team="agriculture"} 1"#,
            r#"quota_guard_predicted_total{api="process",team="agriculture",unit="pu"} 4"#,
            r#"quota_guard_charged_total{api="process",source="header",team="agriculture",unit="pu"} 1.5"#,
            r#"quota_guard_prediction_ratio_bucket{api="process",le="0.5"} 1"#,
            r#"quota_guard_prediction_ratio_count{api="process"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_budget_that_is_gone_leaves_the_scrape() {
        let metrics = Metrics::new().unwrap();
        let reading = BudgetReading {
            budget: "org-pu".into(),
            unit: Unit::Pu,
            partition: String::new(),
            limit: None,
            settled: amount("2"),
            held: Amount::ZERO,
            unknown: Amount::ZERO,
            overrun: Amount::ZERO,
            remaining: None,
        };
        let line = r#"quota_guard_budget_settled{budget="org-pu",partition="",unit="pu"} 2"#;
        let text = metrics.render(&[reading]).unwrap();
        assert!(
            text.contains(line) && !text.contains("budget_limit{"),
            "{text}"
        );
        assert!(!metrics.render(&[]).unwrap().contains(line));
    }
}
