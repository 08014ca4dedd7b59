//! `doctor`: whether the books are whole and true, and whether upstreams take the guard's credentials.
//! It reads alone, beside whatever guards are running.
//!
//! Exit code 0: all is well. 1: something is wrong. 2: something could not be checked.

mod books;
mod finding;
mod journal;
mod upstreams;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::finding::Findings;
use crate::clock::{Clock, SystemClock};
use crate::policy::Policy;
use crate::store;

#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// The policy file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
    /// Take books that were put back from a backup as they are, if nothing is wrong with them. The guard
    /// must be stopped.
    #[arg(long)]
    accept_restored: bool,
}

impl Doctor {
    pub(super) async fn run(&self) -> ExitCode {
        let mut findings = Findings::default();
        match super::load(&self.config) {
            Ok(policy) => {
                let warnings = policy.warnings(SystemClock.now());
                if warnings.is_empty() {
                    findings.well("policy", "the policy file is sound");
                } else {
                    findings.note("policy", "the policy file is sound, but", warnings);
                }
                match store::inspect(policy.store()).await {
                    Ok(store) => books::examine(store, &policy, &SystemClock, &mut findings).await,
                    Err(cause) => books::not_opened(&cause, &mut findings),
                }
                if self.accept_restored {
                    accept(&policy, &mut findings);
                }
                upstreams::examine(&policy, SystemClock.now(), &mut findings).await;
            }
            Err(cause) => findings.unchecked("policy", format!("{cause:#}")),
        }
        if self.json {
            println!("{}", findings.json());
        } else {
            print!("{}", findings.text());
        }
        findings.exit_code()
    }
}

/// What was spent after the backup is in no book any more, so nobody but a person can say that this is meant.
fn accept(policy: &Policy, findings: &mut Findings) {
    if findings.are_bad() {
        let left = "the books are not taken as they are while something is wrong with them";
        return findings.wrong("restored", left, Vec::new());
    }
    match store::take_as_they_are(policy.store()) {
        Ok(()) => findings.note(
            "restored",
            "this guard takes the books as they are from its next start on. What was spent since the backup is \
             not in them: compare with Planet's own figures, and lower the limits by it until the windows end",
            Vec::new(),
        ),
        Err(cause) => findings.unchecked("restored", format!("{:#}", anyhow::Error::from(cause))),
    }
}
