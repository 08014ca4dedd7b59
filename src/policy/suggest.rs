//! Near misses: what somebody may have meant.

/// "did you mean …", if one of `known` is near, and all that is known, behind `introduction`.
pub(super) fn among(word: &str, known: &[&str], introduction: &str) -> String {
    let list = known.join(", ");
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`? {introduction} {list}"),
        None => format!("{introduction} {list}"),
    }
}

/// The one of `known` that fewest changes away from `word`, if that is not a different word.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(changes, candidate)| *changes <= 1 + candidate.len() / 4)
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be added, dropped or exchanged (Levenshtein, one row at a time).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, c) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (position, other) in to.iter().enumerate() {
            let exchanged = diagonal + usize::from(c != *other);
            diagonal = row[position + 1];
            row[position + 1] = exchanged.min(diagonal + 1).min(row[position] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_different_word_is_not() {
        let known = ["name", "timezone", "on_breach", "window"];
        for (word, meant) in [
            ("timezon", Some("timezone")),
            ("time_zone", Some("timezone")),
            ("on-breach", Some("on_breach")),
            ("windwo", Some("window")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
    }

    #[test]
    fn distance_counts_changes() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
