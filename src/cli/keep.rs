//! `backup` and `roll-up`: what is done to the books besides keeping them.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::policy::Books;
use crate::store::{self, RolledUp};
use crate::units::UtcTime;

#[derive(Args, Debug)]
pub(super) struct Backup {
    /// The policy file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The copy, which must not be there yet.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

impl Backup {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let policy = super::load(&self.config)?;
        match policy.store().books() {
            Books::Sqlite { file } => {
                let copy = store::sqlite::backup(file, &self.to).await?;
                println!(
                    "{} holds the books: {} bytes, {} lines of the journal; it was looked through",
                    self.to.display(),
                    copy.bytes,
                    copy.lines
                );
                Ok(())
            }
            Books::Postgres(url) => {
                let line = store::postgres::dump_line(&store::secret(url)?, &self.to)?;
                bail!(
                    "nothing was copied: PostgreSQL's own tool does that, while the guards run\n  {line}"
                )
            }
        }
    }
}

/// Rolls up what is older than the policy keeps, now and not when a guard's day comes round.
pub(super) async fn roll_up(config: &std::path::Path, now: UtcTime) -> anyhow::Result<()> {
    let policy = super::load(config)?;
    let Some(keep) = policy.store().keep() else {
        bail!(
            "the policy keeps everything: store.keep says how long requests that have ended are kept"
        );
    };
    match store::roll_up(policy.store(), keep, now).await? {
        None => println!("another guard is at it"),
        Some(RolledUp { lines, requests }) => println!(
            "{lines} lines of the journal were rolled up into others, and {requests} requests are no \
             longer kept one by one"
        ),
    }
    Ok(())
}
