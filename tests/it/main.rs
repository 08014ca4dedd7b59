//! The stories that the guard keeps, told over real sockets; a file per story.

mod activations;
mod admin;
mod architecture;
mod bad_input;
mod batches;
mod bound;
mod callers;
mod caps;
mod config;
mod consult;
mod doctor;
mod harness;
mod login;
mod operators;
mod paces;
mod recorded;
mod replicas;
mod resent;
mod revisions;
mod sdk;
mod tokens;
mod tricks;
mod wild;
