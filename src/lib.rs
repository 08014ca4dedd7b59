//! Quota Guard: a reverse proxy that keeps Planet satellite-imagery spending inside its caps.
//!
//! This list is the map. A module imports only modules that stand above it here;
//! `tests/it/architecture.rs` reads the sources and fails on an upward import.

pub mod units;

pub mod clock;

pub mod simulator;

pub mod planet;

pub mod cost;

pub mod policy;

pub mod identity;

pub mod ledger;

pub mod store;

pub mod upstream;

pub mod front;
