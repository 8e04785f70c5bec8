//! `escrowd serve`: runs the service.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::Style;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, Stopper};
use crate::config::{Accepted, Config, Flags, LogLevel};
use crate::domain::mode::Mode;
use crate::domain::web_address::reachable_from_here;
use crate::http;
use crate::store::Synchronous;

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    /// Configuration file [default: config.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Database file
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Keep the database in a temporary folder, and remove it when the service stops
    #[arg(long)]
    ephemeral: bool,
    /// Behave exactly as the hosted API where the default is more lenient
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    accepted: AcceptedArguments,
}

#[derive(Debug, clap::Args)]
struct AcceptedArguments {
    /// Start although the write-ahead log of the database is missing or belongs to another
    /// file, and go on without its commits
    #[arg(long)]
    accept_loss: bool,
    /// Accept the system's clock although it is far ahead of the newest write in the database:
    /// the service was stopped or idle for so long
    #[arg(long)]
    accept_clock: bool,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "it must be an address and a port, such as 127.0.0.1:8080")
}

/// The exit code after a second signal: 128 plus the number of SIGINT, as in shells.
const STOPPED_AT_ONCE: i32 = 130;

const BOLD: Style = Style::new().bold();

/// Serves until SIGTERM or SIGINT. Requests in flight finish before the process ends.
pub(super) fn run(arguments: ServeArguments) -> anyhow::Result<ExitCode> {
    let ServeArguments {
        config,
        listen,
        database,
        ephemeral,
        strict,
        accepted,
    } = arguments;
    let config = Config::load(
        &Flags {
            config,
            listen,
            database,
            strict,
            ephemeral,
            accepted: Accepted {
                loss: accepted.accept_loss,
                clock: accepted.accept_clock,
            },
        },
        variables(),
    )?;
    start_log(config.log);
    actix_web::rt::System::new().block_on(serve(&config))
}

/// Returns the environment, for the configuration.
pub(super) fn variables() -> impl Iterator<Item = (String, Result<String, String>)> {
    std::env::vars_os().map(|(name, text)| {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        (lossy(name), text.into_string().map_err(lossy))
    })
}

async fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    // The handlers are installed before the service starts. Otherwise a signal during the
    // start would end the process without cleaning up.
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    // These signals reload a configuration or reopen a log in other servers. Without a
    // handler each of them ends the process.
    for (name, kind) in [
        ("SIGHUP", SignalKind::hangup()),
        ("SIGUSR1", SignalKind::user_defined1()),
        ("SIGUSR2", SignalKind::user_defined2()),
    ] {
        actix_web::rt::spawn(ignore(name, signal(kind)));
    }
    let app = App::start(config).await?;
    greet(config, &app);
    actix_web::rt::spawn(stop_on_signal(signals, app.stopper(), !config.ephemeral));
    app.run().await?;
    log::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Prints the address, the database, the mode and a request to try.
fn greet(config: &Config, app: &App) {
    let listening = app.address();
    let address = reachable_from_here(listening);
    let version = env!("CARGO_PKG_VERSION");
    anstream::println!("escrowd {version} listening on {BOLD}http://{address}{BOLD:#}");
    let database = app.database().display();
    if config.ephemeral {
        anstream::println!("  database  none is kept; until the service stops it is {database}");
    } else {
        anstream::println!("  database  {database}");
    }
    let mode = match config.mode {
        Mode::Sandbox => "sandbox (play money; every key is a merchant, every customer-id a customer)",
        Mode::Live => "live",
    };
    anstream::println!("  mode      {mode}");
    anstream::println!("  try       {}", request_to_try(config, address));
    if listening.ip().is_unspecified() {
        let port = listening.port();
        anstream::println!("  exposed   port {port} of every address of this machine");
    }
    if let Some(url) = &config.public_url {
        anstream::println!("  public    {url}");
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

/// Starts the log. Other libraries log warnings at most. The HTTP library's messages on
/// malformed requests are dropped, since only the client can correct those requests.
fn start_log(level: LogLevel) {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,escrowd=info",
    };
    let filters = format!("{level},{}=off", http::CLIENT_ERRORS_LOG);
    env_logger::Builder::new().parse_filters(&filters).init();
}

/// Writes a log line at each of these signals and does nothing else.
async fn ignore(name: &str, signal: io::Result<Signal>) {
    let Ok(mut signal) = signal else {
        return log::warn!("cannot handle {name}, which ends the service without finishing requests");
    };
    while signal.recv().await.is_some() {
        log::warn!("{name}: nothing is reloaded; restart the service to apply a changed configuration");
    }
}

async fn stop_on_signal(signals: (io::Result<Signal>, io::Result<Signal>), stopper: Stopper, is_kept: bool) {
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        log::warn!("cannot handle SIGTERM and SIGINT; either ends the service without finishing requests");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => log::info!("SIGTERM: stopping; a second signal stops at once"),
        _ = interrupt.recv() => log::info!("SIGINT: stopping; a second signal stops at once"),
    }
    tokio::select! {
        () = stopper.stop() => return,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stopper.remove_ephemeral_files();
    log::warn!(
        "stopping at once{}",
        if is_kept { "; acknowledged writes are safe" } else { "" }
    );
    std::process::exit(STOPPED_AT_ONCE);
}
