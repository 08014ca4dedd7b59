//! The stories that the guard keeps, told over real sockets; a file per story.

mod architecture;
mod bad_input;
mod callers;
mod caps;
mod config;
mod downloads;
mod harness;
mod links;
mod login;
mod operators;
mod paces;
mod resent;
mod sdk;
mod tokens;
