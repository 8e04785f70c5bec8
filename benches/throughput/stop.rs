//! Stopping on Ctrl-C: every loop asks here, gives up, and so takes its servers
//! and its files with it.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

/// A signal belongs to the process, and so does this.
static WANTED: AtomicBool = AtomicBool::new(false);

/// The exit code of a program that was stopped.
const STOPPED: i32 = 130;

/// Begins to listen for SIGINT and SIGTERM. The second one ends the process at
/// once.
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

/// Whether to stop.
pub(crate) fn is_wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// Fails when it is time to stop.
pub(crate) fn check() -> anyhow::Result<()> {
    if is_wanted() {
        bail!("stopped");
    }
    Ok(())
}

/// Ends the process the way a stopped program does.
pub(crate) fn exit() -> ! {
    eprintln!("stopped");
    std::process::exit(STOPPED)
}
