//! Quota Guard: a reverse proxy that keeps Planet satellite-imagery spending inside its caps.
//!
//! This list is the map. A room imports only rooms that stand above it here; `tests/it/architecture.rs`
//! reads the sources and fails on an upward import, and on a clock, I/O or `async` in a pure room.
//!
//! | room | what it holds | why it is a room of its own |
//! |---|---|---|
//! | [`units`] | amounts, units, windows | pure; exact integers, so no float ever meets a balance |
//! | [`clock`] | the only place that asks the time | everything further in takes `now` and can be tested |
//! | [`simulator`] | a pretend Planet that bills | stands too high to import [`cost`], so it can catch its mistakes |
//! | [`planet`] | Planet's API as values: which call, what it asks, what came back | pure; the parsers that attackers meet |
//! | [`cost`] | what an ask will cost: Planet's tables as functions | pure; each line names its published source |
//! | [`policy`] | the TOML file as proven values; which budgets a request claims | pure; a key that is accepted is enforced |
//! | [`identity`] | whose key a request brings; credentials off and on | the only place that holds keys in the clear |
//! | [`ledger`] | the rules of the books, and a model of them in memory | a trait, so that every store keeps one contract |
//! | [`telemetry`] | typed metrics, log set-up | the names that operators scrape |
//! | [`store`] | the databases behind the books | one contract suite runs on each |
//! | [`upstream`] | the way out: pool, framing, link rewriting, byte counting | knows HTTP, and nothing of budgets |
//! | [`guard`] | the life of one request, told in one function | the story; its steps do not know each other |
//! | [`admin`] | health, readiness, metrics; the API of those who administer | a port of its own, for operators |
//! | [`front`] | the way in: listeners, TLS, drain; answers become HTTP | the only place that knows status lines |
//! | [`boot`] | concrete parts wired together | the only file that knows every type |
//! | [`cli`] | the commands | |
//!
//! Rooms of the plan that nothing needs yet (`notify`, `reconcile`) are not there yet.

pub mod units;

pub mod clock;

pub mod simulator;

pub mod planet;

pub mod cost;

pub mod policy;

pub mod identity;

pub mod ledger;

pub mod telemetry;

pub mod store;

pub mod upstream;

pub mod guard;

pub mod admin;

pub mod front;

pub mod boot;

pub mod cli;
