//! The stories that the guard keeps, told over real sockets; a file per story.

mod activations;
mod architecture;
mod bad_input;
mod batches;
mod bound;
mod callers;
mod caps;
mod config;
mod consult;
mod downloads;
mod harness;
mod links;
mod login;
mod margin;
mod operators;
mod paces;
mod recorded;
mod replicas;
mod resent;
mod revisions;
mod sdk;
mod sharing;
mod tokens;
mod tricks;
mod wild;
