//! Any script: it is read, or said to be unreadable, and twice alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quota_guard::planet::evalscript;

fuzz_target!(|script: &str| {
    let (first, second) = (evalscript::read(script), evalscript::read(script));
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
});
