//! Hands the arguments to `cli`, prints an error with its causes, sets the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    match quota_guard::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
