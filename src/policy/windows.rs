//! The stretch of time that a budget is for, as the file writes it: a calendar word and a time zone, or
//! a fixed term.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::either::WordOrTable;
use super::fault::{Fault, Path};
use super::raw::{Calendar, RawTerm};
use super::suggest;
use crate::units::{Window, WindowKind};

pub(super) fn window(
    written: &WordOrTable<Calendar, RawTerm>,
    zone: Option<&str>,
    here: &Path,
) -> Result<Window, Fault> {
    let kind = match written {
        WordOrTable::Word(Calendar::Day) => WindowKind::Day,
        WordOrTable::Word(Calendar::Month) => WindowKind::Month,
        WordOrTable::Word(Calendar::Year) => WindowKind::Year,
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
    let in_calendar = matches!(kind, WindowKind::Day | WindowKind::Month | WindowKind::Year);
    let zone = match zone {
        None => TimeZone::UTC,
        Some(_) if !in_calendar => {
            return Err(Fault::new(
                here.key("timezone"),
                "a window that is no day, month or year begins and ends alike in all time zones",
                "remove timezone",
            ));
        }
        Some(name) => time_zone(name, &here.key("timezone"))?,
    };
    Ok(Window { kind, zone })
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

    fn budget(rest: &str) -> String {
        format!("[[budgets]]\nname = \"b\"\nunit = \"pu\"\n{rest}")
    }

    #[test]
    fn windows_and_zones_fit_together() {
        assert_refused(&[
            (
                &budget("window = \"week\""),
                "\"week\"",
                "'week' is not a choice",
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
        let rule = read(&budget("window = \"day\"\ntimezone = \"Europe/Berln\"")).unwrap_err();
        assert!(rule.to_string().contains("did you mean `Europe/Berlin`?"));
    }
}
