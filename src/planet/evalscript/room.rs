//! Room on the stack for parsing what somebody else wrote.
//!
//! A parser descends once for each nested construct, and a script may nest as deep as it is long. Each
//! descent consumes a word or an operator, so their number bounds the depth, whatever the script means.
//! A short script is parsed where it stands; a longer one on a stack that suits its worst case.

use std::thread;

use super::Script;

/// Words and operators of the longest script that is read.
const MAX_PIECES: usize = 40_000;

/// Stack that one descent takes at most, found by parsing scripts of nothing but nesting.
const BYTES_PER_PIECE: usize = if cfg!(debug_assertions) {
    12 * 1024
} else {
    2 * 1024
};

/// Stack that any thread of ours is sure to have left.
const BYTES_AT_HAND: usize = 512 * 1024;

/// Stack that every reading takes, besides what nesting takes.
const BYTES_BESIDES: usize = 256 * 1024;

/// Runs `read` where it cannot overflow the stack, or says why it was not run.
pub(super) fn with_room_for(
    script: &str,
    read: impl FnOnce() -> Script + Send,
) -> Result<Script, &'static str> {
    let pieces = pieces(script);
    if pieces > MAX_PIECES {
        return Err("the evalscript could nest deeper than is safe to read");
    }
    let needed = pieces * BYTES_PER_PIECE;
    if needed <= BYTES_AT_HAND {
        return Ok(read());
    }
    thread::scope(|scope| {
        thread::Builder::new()
            .stack_size(needed + BYTES_BESIDES)
            .spawn_scoped(scope, read)
            .map_err(|_| "there is no memory left to read the evalscript")?
            .join()
            .map_err(|_| "the evalscript could not be read")
    })
}

/// Counts words and operators. Separators and closing brackets are left out: they open nothing.
fn pieces(script: &str) -> usize {
    let mut pieces = 0;
    let mut in_word = false;
    for byte in script.bytes() {
        let word = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80;
        let silent = byte.is_ascii_whitespace()
            || matches!(byte, b',' | b';' | b'.' | b')' | b']' | b'}' | b'"' | b'\'');
        pieces += usize::from((word && !in_word) || (!word && !silent));
        in_word = word;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::{Script, read};
    use super::*;

    #[test]
    fn words_and_operators_are_counted_and_separators_are_not() {
        assert_eq!(pieces("return [B04, B03];"), 4);
        assert_eq!(pieces("a.b.c"), 3);
        assert_eq!(pieces("((a))"), 3);
        assert_eq!(pieces(""), 0);
    }

    #[test]
    fn no_nesting_overflows_the_stack() {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "", "]"),
            ("{", "", "}"),
            ("!", "1", ""),
            ("typeof ", "1", ""),
            ("a=", "1", ""),
            ("a=>", "1", ""),
            ("a?", "1", ":1"),
            ("1?1:", "1", ""),
            ("1+", "1", ""),
            ("1**", "1", ""),
            ("new ", "a", ""),
            ("if(1)", ";", ""),
            ("if(1);else ", ";", ""),
            ("x:", ";", ""),
            ("do ", ";", " while(1)"),
            ("`${", "1", "}`"),
            ("function f(){", "", "}"),
            ("class extends ", "a", "{}"),
            ("a``", "", ""),
            ("a.", "a", ""),
            ("a()", "", ""),
            ("({a:", "1", "})"),
            ("(a=", "1", ")=>1"),
        ] {
            let nested =
                |times: usize| format!("{}{middle}{}", open.repeat(times), close.repeat(times));
            for times in [
                40,
                400,
                MAX_PIECES / pieces(open).max(1) - pieces(middle) - 1,
            ] {
                // Returning at all is the proof; what it returns depends on the construct.
                let _ = read(&nested(times));
            }
            assert!(
                matches!(read(&nested(MAX_PIECES + 1)), Script::Unreadable(_)),
                "{open}"
            );
        }
    }
}
