//! How many scenes a subscription meets in a stretch of its time: by Planet's own count where it was
//! asked, by what is known of the item type where it was not, could not say, or cannot know yet.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};

use super::batch::{PRICE_LIST, QUOTA_STYLES};
use super::{Line, Pace, SceneFigures};
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
        self.pace()?.within(days).ok_or_else(|| self.too_many())
    }

    /// How many a day brings, on days that Planet cannot have counted yet.
    pub(super) fn pace(&self) -> Result<Pace, Unbounded> {
        if self.by_publication {
            return Err(Unbounded {
                why: "time_range_type 'published' counts images by when they were published, and years \
                      of them can be published in a day"
                    .into(),
            });
        }
        self.figures
            .and_then(|figures| figures.pace(self.shape, self.times))
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
mod tests;
