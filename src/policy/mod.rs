//! Teams, keys, budgets, paces, prices: TOML in, proven values out; and [`Policy::judge`], which says
//! what a request must claim. Pure: the file's text comes in as an argument.

mod claim;

pub use claim::{Account, Claim};
