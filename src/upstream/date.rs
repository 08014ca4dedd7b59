//! Dates as HTTP headers write them.

use jiff::fmt::rfc2822::DateTimeParser;

use crate::units::UtcTime;

static READER: DateTimeParser = DateTimeParser::new();

/// `Sun, 06 Nov 1994 08:49:37 GMT`. The two forms that were obsolete by then are not read.
pub fn http_date(text: &str) -> Option<UtcTime> {
    READER.parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_every_server_writes_it_and_nothing_else_is() {
        let written = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(http_date(written), "1994-11-06T08:49:37Z".parse().ok());
        for text in [
            "",
            "0",
            "-1",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
