//! `[cache]`: whether one answer may serve several requests.

use std::time::Duration;

use super::fault::{Fault, Path};
use super::raw::RawCache;
use crate::units::ByteCount;

/// All bodies that are gathered for several requests at one time; one alone cannot be larger.
pub const MOST_GATHERED: ByteCount = ByteCount(64 << 20);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cache {
    /// Whether identical requests that are under way at the same time ask upstream once.
    pub coalesce: bool,
    /// Of all answers that are kept; `None`: none is.
    pub size: Option<ByteCount>,
    /// The longest that an answer is kept, whatever upstream allows.
    pub max_age: Duration,
    /// Of an answer that serves several requests.
    pub max_body: ByteCount,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            coalesce: true,
            size: None,
            max_age: Duration::from_hours(1),
            max_body: ByteCount(4 << 20),
        }
    }
}

pub(super) fn cache(raw: &RawCache) -> Result<Cache, Fault> {
    let RawCache {
        coalesce,
        size,
        max_age,
        max_body,
    } = raw;
    let here = Path::to("cache");
    let left_out = Cache::default();
    let size = size.map(|size| size.0);
    let coalesce = coalesce.unwrap_or(left_out.coalesce);
    let largest = size.map_or(MOST_GATHERED, |size| size.min(MOST_GATHERED));
    if max_age.is_some() && size.is_none() {
        return Err(Fault::new(
            here.key("max_age"),
            "no answer is kept, so none can grow old",
            "add size = \"256MiB\" to keep answers, or remove max_age",
        ));
    }
    if max_body.is_some() && size.is_none() && !coalesce {
        return Err(Fault::new(
            here.key("max_body"),
            "no answer serves several requests, so none can be too large for that",
            "add size = \"256MiB\", write coalesce = true, or remove max_body",
        ));
    }
    if max_body.is_some_and(|max_body| max_body.0 > largest) {
        return Err(Fault::new(
            here.key("max_body"),
            "one answer would take more memory than there is for all",
            "write at most cache.size, and at most \"64MiB\"",
        ));
    }
    Ok(Cache {
        coalesce,
        size,
        max_age: max_age.map_or(left_out.max_age, |span| span.0),
        max_body: max_body.map_or(left_out.max_body.min(largest), |size| size.0),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, policy};
    use super::*;

    #[test]
    fn requests_share_an_answer_and_answers_are_kept_only_where_that_is_said() {
        let left_out = *policy("").cache();
        assert_eq!(left_out, Cache::default());
        assert!(left_out.coalesce && left_out.size.is_none());
        let written = *policy(
            "[cache]\ncoalesce = false\nsize = \"1MiB\"\nmax_age = \"5m\"\nmax_body = \"64KiB\"",
        )
        .cache();
        let expected = Cache {
            coalesce: false,
            size: Some(ByteCount(1 << 20)),
            max_age: Duration::from_mins(5),
            max_body: ByteCount(64 << 10),
        };
        assert_eq!(written, expected);
        let small = *policy("[cache]\nsize = \"1KiB\"").cache();
        assert_eq!(small.max_body, ByteCount(1 << 10));
    }

    #[test]
    fn what_contradicts_itself_is_refused_where_it_stands() {
        assert_refused(&[
            ("[cache]\nmax_age = \"1h\"", "\"1h\"", "no answer is kept"),
            (
                "[cache]\ncoalesce = false\nmax_body = \"1KiB\"",
                "\"1KiB\"",
                "no answer serves several",
            ),
            (
                "[cache]\nsize = \"1KiB\"\nmax_body = \"2KiB\"",
                "\"2KiB\"",
                "more memory than there is",
            ),
            (
                "[cache]\nmax_body = \"65MiB\"",
                "\"65MiB\"",
                "more memory than there is",
            ),
            ("[cache]\nsize = \"0B\"", "\"0B\"", "not a size"),
            ("[cache]\nttl = 3", "ttl", "unknown key 'ttl'"),
        ]);
    }
}
