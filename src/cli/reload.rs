//! Reads the configuration again at each SIGHUP, and applies what a running service can
//! change.

use std::fmt;
use std::io;
use std::thread;

use tokio::signal::unix::Signal;
use tokio::sync::oneshot;

use crate::app::Reloader;
use crate::cli::log_output;
use crate::cli::settings::variables;
use crate::config::{Changes, Flags, Loaded};

/// Reloads at each signal until the service ends. Never ends the service: a configuration that
/// cannot be applied changes nothing.
pub(super) async fn on_signal(signal: io::Result<Signal>, mut running: Loaded, flags: Flags, reloader: Reloader) {
    let Ok(mut signal) = signal else {
        return log::warn!("cannot handle SIGHUP, which ends the service without finishing requests");
    };
    while signal.recv().await.is_some() {
        match reload(&running, &flags, &reloader).await {
            Ok((applied, changes)) => {
                // The line is written if either level, the old or the new one, has it.
                let level = running.config.log.max(applied.config.log);
                log_output::replace(level, running.config.log_format);
                log::warn!("SIGHUP: {}", ChangeSummary(&changes));
                log_output::replace(applied.config.log, applied.config.log_format);
                running = applied;
            }
            Err(error) => {
                log::error!("SIGHUP: the configuration is not applied, and everything stays as it was: {error}");
            }
        }
    }
}

async fn reload(running: &Loaded, flags: &Flags, reloader: &Reloader) -> anyhow::Result<(Loaded, Changes)> {
    let new = load(flags).await?;
    let (applied, changes) = running.reloaded(&new)?;
    if !changes.applied.is_empty() {
        reloader.apply(&applied.config).await?;
    }
    Ok((applied, changes))
}

/// Reads the configuration on a thread of its own: a file that blocks, such as a pipe without
/// a writer, must not keep the service from stopping.
async fn load(flags: &Flags) -> anyhow::Result<Loaded> {
    let flags = flags.clone();
    let (told, loaded) = oneshot::channel();
    let load = move || drop(told.send(Loaded::load(&flags, variables())));
    thread::Builder::new().name("reload".to_owned()).spawn(load)?;
    Ok(loaded.await??)
}

/// Formats which settings took effect and which need a restart, without their values, which may
/// be secret.
struct ChangeSummary<'a>(&'a Changes);

impl fmt::Display for ChangeSummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Changes { applied, postponed } = self.0;
        match (applied.as_slice(), postponed.as_slice()) {
            ([], []) => f.write_str("the configuration has not changed"),
            (applied, []) => write!(f, "applied {}", applied.join(", ")),
            ([], postponed) => write!(
                f,
                "nothing is applied; {} must wait for a restart",
                postponed.join(", ")
            ),
            (applied, postponed) => write!(
                f,
                "applied {}; {} must wait for a restart",
                applied.join(", "),
                postponed.join(", ")
            ),
        }
    }
}
