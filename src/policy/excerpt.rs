//! One line of a policy file with a caret under what is wrong, and without what could be a secret.

/// `length` carets under `column` of `shown`, which is line number `line`; then the rule.
pub(super) fn draw(shown: &str, line: usize, column: usize, length: usize, rule: &str) -> String {
    let shown = mask(shown);
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    // Tabs stay tabs, so that the caret stands under its place whatever their width.
    let indent: String = shown
        .chars()
        .chain(std::iter::repeat(' '))
        .take(column - 1)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let carets = "^".repeat(length);
    let mut text =
        format!("{gutter} |\n{number} | {shown}\n{gutter} | {indent}{carets}\n{gutter} = {rule}");
    if rule.is_empty() {
        text.truncate(text.len() - gutter.len() - 4);
    }
    text
}

/// Keys whose value could be a secret that somebody wrote into the file by mistake.
const MAY_HOLD_A_SECRET: [&str; 5] = [
    "api_key",
    "client_id",
    "client_secret",
    "credential",
    "sha256",
];

/// The line without the texts behind such keys; every character keeps its column.
fn mask(line: &str) -> String {
    let mut shown: Vec<char> = line.chars().collect();
    for name in MAY_HOLD_A_SECRET {
        let name: Vec<char> = name.chars().collect();
        for at in 0..shown.len() {
            if shown[at..].starts_with(&name) {
                mask_value(&mut shown, at + name.len());
            }
        }
    }
    mask_passwords(&mut shown);
    shown.into_iter().collect()
}

/// What stands between a name and an `@` in a URL, as in the one of a database.
fn mask_passwords(shown: &mut [char]) {
    let begin: Vec<char> = "://".chars().collect();
    for at in 0..shown.len() {
        if !shown[at..].starts_with(&begin) {
            continue;
        }
        let url = &mut shown[at + begin.len()..];
        let length = url.iter().take_while(|c| **c != '"' && **c != '\'').count();
        let url = &mut url[..length];
        if let Some(end) = url.iter().rposition(|c| *c == '@') {
            let name = url[..end].iter().take_while(|c| **c != ':').count();
            url[name..end].iter_mut().for_each(|c| *c = '…');
        }
    }
}

fn mask_value(shown: &mut [char], after_name: usize) {
    let skipped = |c: &&char| c.is_whitespace() || **c == '=' || **c == '"' || **c == '\'';
    let start = after_name + shown[after_name..].iter().take_while(skipped).count();
    let is_table = shown.get(start) == Some(&'{');
    let has_sign = shown[after_name..start].contains(&'=');
    if is_table || !has_sign {
        return;
    }
    let value = shown[start..]
        .iter_mut()
        .take_while(|c| **c != '"' && **c != '\'');
    value.for_each(|c| *c = '…');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for line in [
            r#"credential = { api_key = "PLAKsecret" }"#,
            "api_key='PLAKsecret'",
            r#"{ id = "a", sha256 = "PLAKsecret", expires = 1 }"#,
            "client_secret = PLAKsecret",
            r#"url = "postgres://guard:PLAK@PLAK@db/quota""#,
            r#"url = "postgres://guard:PLAKsecret@db:port/quota" # a comment"#,
        ] {
            let shown = mask(line);
            assert!(!shown.contains("PLAK"), "{shown}");
            assert_eq!(shown.chars().count(), line.chars().count());
        }
        assert_eq!(
            mask(r#"api_key = { env = "A" }"#),
            r#"api_key = { env = "A" }"#
        );
    }
}
