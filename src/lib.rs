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
//! | [`ledger`] | the rules of the books, a model of them in memory, and the lease book that a guard admits from | a trait, so that every store keeps one contract; no I/O, so that a simulation can break everything around it |
//! | [`telemetry`] | typed metrics, log set-up | the names that operators scrape |
//! | [`store`] | the databases behind the books, and leases in front of them | one contract suite runs on each; one `desk` decides for SQLite and PostgreSQL alike |
//! | [`upstream`] | the way out: pool, framing, link rewriting, byte counting | knows HTTP, and nothing of budgets |
//! | [`guard`] | the life of one request, told in one function | the story; its steps do not know each other |
//! | [`reconcile`] | what becomes of predictions: what Planet goes on with is followed to its final figures | works beside the requests, and asks Planet in the guard's own name |
//! | [`admin`] | health, readiness, metrics; the API of those who administer | a port of its own, for operators |
//! | [`front`] | the way in: listeners, TLS, drain; answers become HTTP | the only place that knows status lines |
//! | [`boot`] | concrete parts wired together | the only file that knows every type |
//! | [`cli`] | the commands | |
//!
//! What goes on spending when it has been answered (a subscription) is a commitment: `ledger` keeps it beside the
//! balances, `guard::commitments` asks each window that begins for its share.
//!
//! A few things stand otherwise than the plan had them, because that is simpler. A batch of steps locks its rows,
//! is decided in memory on the `desk` that both databases share, and written at once: no SQL decides. What a
//! guard leases of an account, and what a window draws of top-ups, stands in the account's own row, so that a
//! lock on the row is a lock on all of it. A lease is good for ten seconds from the books' last word, not each
//! for a time of its own: nothing but unknowns hangs on that time.
//!
//! A room of the plan that nothing needs yet (`notify`) is not there yet.

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

pub mod reconcile;

pub mod admin;

pub mod front;

pub mod boot;

pub mod cli;
