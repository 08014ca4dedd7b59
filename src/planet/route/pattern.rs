//! Matching a path with a pattern, segment by segment and without allocating.
//!
//! `{name}` stands for one whole segment, `{name*}` at the end for one or more.

/// What is left of `path` behind a prefix of whole segments, without a trailing slash.
pub(super) fn below<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.strip_suffix('/').unwrap_or(rest))
}

/// Compares byte by byte, so that most patterns are told apart by their first few.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (pattern.as_bytes(), path.as_bytes());
    while let Some((first, behind)) = wanted.split_first() {
        if *first == b'{' {
            let length = segment_length(found);
            let close = segment_length(wanted);
            if length == 0 {
                return false;
            }
            if wanted[..close].ends_with(b"*}") {
                return true;
            }
            (wanted, found) = (&wanted[close..], &found[length..]);
        } else if found.first() == Some(first) {
            (wanted, found) = (behind, &found[1..]);
        } else {
            return false;
        }
    }
    found.is_empty()
}

fn segment_length(path: &[u8]) -> usize {
    memchr::memchr(b'/', path).unwrap_or(path.len())
}

/// The segment of `path` that stands for `{name}`; for `{name*}`, all that is left.
pub(super) fn param<'p>(pattern: &str, path: &'p str, name: &str) -> Option<&'p str> {
    let mut rest = path;
    for wanted in pattern.split('/') {
        let (found, behind) = rest.split_once('/').unwrap_or((rest, ""));
        match param_name(wanted) {
            Some(known) if known == name => return Some(found),
            Some(known) if known.strip_suffix('*') == Some(name) => {
                return Some(rest.strip_suffix('/').unwrap_or(rest));
            }
            _ => rest = behind,
        }
    }
    None
}

pub(super) fn param_name(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        assert_eq!(below("/data/v1", "/data/v1"), Some(""));
        assert_eq!(below("/data/v1", "/data/v1/"), Some(""));
        assert_eq!(below("/data/v1", "/data/v1/stats/"), Some("/stats"));
        assert_eq!(below("/data/v1", "/data/v10/stats"), None);
        assert_eq!(below("/data/v1", "/data"), None);
    }

    #[test]
    fn a_pattern_matches_whole_segments() {
        for (pattern, path, expected) in [
            ("", "", true),
            ("", "/a", false),
            ("/a", "/a", true),
            ("/a", "/A", false),
            ("/a", "", false),
            ("/a/{id}", "/a/7", true),
            ("/a/{id}", "/a", false),
            ("/a/{id}", "/a/7/b", false),
            ("/a/{id}/b", "/a/7/b", true),
            ("/a/{rest*}", "/a/7/b/c", true),
            ("/a/{rest*}", "/a", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_param_is_read_from_its_place() {
        let pattern = "/mosaics/{id}/quads/{quad}/{rest*}";
        let path = "/mosaics/m%20x/quads/12-7/a/b/";
        assert_eq!(param(pattern, path, "id"), Some("m%20x"));
        assert_eq!(param(pattern, path, "quad"), Some("12-7"));
        assert_eq!(param(pattern, path, "rest"), Some("a/b"));
        assert_eq!(param(pattern, path, "other"), None);
    }
}
