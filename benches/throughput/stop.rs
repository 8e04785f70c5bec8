//! Stops the run on Ctrl-C. Every loop calls [`check`] and fails once a signal has arrived,
//! so that destructors stop the servers and remove the files.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

/// True once a signal has arrived. It is global since signals are sent to the process.
static WANTED: AtomicBool = AtomicBool::new(false);

/// The exit code after a signal.
const STOPPED: i32 = 130;

/// Installs the handlers of SIGINT and SIGTERM. A second signal ends the process at once.
pub(crate) fn listen() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if WANTED.swap(true, Ordering::Relaxed) {
                    std::process::exit(STOPPED);
                }
            }
        });
    });
    Ok(())
}

/// Returns true once a signal has arrived.
pub(crate) fn is_wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// Fails once a signal has arrived.
pub(crate) fn check() -> anyhow::Result<()> {
    if is_wanted() {
        bail!("stopped");
    }
    Ok(())
}

/// Ends the process with the exit code of a signal.
pub(crate) fn exit() -> ! {
    eprintln!("stopped");
    std::process::exit(STOPPED)
}
