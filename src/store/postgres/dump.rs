//! PostgreSQL has a tool of its own for backups, which copies a database beside everybody who uses it.

use std::path::Path;

use super::address::Address;
use crate::identity::Secret;
use crate::store::OpenError;

/// The line that copies the books at `url` to a file. It shows no password: `pg_dump` asks for it, or takes
/// it from `PGPASSWORD` or `~/.pgpass`.
pub fn dump_line(url: &Secret, to: &Path) -> Result<String, OpenError> {
    let address = Address::parse(url)?;
    let host = match address.options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => address.options.get_host().to_owned(),
    };
    let words = [
        "pg_dump --format=custom".to_owned(),
        format!("--host={}", quoted(&host)),
        format!("--port={}", address.options.get_port()),
        format!("--username={}", quoted(address.user())),
        format!("--dbname={}", quoted(address.database())),
        format!("--schema={}", address.schema),
        format!("--file={}", quoted(&to.display().to_string())),
    ];
    Ok(words.join(" "))
}

/// As a shell reads it as one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(url: &str, to: &str) -> String {
        dump_line(&Secret::from_text(url).unwrap(), Path::new(to)).unwrap()
    }

    #[test]
    fn the_line_names_everything_but_the_password() {
        assert_eq!(
            line(
                "postgres://guard:hunter2@db:6432/quota?schema=books",
                "/b/today's.dump"
            ),
            "pg_dump --format=custom --host=db --port=6432 --username=guard --dbname=quota \
             --schema=books --file='/b/today'\\''s.dump'"
        );
        let socket = line("postgres:///quota?host=/run/postgresql&user=g", "b.dump");
        assert!(
            socket.contains("--host=/run/postgresql --port=5432"),
            "{socket}"
        );
        assert!(
            socket.contains("--schema=quota_guard --file=b.dump"),
            "{socket}"
        );
    }
}
