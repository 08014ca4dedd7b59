//! How many scenes a subscription meets in a stretch of its time: by Planet's own count where it was
//! asked, by what is known of the item type where it was not, could not say, or cannot know yet.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};

use super::batch::{PRICE_LIST, QUOTA_STYLES};
use super::{Line, SceneFigures};
use crate::planet::Unbounded;
use crate::planet::counts::{Count, Counted};
use crate::planet::geometry::Shape;
use crate::units::UtcTime;

/// Whole days in UTC: the first, and the one before which they end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stretch {
    from: Date,
    until: Date,
}

/// What decides how many scenes of one item type there are.
pub(super) struct Sightings<'a> {
    pub item_type: &'a str,
    pub figures: Option<&'a SceneFigures>,
    pub shape: &'a Shape,
    /// At how many stages each may be delivered.
    pub times: u64,
    pub by_publication: bool,
    pub count: Option<&'a Count>,
}

/// Scenes, each as often as it may be delivered.
#[derive(Debug)]
pub(super) struct Seen {
    pub scenes: u64,
    /// How the number came about: `812 PSScene scenes in 365 days`.
    pub quantity: String,
    pub basis: Basis,
}

/// Where the number of scenes comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Basis {
    /// From the item type's figures; Planet was not asked.
    Figures,
    /// From Planet, and from the figures where it cannot know yet.
    Planet,
    /// From the figures, for Planet did not give a count that could be used.
    FiguresAfterAll,
}

impl Stretch {
    /// The days that have a moment from `start` up to and without `end`; `None` where there is none.
    pub(super) fn between(start: UtcTime, end: UtcTime) -> Option<Self> {
        if end <= start {
            return None;
        }
        let day = |time: UtcTime| time.to_zoned(TimeZone::UTC).date();
        let last = end.checked_sub(SignedDuration::from_nanos(1));
        let last = day(last.map_or(end, |last| last.max(start)));
        Some(Self {
            from: day(start),
            until: last.checked_add(1.day()).unwrap_or(last),
        })
    }

    pub(super) fn days(self) -> u64 {
        days_between(self.from, self.until)
    }
}

impl Sightings<'_> {
    /// The most scenes of the days in `stretch`.
    pub(super) fn during(&self, stretch: Stretch) -> Result<Seen, Unbounded> {
        match self.count {
            Some(Count::Counted(counted)) => self.counted(counted, stretch),
            Some(Count::Failed(why)) => {
                let seen = self.bounded(stretch)?;
                Ok(Seen {
                    quantity: format!("{}, not counted by Planet: {why}", seen.quantity),
                    basis: Basis::FiguresAfterAll,
                    ..seen
                })
            }
            None => self.bounded(stretch),
        }
    }

    fn counted(&self, counted: &Counted, stretch: Stretch) -> Result<Seen, Unbounded> {
        let until = counted.until().clamp(stretch.from, stretch.until);
        let by_planet = counted.between(stretch.from, until);
        let days_left = days_between(until, stretch.until);
        let by_figures = if days_left == 0 {
            Some(0)
        } else {
            Some(self.at_most(days_left)?)
        };
        let sum = by_planet
            .zip(by_figures)
            .and_then(|(planet, figures)| planet.checked_add(figures));
        let (Some(scenes), Some(by_planet)) = (sum, by_planet) else {
            return Err(self.too_many());
        };
        let days = days_between(stretch.from, until);
        let item_type = self.item_type;
        let mut quantity = format!(
            "{scenes} {item_type} scenes, {by_planet} of them counted by Planet in {days} days"
        );
        if days_left > 0 {
            quantity = format!("{quantity} and the others at most in {days_left} more");
        }
        Ok(Seen {
            scenes,
            quantity,
            basis: Basis::Planet,
        })
    }

    fn bounded(&self, stretch: Stretch) -> Result<Seen, Unbounded> {
        let days = stretch.days();
        let scenes = self.at_most(days)?;
        Ok(Seen {
            scenes,
            quantity: format!("{scenes} {} scenes in {days} days", self.item_type),
            basis: Basis::Figures,
        })
    }

    fn at_most(&self, days: u64) -> Result<u64, Unbounded> {
        if self.by_publication {
            return Err(Unbounded {
                why: "time_range_type 'published' counts images by when they were published, and years \
                      of them can be published in a day"
                    .into(),
            });
        }
        self.figures
            .and_then(|figures| figures.most_touching(self.shape, days, self.times))
            .ok_or_else(|| Unbounded {
                why: format!(
                    "how many scenes of {} a day brings is not known; set [prices.scenes.{}] in the policy",
                    self.item_type, self.item_type
                ),
            })
    }

    fn too_many(&self) -> Unbounded {
        Unbounded {
            why: format!(
                "there are more scenes of {} than can be counted",
                self.item_type
            ),
        }
    }
}

impl Basis {
    /// The line, saying what the scenes in it rest on.
    pub(super) fn note(self, line: Line) -> Line {
        let source = match (self, line.source) {
            (Self::Planet, PRICE_LIST) => {
                "docs.planet.com/platform/processing-units; scenes as counted by Planet, POST /data/v1/stats"
            }
            (Self::Planet, QUOTA_STYLES) => {
                "support.planet.com/hc/en-us/articles/4408257291793; scenes as counted by Planet, POST \
                 /data/v1/stats"
            }
            (Self::FiguresAfterAll, PRICE_LIST) => {
                "docs.planet.com/platform/processing-units; scenes by the bound of [prices.scenes]"
            }
            (Self::FiguresAfterAll, QUOTA_STYLES) => {
                "support.planet.com/hc/en-us/articles/4408257291793; scenes by the bound of [prices.scenes]"
            }
            (_, source) => source,
        };
        Line { source, ..line }
    }
}

