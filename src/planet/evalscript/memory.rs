//! Scripts that were read before: teams send the same few over and over.

use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;
use moka::sync::Cache;

use super::{MAX_SCRIPT_BYTES, Script, read};

/// Bytes of scripts that are remembered, keys and what was read of them.
const MEMORY_BYTES: u64 = 16 * 1024 * 1024;
/// What is kept of one script besides its text, roughly.
const BESIDES: usize = 1024;

static MEMORY: LazyLock<Cache<Arc<str>, Arc<Script>, RandomState>> = LazyLock::new(|| {
    let weight = |text: &Arc<str>, _: &Arc<Script>| {
        u32::try_from(text.len().saturating_add(BESIDES)).unwrap_or(u32::MAX)
    };
    Cache::builder()
        .max_capacity(MEMORY_BYTES)
        .weigher(weight)
        .build_with_hasher(RandomState::default())
});

/// As [`read`], which always says the same of the same text, and is asked only the first time.
pub fn remembered(text: &str) -> Arc<Script> {
    if text.len() > MAX_SCRIPT_BYTES {
        return Arc::new(read(text)); // it is refused by its length alone
    }
    if let Some(script) = MEMORY.get(text) {
        return script;
    }
    let script = Arc::new(read(text));
    MEMORY.insert(text.into(), Arc::clone(&script));
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_once_and_remembered_by_its_whole_text() {
        let text =
            "//VERSION=3\nfunction setup() { return { input: [\"B02\"], output: { bands: 1 } } }";
        let first = remembered(text);
        assert!(Arc::ptr_eq(&first, &remembered(text)));
        let other = remembered(&text.replace("B02", "B03"));
        assert!(!Arc::ptr_eq(&first, &other) && *first != *other);
        assert_eq!(*first, read(text));
    }
}
