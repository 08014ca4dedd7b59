//! The command line: what each command does, in a few lines each.

mod admin;
mod check;
mod demo;
mod doctor;
mod estimate;
mod keep;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::boot;
use crate::clock::{Clock, SystemClock};
use crate::identity::NewKey;
use crate::policy::{Policy, Role};
use crate::simulator::{Options, Simulator};
use crate::telemetry::{LogFormat, start_logging};

/// Keeps Planet satellite-imagery spending inside its caps.
#[derive(Debug, Parser)]
#[command(name = "quota-guard", version, about)]
struct Cli {
    /// How log lines on standard error look; `RUST_LOG` sets their level.
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the guard.
    Serve(Config),
    /// Prove a policy file, print what it means, run the tests in it.
    Check(Config),
    /// Predict what a request would cost. Contacts nobody unless told to.
    Estimate(estimate::Request),
    /// Pretend to be Planet.
    Simulate {
        #[arg(long, default_value = "127.0.0.1:9090")]
        listen: SocketAddr,
    },
    /// A pretend Planet, a guard, a sample policy and sample traffic, on loopback.
    Demo,
    /// How every budget of a running guard stands.
    Budgets(admin::Budgets),
    /// What is in doubt and counts as spent; `resolve` says how one of them ended.
    Unknowns(admin::Unknowns),
    /// Allow more than a budget's limit, once.
    TopUp(admin::TopUp),
    /// Check the books against themselves, and whether upstreams take the guard's credentials. Exit code 0:
    /// well, 1: something is wrong, 2: something could not be checked.
    Doctor(doctor::Doctor),
    /// Copy the books while the guard runs.
    Backup(keep::Backup),
    /// Roll up what is older than store.keep now; guards do it once a day.
    RollUp(Config),
    /// Keys of callers, and tokens of admins.
    #[command(subcommand)]
    Key(Key),
}

#[derive(Args, Debug)]
struct Config {
    /// The policy file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Key {
    /// Print a fresh key once, and the TOML lines to paste.
    New {
        #[arg(long)]
        team: String,
        #[arg(long)]
        id: String,
    },
    /// Print a fresh token for the admin port once, and the TOML line to paste.
    Admin {
        /// Who will bear it: the record says by this name who did what.
        #[arg(long)]
        name: String,
        /// viewer, approver or admin.
        #[arg(long)]
        role: Role,
    },
}

/// Runs the command that the arguments name.
pub fn run() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let format = match cli.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    // the demo tells a story of its own
    let level = if matches!(cli.command, Command::Demo) {
        "warn"
    } else {
        "info"
    };
    start_logging(format, level).map_err(|error| anyhow::anyhow!(error))?;
    let now = || SystemClock.now();
    let done = match cli.command {
        Command::Doctor(doctor) => return Ok(runtime()?.block_on(doctor.run())),
        Command::Backup(backup) => runtime()?.block_on(backup.run()),
        Command::RollUp(Config { config }) => runtime()?.block_on(keep::roll_up(&config, now())),
        Command::Check(Config { config }) => check::run(&config, now()),
        Command::Estimate(request) if request.live => {
            runtime()?.block_on(estimate::run_live(&request, Arc::new(SystemClock)))
        }
        Command::Estimate(request) => estimate::run(&request, now()),
        Command::Key(Key::New { team, id }) => show(|new| new.toml_lines(&team, &id)),
        Command::Key(Key::Admin { name, role }) => show(|new| new.admin_toml_lines(&name, role)),
        Command::Budgets(budgets) => runtime()?.block_on(budgets.run()),
        Command::Unknowns(unknowns) => runtime()?.block_on(unknowns.run()),
        Command::TopUp(top_up) => runtime()?.block_on(top_up.run()),
        Command::Serve(Config { config }) => runtime()?.block_on(serve(&config)),
        Command::Simulate { listen } => runtime()?.block_on(simulate(listen)),
        Command::Demo => runtime()?.block_on(demo::run()),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
}

/// Reads and proves a policy file; the error is a whole report with its place.
fn load(path: &Path) -> anyhow::Result<Policy> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
    Policy::parse(&text, &shown).map_err(|fault| anyhow::anyhow!("{fault}"))
}

async fn serve(config: &Path) -> anyhow::Result<()> {
    let running = boot::start(load(config)?, Arc::new(SystemClock)).await?;
    println!("guard {}", running.public_url);
    println!("admin http://{}", running.admin);
    asked_to_stop().await?;
    info!("stopping");
    let cut_off = running.stop().await;
    if cut_off.exchanges > 0 {
        warn!(
            exchanges = cut_off.exchanges,
            "these end as unknown at the next start"
        );
    }
    Ok(())
}

async fn simulate(listen: SocketAddr) -> anyhow::Result<()> {
    let simulator = Simulator::start(listen, Options::default(), Arc::new(SystemClock))
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    println!("simulator http://{}", simulator.address());
    asked_to_stop().await?;
    simulator.stop().await;
    Ok(())
}

/// Shows a fresh key this once, and what to paste of it.
fn show(lines: impl FnOnce(&NewKey) -> String) -> anyhow::Result<()> {
    let new = NewKey::generate()?;
    println!("{}", new.secret().expose());
    println!("\n{}", lines(&new));
    Ok(())
}

/// SIGTERM or Ctrl-C.
async fn asked_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}
