//! Path tricks: whatever is done to the path of a call that spends, it never passes for one that is free.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::tests::{method, sample};
use super::*;
use crate::planet::Target;

fn trick() -> impl Strategy<Value = (&'static str, Index)> {
    const TRICKS: &[&str] = &[
        "/", "//", ".", "..", "./", "../", "/./", "/../", "%2e", "%2E%2e/", "%252e", "%2f",
        "%2F..", "%5c", "\\", ";", ";a=b", "%3B", "%00", "%20", "+", "%", "%3f", "#", "*",
        "encode", "case",
    ];
    (select(TRICKS), any::<Index>())
}

/// Puts a trick into a path, or encodes one of its characters or changes its case.
fn apply(path: &str, (trick, at): (&str, Index)) -> String {
    let at = at.index(path.len());
    let (before, behind) = path.split_at(at);
    let (here, after) = behind.split_at(1);
    let changed = match trick {
        "encode" => format!("%{:02x}", here.as_bytes()[0]),
        "case" => here.to_ascii_uppercase(),
        inserted => format!("{inserted}{here}"),
    };
    format!("{before}{changed}{after}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_tricked_path_is_never_a_free_known_call(
        row in any::<Index>(),
        tricks in prop::collection::vec(trick(), 1..4),
    ) {
        let spending: Vec<(UpstreamKind, Verb, Operation, Pattern)> = table()
            .flat_map(|entry| {
                entry.calls().map(move |(verb, operation)| (entry.kind, verb, operation, entry.pattern()))
            })
            // a mosaic may be called '.wmts', and asking what it is costs nothing; of a tile service it is
            // the query that spends
            .filter(|(_, _, operation, _)| {
                !operation.is_free() && *operation != Operation::TileService
            })
            .collect();
        let (kind, verb, operation, pattern) = spending[row.index(spending.len())];
        let path = tricks.into_iter().fold(sample(pattern), |path, trick| apply(&path, trick));
        if let Ok(target) = Target::parse(&path) {
            let found = classify(kind, &method(verb), target.path()).operation;
            let kept = found == operation || !found.is_free();
            prop_assert!(kept, "{verb} {path} became {found:?}");
        }
    }
}
