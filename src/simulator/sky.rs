//! A made-up calendar of what was seen from above, the same in every run.
//!
//! Sentinel-2 comes every 5 days, Sentinel-1 every 6, Landsat every 8; PlanetScope on 4 days of 5, and on
//! some of those twice. Which days these are depends on the place.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::geo::Bounds;
use crate::units::UtcTime;

/// Nothing was seen before this year, and no calendar is longer.
const FIRST_YEAR: i16 = 2009;
const MAX_DAYS: u32 = 60 * 366;

/// One look at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scene {
    pub(super) at: UtcTime,
    /// Per cent.
    pub(super) cloud: u8,
    /// Which of the day's looks it is.
    pub(super) number: u8,
}

/// Who looks, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Revisit {
    Every(u32),
    PlanetScope,
    /// Something that is always there, like an elevation model.
    Timeless,
}

impl Revisit {
    /// By a Data API item type, or by a Sentinel Hub collection.
    pub(super) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "dem" => Self::Timeless,
            "psscene" | "psorthotile" => Self::PlanetScope,
            "modis" | "sentinel-3-olci" | "sentinel-3-slstr" | "sentinel-5p-l2" => Self::Every(1),
            "hls" => Self::Every(2),
            "skysatscene" | "skysatcollect" | "pelicanscene" | "rescene" | "reorthotile" => {
                Self::Every(3)
            }
            _ if name.starts_with("byoc-") => Self::PlanetScope,
            _ if name.starts_with("sentinel-1") || name.starts_with("s1") => Self::Every(6),
            _ if name.starts_with("landsat") || name.starts_with("l8") => Self::Every(8),
            _ => Self::Every(5),
        }
    }

    fn looks(self, day: u32) -> u8 {
        let chance = scatter(day) % 100;
        match self {
            Self::Every(days) => u8::from(day.is_multiple_of(days.max(1))),
            Self::PlanetScope if chance < 20 => 0,
            Self::PlanetScope if chance < 40 => 2,
            Self::PlanetScope => 1,
            Self::Timeless => 0,
        }
    }
}

/// The looks at a place from `from` up to and without `to`, oldest first.
pub(super) fn scenes(
    revisit: Revisit,
    place: Bounds,
    from: UtcTime,
    to: UtcTime,
) -> impl Iterator<Item = Scene> {
    let offset = place_offset(place);
    days(from, to).flat_map(move |(number, date)| {
        let day = number.wrapping_add(offset);
        (0..revisit.looks(day)).filter_map(move |look| {
            let scene = scene(date, day, look)?;
            (from <= scene.at && scene.at < to).then_some(scene)
        })
    })
}

/// The UTC day of an instant, counted from 1970.
pub(super) fn day_number(at: UtcTime) -> i64 {
    at.as_second().div_euclid(86_400)
}

fn scene(date: Date, day: u32, look: u8) -> Option<Scene> {
    let (minute, second) = (scatter(day) % 60, scatter(day ^ 0xa5a5) % 60);
    let hour = 10 + i8::try_from(look).ok()?;
    let time = date.at(
        hour,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        0,
    );
    Some(Scene {
        at: time.to_zoned(TimeZone::UTC).ok()?.timestamp(),
        cloud: u8::try_from(scatter(day.wrapping_mul(31).wrapping_add(look.into())) % 101).ok()?,
        number: look,
    })
}

fn days(from: UtcTime, to: UtcTime) -> impl Iterator<Item = (u32, Date)> {
    let first = from.to_zoned(TimeZone::UTC).date();
    let earliest = jiff::civil::date(FIRST_YEAR, 1, 1);
    let first = first.max(earliest);
    let last = to.to_zoned(TimeZone::UTC).date();
    let count = (last - first).get_days();
    let count = u32::try_from(count).map_or(0, |days| days.saturating_add(1).min(MAX_DAYS));
    let start = u32::try_from((first - earliest).get_days()).unwrap_or_default();
    (0..count).filter_map(move |number| {
        let date = first.checked_add(i64::from(number).days()).ok()?;
        Some((start + number, date))
    })
}

/// Places a degree apart have calendars of their own.
fn place_offset([west, south, east, north]: Bounds) -> u32 {
    let cell = |low: f64, high: f64| {
        let middle = f64::midpoint(low, high).clamp(-200.0, 200.0);
        super::figures::nearest(middle.floor() + 200.0)
    };
    scatter(cell(west, east).wrapping_mul(1_000) + cell(south, north)) % 30
}

/// A number that looks like chance.
fn scatter(seed: u32) -> u32 {
    let mixed = (seed ^ (seed >> 16)).wrapping_mul(0x7feb_352d);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846c_a68b);
    mixed ^ (mixed >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: Bounds = [14.5, 46.0, 14.6, 46.1];

    fn count(name: &str, from: &str, to: &str) -> usize {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        scenes(Revisit::of(name), FIELD, from, to).count()
    }

    #[test]
    fn satellites_come_as_often_as_they_are_known_to() {
        let year = |name| count(name, "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        assert_eq!(year("sentinel-2-l2a"), 73);
        assert!((60..=61).contains(&year("sentinel-1-grd")));
        assert!(
            (300..=440).contains(&year("PSScene")),
            "{}",
            year("PSScene")
        );
        assert_eq!(year("dem"), 0);
    }

    #[test]
    fn the_end_of_a_period_is_not_part_of_it_and_backwards_is_empty() {
        let whole = count("modis", "2026-06-01T00:00:00Z", "2026-06-03T00:00:00Z");
        assert_eq!(whole, 2);
        assert_eq!(
            count("modis", "2026-06-03T00:00:00Z", "2026-06-01T00:00:00Z"),
            0
        );
        assert_eq!(
            count("modis", "-005000-01-01T00:00:00Z", "1999-01-01T00:00:00Z"),
            0
        );
    }

    #[test]
    fn the_calendar_is_the_same_every_time() {
        assert_eq!(
            count("PSScene", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            count("PSScene", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        );
    }
}
