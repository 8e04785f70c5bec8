//! `escrowd serve`: runs the service.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::App;
use crate::cli::output::BOLD;
use crate::cli::service_manager;
use crate::cli::settings::{FileParser, SettingsArguments, variables};
use crate::cli::stop_signals::{SecondSignal, StopSignals};
use crate::cli::{log_output, open_files, reload};
use crate::config::{Accepted, Config, Flags, Loaded};
use crate::domain::mode::Mode;
use crate::domain::web_address::{is_private, reachable_from_here};
use crate::store::Synchronous;

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// With --ephemeral: begin with the state that `escrowd snapshot save` saved
    #[arg(long, value_name = "FILE", value_parser = FileParser)]
    snapshot: Option<PathBuf>,
    #[command(flatten)]
    accepted: AcceptedArguments,
}

#[derive(Debug, clap::Args)]
struct AcceptedArguments {
    /// Start although the write-ahead log of the database is missing or belongs to another
    /// file, and go on without its commits
    #[arg(long)]
    accept_loss: bool,
    /// In live mode: accept for this start a system's clock that is more than
    /// `storage.clock_jump_hours_max` (72 hours) ahead of the newest write, as after a long stop
    #[arg(long)]
    accept_clock: bool,
}

/// Serves until SIGTERM or SIGINT. Requests in flight finish before the process ends.
pub(super) fn run(arguments: ServeArguments) -> anyhow::Result<ExitCode> {
    let accepted = Accepted {
        loss: arguments.accepted.accept_loss,
        clock: arguments.accepted.accept_clock,
    };
    let flags = Flags {
        snapshot: arguments.snapshot,
        ..arguments.settings.flags(accepted)
    };
    let loaded = Loaded::load(&flags, variables())?;
    log_output::start(loaded.config.log, loaded.config.log_format).context("cannot start the log")?;
    open_files::raise_limit(&loaded.config);
    actix_web::rt::System::new().block_on(serve(loaded, flags))
}

async fn serve(loaded: Loaded, flags: Flags) -> anyhow::Result<ExitCode> {
    // The handlers are installed before the service starts. Otherwise a signal during the
    // start would end the process without cleaning up.
    let mut signals = StopSignals::handle();
    let second_signal = SecondSignal::count(&signals);
    let hangup = signal(SignalKind::hangup());
    // These signals reopen a log or show a state in other servers. Without a handler each of
    // them ends the process.
    for (name, kind) in [
        ("SIGUSR1", SignalKind::user_defined1()),
        ("SIGUSR2", SignalKind::user_defined2()),
    ] {
        actix_web::rt::spawn(ignore(name, signal(kind)));
    }
    let app = tokio::select! {
        started = App::start(&loaded.config) => started?,
        name = signals.next() => end_start(name),
    };
    greet(greeting(&loaded.config, &app));
    warn_of_settings(&loaded.config, app.metrics_address());
    service_manager::tell_ready(app.address());
    second_signal.ends(app.stopper(), !loaded.config.ephemeral);
    actix_web::rt::spawn(signals.stop(app.stopper()));
    actix_web::rt::spawn(reload::on_signal(hangup, loaded, flags, app.reloader()));
    if let Err(error) = app.run().await {
        // In the form of the log, for the programs that read it.
        log::error!("stopped, since it cannot go on: {:#}", anyhow::Error::from(error));
        return Ok(ExitCode::FAILURE);
    }
    log::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Ends the process during its start. Nothing waits for the thread that opens the database: a
/// migration that is broken off is as if it had not begun.
fn end_start(signal: &str) -> ! {
    log::info!("{signal}: stopped during the start");
    log_output::flush();
    std::process::exit(0);
}

/// Prints a greeting. The service runs also if no process reads these lines.
fn greet(lines: String) {
    // A full pipe keeps the thread until the process ends.
    let print = move || drop(anstream::stdout().write_all(lines.as_bytes()));
    if let Err(error) = thread::Builder::new().name("greeting".to_owned()).spawn(print) {
        log::warn!("cannot print the address and a request to try: {error}");
    }
}

/// Returns the lines with the address, the database, the mode and a request to try.
fn greeting(config: &Config, app: &App) -> String {
    let listening = app.address();
    let address = reachable_from_here(listening);
    let version = env!("CARGO_PKG_VERSION");
    let database = app.database();
    let database = if config.ephemeral {
        format!("none is kept; until the service stops it is {database}")
    } else {
        database.to_string()
    };
    let mode = match config.mode {
        Mode::Sandbox if config.strict => "sandbox (play money; every key is a merchant; strict)",
        Mode::Sandbox => "sandbox (play money; every key is a merchant, every customer-id a customer)",
        Mode::Live => "live",
    };
    let mut facts = vec![
        ("database", database),
        ("mode", mode.to_owned()),
        ("try", request_to_try(config, address)),
    ];
    if listening.ip().is_unspecified() {
        let port = listening.port();
        facts.push(("exposed", format!("port {port} of every address of this machine")));
    }
    if let Some(url) = &config.public_url {
        facts.push(("public", url.clone()));
    }
    if let Some(address) = app.metrics_address() {
        let address = reachable_from_here(address);
        facts.push(("metrics", format!("http://{address}/metrics")));
    }
    let facts = facts.into_iter().map(|(name, fact)| format!("  {name:<9} {fact}\n"));
    format!("escrowd {version} listening on {BOLD}http://{address}{BOLD:#}\n") + &facts.collect::<String>()
}

/// Writes a warning for each setting that is rarely meant.
fn warn_of_settings(config: &Config, metrics: Option<SocketAddr>) {
    if let Some(address) = metrics
        && !is_private(address.ip())
    {
        log::warn!(
            "metrics.listen is {address}, which may be reached from outside: every client that reaches it can read \
             sums of money; use a loopback address or one of a private network"
        );
    }
    if config.storage.synchronous == Synchronous::Normal && !config.ephemeral {
        log::warn!("storage.synchronous is \"normal\": a power failure may lose the last acknowledged commits");
    }
}

/// Returns a command that a user on this machine can paste. Only the key of live mode is left
/// to fill in.
fn request_to_try(config: &Config, address: SocketAddr) -> String {
    // Shells read brackets of an IPv6 address as a pattern.
    let quote = if address.is_ipv6() { "'" } else { "" };
    // A strict sandbox and live mode know no customer yet.
    let (path, customer) = match config.mode {
        Mode::Sandbox if !config.strict => ("wallet", " -H 'customer-id: ada'"),
        Mode::Sandbox | Mode::Live => ("customers", ""),
    };
    let key = match config.mode {
        Mode::Live => " -H 'authorization: Bearer sk_live_...'",
        // The address may be one whose clients need a key.
        Mode::Sandbox if config.sandbox.expose => " -H 'authorization: Bearer sk_test_anything'",
        Mode::Sandbox => "",
    };
    format!("curl -s {quote}http://{address}/v1/{path}{quote}{customer}{key}")
}

/// Writes a log line at each of these signals and does nothing else.
async fn ignore(name: &str, signal: io::Result<Signal>) {
    let Ok(mut signal) = signal else {
        return log::warn!("cannot handle {name}, which ends the service without finishing requests");
    };
    while signal.recv().await.is_some() {
        log::warn!("{name} does nothing; SIGHUP reads the configuration again, SIGTERM stops the service");
    }
}
