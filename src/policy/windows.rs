//! The stretch of time that a budget is for, as the file writes it: a calendar word and a time zone, or
//! a fixed term.

use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::either::WordOrTable;
use super::fault::{Fault, Path};
use super::raw::{Calendar, RawAnchor, RawTerm};
use super::suggest;
use crate::units::{Window, WindowKind};

const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

pub(super) fn window(
    written: &WordOrTable<Calendar, RawTerm>,
    zone: Option<&str>,
    anchor: Option<&RawAnchor>,
    here: &Path,
) -> Result<Window, Fault> {
    let anchored = Anchored {
        anchor,
        here: here.key("anchor"),
    };
    let kind = match written {
        WordOrTable::Word(Calendar::Week) => WindowKind::Week(anchored.in_a_week()?),
        WordOrTable::Word(Calendar::Month) => WindowKind::Month(anchored.in_a_month()?),
        WordOrTable::Word(Calendar::Year) => {
            let (month, day) = anchored.in_a_year()?;
            WindowKind::Year(month, day)
        }
        _ if anchor.is_some() => return Err(anchored.out_of_place()),
        WordOrTable::Word(Calendar::Day) => WindowKind::Day,
        WordOrTable::Word(Calendar::Forever) => WindowKind::Forever,
        WordOrTable::Table(RawTerm { start, end }) if start.0 < end.0 => WindowKind::Term {
            start: start.0,
            end: end.0,
        },
        WordOrTable::Table(RawTerm { start, end }) => {
            return Err(Fault::new(
                here.key("window").key("end"),
                format!(
                    "the term ends at {}, not after its start at {}",
                    end.0, start.0
                ),
                "let the end lie after the start",
            ));
        }
    };
    let in_calendar = !matches!(kind, WindowKind::Forever | WindowKind::Term { .. });
    let zone = match zone {
        None => TimeZone::UTC,
        Some(_) if !in_calendar => {
            return Err(Fault::new(
                here.key("timezone"),
                "a window that is no day, week, month or year begins and ends alike in all time zones",
                "remove timezone",
            ));
        }
        Some(name) => time_zone(name, &here.key("timezone"))?,
    };
    Ok(Window { kind, zone })
}

/// Where a window of the calendar begins, if the file says so.
struct Anchored<'a> {
    anchor: Option<&'a RawAnchor>,
    here: Path,
}

impl Anchored<'_> {
    fn in_a_week(&self) -> Result<Weekday, Fault> {
        match self.anchor {
            None => Ok(Weekday::Monday),
            Some(RawAnchor::Day(_)) => Err(self.unclear("a week begins on a day with a name")),
            Some(RawAnchor::Named(name)) => {
                let mut days = Weekday::Monday.cycle_forward().zip(WEEKDAYS);
                let named = days.find(|(_, known)| known == name);
                named
                    .map(|(day, _)| day)
                    .ok_or_else(|| self.unclear("this is no day of the week"))
            }
        }
    }

    fn in_a_month(&self) -> Result<i8, Fault> {
        match self.anchor {
            None => Ok(1),
            Some(RawAnchor::Day(day @ 1..=31)) => i8::try_from(*day).map_err(|_| self.unclear("")),
            Some(_) => Err(self.unclear("a month begins on one of its days, 1 to 31")),
        }
    }

    fn in_a_year(&self) -> Result<(i8, i8), Fault> {
        let Some(anchor) = self.anchor else {
            return Ok((1, 1));
        };
        let date = match anchor {
            RawAnchor::Named(date) => format!("2024-{date}").parse::<Date>().ok(),
            RawAnchor::Day(_) => None,
        };
        date.map(|date| (date.month(), date.day()))
            .ok_or_else(|| self.unclear("a year begins on a day of a month"))
    }

    fn unclear(&self, what: &str) -> Fault {
        Fault::new(
            self.here.clone(),
            what,
            "write anchor = \"wednesday\" with a week, 15 with a month, \"04-01\" with a year",
        )
    }

    fn out_of_place(&self) -> Fault {
        Fault::new(
            self.here.clone(),
            "only a week, a month and a year can begin on another day than their first",
            "remove anchor",
        )
    }
}

/// Zones come from the program's own copy of the IANA database: the same on every machine.
fn time_zone(name: &str, here: &Path) -> Result<TimeZone, Fault> {
    let database = TimeZoneDatabase::bundled();
    database.get(name).map_err(|_| {
        let known: Vec<String> = database.available().map(|name| name.to_string()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint = suggest::nearest(name, &known)
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        Fault::new(
            here.clone(),
            format!("unknown time zone '{name}'"),
            format!(
                "{hint}write a name of the IANA database, such as \"Europe/Berlin\", or \"UTC\""
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, read};
    use super::*;

    fn budget(rest: &str) -> String {
        format!("[[budgets]]\nname = \"b\"\nunit = \"pu\"\n{rest}")
    }

    #[test]
    fn windows_and_zones_fit_together() {
        assert_refused(&[
            (
                &budget("window = \"fortnight\""),
                "\"fortnight\"",
                "'fortnight' is not a choice",
            ),
            (
                &budget("window = { start = 2026-01-02T00:00:00Z, end = 2026-01-02T00:00:00Z }"),
                "2026-01-02T00:00:00Z",
                "not after its start",
            ),
            (
                &budget("window = { start = 2026-01-02, end = 2027-01-01T00:00:00Z }"),
                "2026-01-02",
                "'2026-01-02' is not a moment",
            ),
            (
                &budget("window = { start = 2026-01-02T00:00:00Z }"),
                "{ start = 2026-01-02T00:00:00Z }",
                "'end' is missing",
            ),
            (
                &budget("window = \"day\"\ntimezone = \"Europe/Berln\""),
                "\"Europe/Berln\"",
                "unknown time zone 'Europe/Berln'",
            ),
            (
                &budget("window = \"forever\"\ntimezone = \"UTC\""),
                "\"UTC\"",
                "alike in all time zones",
            ),
        ]);
        assert_refused(&[
            (
                &budget("window = \"week\"\nanchor = 3"),
                "3",
                "a week begins on a day with a name",
            ),
            (
                &budget("window = \"week\"\nanchor = \"wensday\""),
                "\"wensday\"",
                "no day of the week",
            ),
            (
                &budget("window = \"month\"\nanchor = 32"),
                "32",
                "one of its days, 1 to 31",
            ),
            (
                &budget("window = \"year\"\nanchor = \"02-30\""),
                "\"02-30\"",
                "a day of a month",
            ),
            (
                &budget("window = \"day\"\nanchor = 1"),
                "1",
                "only a week, a month and a year",
            ),
        ]);
        let rule = read(&budget("window = \"day\"\ntimezone = \"Europe/Berln\"")).unwrap_err();
        assert!(rule.to_string().contains("did you mean `Europe/Berlin`?"));
    }

    #[test]
    fn windows_of_the_calendar_begin_where_the_file_says() {
        for (rest, kind) in [
            ("window = \"week\"", WindowKind::Week(Weekday::Monday)),
            (
                "window = \"week\"\nanchor = \"sunday\"",
                WindowKind::Week(Weekday::Sunday),
            ),
            ("window = \"month\"", WindowKind::Month(1)),
            ("window = \"month\"\nanchor = 15", WindowKind::Month(15)),
            ("window = \"year\"", WindowKind::Year(1, 1)),
            (
                "window = \"year\"\nanchor = \"04-01\"",
                WindowKind::Year(4, 1),
            ),
        ] {
            let policy = read(&budget(rest)).unwrap();
            assert_eq!(policy.budgets()[0].window().kind, kind, "{rest}");
        }
    }
}
