//! Surcharges that Planet announces and does not apply yet. Each is off until the policy switches it on, and
//! then it is bounded from above like everything else.

use std::num::NonZeroU128;

use serde::Deserialize;

use super::imagery::SOURCE;
use super::{Line, Prices, batch};
use crate::planet::Unbounded;
use crate::planet::batch::Leaving;
use crate::units::Unit;

/// The time that a script may run for nothing, and the steps in which more of it counts.
const FREE_MS: u64 = 200;
const STEP_MS: u64 = 100;
const BYTES_PER_MB: u128 = 1_000_000;

/// What is switched on.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct NotYetApplied {
    /// The longest that an evalscript runs, in milliseconds. No request shows that, so it is the operator's
    /// word; left out, run time costs nothing.
    pub script_time_ms: Option<u64>,
    /// Whether what a batch delivers to another region costs as much as what an asynchronous image does.
    pub batch_region_egress: bool,
}

/// The run time of a script that runs `times`.
pub(super) fn script_time(times: u64, prices: &Prices) -> Result<Option<Line>, Unbounded> {
    let longest = prices.not_yet_applied.script_time_ms.unwrap_or_default();
    let steps = longest.saturating_sub(FREE_MS).div_ceil(STEP_MS);
    if steps == 0 {
        return Ok(None);
    }
    let amount = prices
        .script_time_100ms
        .checked_mul(steps)
        .and_then(|once| once.checked_mul(times));
    let line = batch::line(
        "script-time",
        Unit::Pu,
        amount.map(crate::units::Pu::amount),
        format!("{times} × {steps} × {STEP_MS} ms beyond {FREE_MS} ms, as the policy says"),
        SOURCE,
    )?;
    Ok(Some(line))
}

/// What a batch delivers to another region.
pub(super) fn batch_region_egress(
    leaving: &Leaving,
    prices: &Prices,
) -> Result<Option<Line>, Unbounded> {
    if !prices.not_yet_applied.batch_region_egress {
        return Ok(None);
    }
    let bytes = match leaving {
        Leaving::Nothing => return Ok(None),
        Leaving::Bytes(bytes) => *bytes,
        Leaving::Unknown(why) => return Err(Unbounded { why: why.clone() }),
    };
    let rate = prices.region_egress_mb.amount();
    let amount = NonZeroU128::new(BYTES_PER_MB).and_then(|mb| rate.checked_scale_ceil(bytes, mb));
    let quantity = format!("{bytes} bytes uncompressed, to another region");
    let line = batch::line("batch-region-egress", Unit::Pu, amount, quantity, SOURCE)?;
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(text: &str) -> Prices {
        toml::from_str(text).unwrap()
    }

    fn pu(line: Result<Option<Line>, Unbounded>) -> Option<String> {
        line.unwrap().map(|line| line.amount.to_string())
    }

    #[test]
    fn what_is_not_applied_yet_costs_nothing_until_it_is_switched_on() {
        let off = Prices::default();
        assert_eq!(pu(script_time(1, &off)), None);
        assert_eq!(
            pu(batch_region_egress(&Leaving::Bytes(1 << 40), &off)),
            None
        );
        let unknown = Leaving::Unknown("nobody knows".into());
        assert_eq!(pu(batch_region_egress(&unknown, &off)), None);
    }

    #[test]
    fn a_script_pays_for_each_started_tenth_of_a_second_beyond_two() {
        for (longest, times, expected) in [
            (200, 1, None),
            (201, 1, Some("0.5")),
            (300, 1, Some("0.5")),
            (301, 1, Some("1")),
            (10_200, 1, Some("50")),
            (301, 9, Some("9")),
        ] {
            let on = prices(&format!("[not_yet_applied]\nscript_time_ms = {longest}\n"));
            assert_eq!(
                pu(script_time(times, &on)).as_deref(),
                expected,
                "{longest} {times}"
            );
        }
        let dear = prices("script_time_100ms = 2\n[not_yet_applied]\nscript_time_ms = 250\n");
        assert_eq!(pu(script_time(1, &dear)).as_deref(), Some("2"));
    }

    #[test]
    fn what_leaves_the_region_of_a_batch_is_priced_by_the_megabyte() {
        let on = prices("[not_yet_applied]\nbatch_region_egress = true\n");
        assert_eq!(pu(batch_region_egress(&Leaving::Nothing, &on)), None);
        let bytes = Leaving::Bytes(100_000_000);
        assert_eq!(pu(batch_region_egress(&bytes, &on)).as_deref(), Some("3"));
        let unknown = Leaving::Unknown("its bands are not stated".into());
        assert!(batch_region_egress(&unknown, &on).is_err());
    }
}
