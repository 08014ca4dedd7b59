//! What serde and the TOML reader say of a file, in words for the person who wrote it.

use super::suggest;

/// What is wrong, and what to write instead.
pub(super) fn reword(said: &str) -> (String, String) {
    if let Some((message, rule)) = said.split_once('\n') {
        return (message.into(), rule.replace('\n', "; "));
    }
    unfit_value(said)
        .or_else(|| unknown_word(said))
        .unwrap_or_else(|| (said.into(), rule_of_syntax(said).into()))
}

/// "invalid type: integer `3`, expected a sequence".
fn unfit_value(said: &str) -> Option<(String, String)> {
    let said = said
        .strip_prefix("invalid type: ")
        .or_else(|| said.strip_prefix("invalid value: "))?;
    let (found, expected) = said.rsplit_once(", expected ")?;
    let found = match found {
        // The text itself stays out: it could be a key.
        text if text.starts_with("string ") => "a text",
        "map" => "a table",
        "sequence" => "a list",
        other => other,
    };
    let expected = match expected {
        table if table.starts_with("struct ") => "a table",
        "a sequence" => "a list in brackets",
        "a boolean" => "true or false",
        "a string" | "string or table" => "a text in quotes",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        other => other,
    };
    Some((
        format!("{} cannot stand here", found.replace('`', "")),
        format!("write {expected}"),
    ))
}

/// "unknown field `x`, expected one of `a`, `b`", "unknown variant …", "missing field `x`".
fn unknown_word(said: &str) -> Option<(String, String)> {
    let quoted: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    let (word, known) = quoted.split_first()?;
    if said.starts_with("unknown field") {
        let rule = suggest::among(word, known, "keys here are");
        return Some((format!("unknown key '{word}'"), rule));
    }
    if said.starts_with("unknown variant") {
        let rule = suggest::among(word, known, "choices are");
        return Some((format!("'{word}' is not a choice here"), rule));
    }
    let missing = said.starts_with("missing field");
    missing.then(|| {
        (
            format!("the key '{word}' is missing here"),
            format!("add {word} = …"),
        )
    })
}

fn rule_of_syntax(said: &str) -> &'static str {
    if said.contains("decimal") || said.contains("largest amount") {
        return "write a number of at least 0 with up to 6 decimals";
    }
    "TOML has lines of key = value under [table] or [[list of tables]], and texts in quotes"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_say_becomes_what_people_say() {
        for (said, message, rule) in [
            (
                "invalid type: integer `3`, expected struct RawLimits",
                "integer 3 cannot stand here",
                "write a table",
            ),
            (
                "invalid type: map, expected a sequence",
                "a table cannot stand here",
                "write a list in brackets",
            ),
            (
                "invalid value: integer `-1`, expected u16",
                "integer -1 cannot stand here",
                "write a whole number from 0 to 65535",
            ),
            (
                "missing field `name`",
                "the key 'name' is missing here",
                "add name = …",
            ),
            (
                "unknown variant `dai`, expected one of `day`, `year`",
                "'dai' is not a choice here",
                "did you mean `day`? choices are day, year",
            ),
            (
                "what is wrong\nwhat to write",
                "what is wrong",
                "what to write",
            ),
        ] {
            assert_eq!(reword(said), (message.into(), rule.into()), "{said}");
        }
    }

    #[test]
    fn a_text_of_the_wrong_type_is_not_repeated() {
        let (message, rule) =
            reword("invalid type: string \"PLAK, expected u8\", expected a sequence");
        assert!(
            !format!("{message}{rule}").contains("PLAK"),
            "{message}: {rule}"
        );
    }

    #[test]
    fn there_is_always_a_rule() {
        for said in [
            "extra `=`, expected nothing",
            "'-5' is not a plain decimal number",
            "",
        ] {
            assert!(!reword(said).1.is_empty(), "{said}");
        }
    }
}
