//! The seeded simulation of `ledger.md`: a few replicas on one set of books, a Planet that bills on write,
//! and every accident between them. After every step the auditor, who knows the true spending, looks
//! whether I1 to I6 still hold.
//!
//! Time, randomness, the store and Planet are handed in, so a seed is a whole run. A seed that fails prints
//! itself and the steps that led there, and `SIMULATION_SEED` runs it again; `SIMULATION_SEEDS` runs more
//! of them than usual.

mod ask;
mod auditor;
mod calls;
mod dice;
mod exchange;
mod lies;
mod lives;
mod people;
mod planet;
mod replica;
mod rules;
mod run;
mod seen;
mod tale;
mod tick;
mod world;
