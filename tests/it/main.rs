//! The stories that the guard keeps, told over real sockets; a file per story.

mod architecture;
mod bad_input;
mod callers;
mod caps;
mod config;
mod crowd;
mod database;
mod disk;
mod fleet;
mod harness;
mod login;
mod operators;
mod outage;
mod paces;
mod replicas;
mod resent;
mod sdk;
mod tokens;
