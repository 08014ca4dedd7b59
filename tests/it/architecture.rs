//! The map in `lib.rs` is the truth: a room imports only rooms above it, and the pure rooms stay pure.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms without `async`, I/O or a clock.
const PURE: [&str; 4] = ["units", "planet", "cost", "policy"];

/// What a pure room must not say, and why.
const IMPURE: [(&str, &str); 11] = [
    ("async fn", "waits"),
    ("async move", "waits"),
    ("async {", "waits"),
    (".await", "waits"),
    ("tokio", "waits"),
    ("std::fs", "reads files"),
    ("TcpStream", "opens sockets"),
    ("TcpListener", "opens sockets"),
    ("std::env", "reads the environment"),
    ("std::time::Instant", "asks the time"),
    ("crate::clock", "asks the time"),
];

#[test]
fn a_room_imports_only_rooms_above_it() {
    let rooms = rooms();
    let mut wrong = Vec::new();
    for (position, room) in rooms.iter().enumerate() {
        for (file, number, line) in lines_of(room) {
            for import in imports(&line) {
                if rooms[position + 1..].contains(&import) {
                    wrong.push(format!(
                        "{}:{number}: {room} imports {import}",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports must point up the list in lib.rs:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn pure_rooms_do_not_wait_read_or_ask_the_time() {
    let mut wrong = Vec::new();
    for room in PURE {
        for (file, number, line) in lines_of(room) {
            let code = line.split("//").next().unwrap_or_default();
            for (word, what) in IMPURE {
                if code.contains(word) {
                    wrong.push(format!(
                        "{}:{number}: {room} {what}: {word}",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_names_every_room() {
    let rooms = rooms();
    for entry in fs::read_dir(source()).expect("src") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("UTF-8");
        let room = name.trim_end_matches(".rs");
        if !["lib", "main"].contains(&room) {
            assert!(
                rooms.iter().any(|known| known == room),
                "src/{name} is not in lib.rs"
            );
        }
    }
    let map = fs::read_to_string(source().join("lib.rs")).expect("lib.rs");
    for room in &rooms {
        assert!(
            map.contains(&format!("[`{room}`]")),
            "the map in lib.rs does not explain {room}"
        );
    }
}

#[test]
fn an_upward_import_is_seen_in_every_form() {
    assert_eq!(imports("use crate::guard::Guard;"), ["guard"]);
    assert_eq!(
        imports("let x = crate::store::open(crate::policy::y);"),
        ["store", "policy"]
    );
    assert_eq!(
        imports("use crate::{front, units::Pu};"),
        ["front", "units"]
    );
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The rooms in the order of their `pub mod` lines.
fn rooms() -> Vec<String> {
    let map = fs::read_to_string(source().join("lib.rs")).expect("lib.rs");
    let names = map
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let rooms: Vec<_> = names.map(str::to_owned).collect();
    assert!(
        rooms.len() > 10,
        "lib.rs lists its rooms as `pub mod` lines, found {rooms:?}"
    );
    rooms
}

fn lines_of(room: &str) -> Vec<(PathBuf, usize, String)> {
    let mut files = vec![source().join(format!("{room}.rs"))];
    collect(&source().join(room), &mut files);
    let mut lines = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            lines.push((file.clone(), index + 1, line.to_owned()));
        }
    }
    assert!(!lines.is_empty(), "the room {room} has no source");
    lines
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The rooms that a line of source names behind `crate::`.
fn imports(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{').and_then(|list| list.split_once('}')) {
            Some((list, _)) => names.extend(list.split(',').map(|item| word(item.trim()))),
            None => names.push(word(rest)),
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
