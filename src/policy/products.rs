//! Products by the names that Planet gives them. Everything else a caller writes is `other`, unless the
//! policy itself names it.

pub(super) const KNOWN: &[&str] = &["PSScene"];
