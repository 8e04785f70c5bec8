//! `escrowd demo --web`: serves a sandbox on a temporary database, opens its stories in the
//! default browser, and runs until a signal.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, AppError, Stopper};
use crate::cli::log_output;
use crate::cli::output::{BOLD, say};
use crate::cli::stop_signals::{SecondSignal, StopSignals};
use crate::config::{Config, Fees, LogFormat, LogLevel};

/// The variables that say where a graphical browser can show itself, on systems that need one.
const DISPLAYS: [&str; 2] = ["DISPLAY", "WAYLAND_DISPLAY"];

/// The time in which a program that opens browsers fails if it knows of none.
const FAILURE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves until SIGTERM, SIGINT or SIGHUP, and removes the database. Port 0 is any free one. A
/// browser that cannot be opened is no failure.
///
/// # Errors
///
/// Fails if the service cannot start, as on a port in use.
pub(super) fn run(port: u16, opens_browser: bool) -> anyhow::Result<ExitCode> {
    log_output::start(LogLevel::Warn, LogFormat::Text).context("cannot start the log")?;
    let config = Config {
        listen: ([127, 0, 0, 1], port).into(),
        ephemeral: true,
        fees: Fees {
            commission_bps: 50,
            ..Config::default().fees
        },
        ..Config::default()
    };
    actix_web::rt::System::new().block_on(serve(config, opens_browser))
}

async fn serve(config: Config, opens_browser: bool) -> anyhow::Result<ExitCode> {
    // Before the start, so that a signal during it removes the database too.
    let signals = StopSignals::handle();
    let second_signal = SecondSignal::count(&signals);
    let hangup = signal(SignalKind::hangup());
    let app = App::start(&config).await.map_err(with_port_option)?;
    let url = format!("http://{}/demo", app.address());
    say!("Stories in the browser, with play money, on a temporary database:");
    say!("  {BOLD}{url}{BOLD:#}");
    say!("Ctrl-C ends the demo and removes the database.");
    second_signal.ends(app.stopper(), false);
    actix_web::rt::spawn(signals.stop(app.stopper()));
    actix_web::rt::spawn(stop_on_hangup(hangup, app.stopper()));
    if opens_browser {
        // The server answers as soon as it runs; until then the connection waits.
        thread::spawn(move || open(&url));
    }
    app.run().await?;
    // The terminal may be gone.
    drop(writeln!(
        anstream::stdout(),
        "The demo has ended, and its database is removed."
    ));
    Ok(ExitCode::SUCCESS)
}

/// Stops the service when its terminal is closed.
async fn stop_on_hangup(hangup: io::Result<Signal>, stopper: Stopper) {
    if let Ok(mut hangup) = hangup {
        hangup.recv().await;
        stopper.stop().await;
    }
}

/// Names the option of this command that chooses the port.
fn with_port_option(error: AppError) -> anyhow::Error {
    match error {
        AppError::Listen { address, cause } => {
            anyhow!("cannot listen on {address}: {cause}; choose another --port, or leave it out for a free one")
        }
        other => other.into(),
    }
}

/// Opens the default browser, or says why not. The browser is in a session of its own, so that
/// Ctrl-C ends the demo and not the browser.
fn open(url: &str) {
    let has_display = cfg!(target_os = "macos") || DISPLAYS.iter().any(|name| std::env::var_os(name).is_some());
    if !has_display {
        say!("No browser was opened, since there is no display. Open the address yourself.");
    } else if let Err(error) = open::that_detached_with_timeout(url, FAILURE_TIMEOUT) {
        say!("No browser was opened: {error}. Open the address yourself.");
    }
}