fn days_between(from: Date, until: Date) -> u64 {
    u64::try_from(from.duration_until(until).as_hours() / 24).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cost::SceneTable;
    use crate::planet::geometry::samples::{shape, square};
    use crate::planet::subscriptions;
    use crate::planet::{counts, subscriptions::Source};
    use proptest::prelude::*;
    use serde_json::json;

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    fn stretch(start: &str, end: &str) -> Stretch {
        Stretch::between(at(start), at(end)).expect("some days")
    }

    /// Two scenes on each first of a month, as counted on 2026-11-22 of what began in 2025.
    fn counted(by_publication: bool) -> Count {
        let kind = if by_publication {
            "published"
        } else {
            "acquired"
        };
        let body = json!({"source": {"parameters": {"item_types": ["PSScene"],
            "asset_types": ["ortho_visual"], "geometry": square(7_200), "time_range_type": kind,
            "start_time": "2025-01-01T00:00:00Z", "publishing_stages": ["finalized"]}}});
        let ask = subscriptions::read(body.to_string().as_bytes()).unwrap();
        assert!(matches!(ask.source, Source::Catalog(_)));
        let question = &counts::questions(&ask, at("2026-11-22T12:00:00Z")).unwrap()[0];
        let buckets: Vec<_> = (1..=12)
            .map(|month| json!({"start_time": format!("2025-{month:02}-01T00:00:00Z"), "count": 2}))
            .collect();
        let answer = json!({"interval": "day", "buckets": buckets}).to_string();
        let all = counts::read(answer.as_bytes(), question.days).unwrap();
        Count::Counted(Arc::new(question.deliveries(all, None).unwrap()))
    }

    fn seen(
        count: Option<&Count>,
        by_publication: bool,
        stretch: Stretch,
    ) -> Result<Seen, Unbounded> {
        let (table, shape) = (SceneTable::default(), shape(square(7_200)));
        let sightings = Sightings {
            item_type: "PSScene",
            figures: table.of("PSScene"),
            shape: &shape,
            times: 1,
            by_publication,
            count,
        };
        sightings.during(stretch)
    }

    #[test]
    fn a_day_that_is_touched_counts() {
        for (start, end, days) in [
            ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", 1),
            ("2026-03-01T23:59:59Z", "2026-03-02T00:00:01Z", 2),
            ("2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z", 1),
            ("2024-02-28T00:00:00Z", "2024-03-01T00:00:00Z", 2),
            ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z", 0),
            ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 365),
        ] {
            let touched = Stretch::between(at(start), at(end)).map_or(0, Stretch::days);
            assert_eq!(touched, days, "{start} {end}");
        }
    }

    #[test]
    fn what_planet_counted_is_all_there_was() {
        let count = counted(false);
        let year = stretch("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        let seen = seen(Some(&count), false, year).unwrap();
        assert_eq!((seen.scenes, seen.basis), (24, Basis::Planet));
        assert!(
            seen.quantity
                .contains("24 of them counted by Planet in 365 days")
        );
        let half = stretch("2025-06-15T12:00:00Z", "2026-01-01T00:00:00Z");
        assert_eq!(
            super::tests::seen(Some(&count), false, half)
                .unwrap()
                .scenes,
            12
        );
    }

    #[test]
    fn what_planet_cannot_know_yet_stays_bounded() {
        let count = counted(false);
        let until_now = stretch("2025-01-01T00:00:00Z", "2026-11-22T12:00:00Z");
        let all = seen(Some(&count), false, until_now).unwrap();
        let recent = stretch("2026-10-23T00:00:00Z", "2026-11-22T12:00:00Z");
        let bound = seen(None, false, recent).unwrap();
        assert_eq!(all.scenes, 24 + bound.scenes);
        assert!(
            all.quantity.contains("at most in 31 more"),
            "{}",
            all.quantity
        );
        assert_eq!(
            seen(Some(&count), false, recent).unwrap().scenes,
            bound.scenes
        );
    }

    #[test]
    fn a_count_that_failed_is_the_bound_and_says_so() {
        let year = stretch("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        let failed = Count::Failed("it took too long".into());
        let fallen_back = seen(Some(&failed), false, year).unwrap();
        assert_eq!(fallen_back.scenes, seen(None, false, year).unwrap().scenes);
        assert!(
            fallen_back
                .quantity
                .ends_with("not counted by Planet: it took too long")
        );
    }

    #[test]
    fn by_publication_only_a_count_has_a_bound() {
        let count = counted(true);
        let year = stretch("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        assert_eq!(seen(Some(&count), true, year).unwrap().scenes, 24);
        let until_now = stretch("2025-01-01T00:00:00Z", "2026-11-22T12:00:00Z");
        for (count, stretch) in [(None, year), (Some(&count), until_now)] {
            let why = seen(count, true, stretch).unwrap_err().why;
            assert!(why.contains("published"), "{why}");
        }
    }

    proptest! {
        #[test]
        fn a_later_start_or_an_earlier_end_never_meets_more(
            start in 0i64..700, days in 1i64..700, later in 0i64..700,
        ) {
            let count = counted(false);
            let first = at("2025-01-01T06:00:00Z");
            let day = |days: i64| first + SignedDuration::from_hours(24 * days);
            let whole = Stretch::between(day(start), day(start + days)).unwrap();
            let Some(part) = Stretch::between(day(start + later), day(start + days)) else {
                return Ok(());
            };
            let scenes = |stretch| seen(Some(&count), false, stretch).unwrap().scenes;
            prop_assert!(scenes(part) <= scenes(whole));
        }
    }
}
