//! The signals that stop a service, SIGTERM and SIGINT: the first lets requests in flight finish,
//! the second ends the process at once.

use std::io;
use std::process;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::Stopper;
use crate::cli::{log_output, service_manager};

/// The exit code after a second signal: 128 plus the number of SIGINT, as in shells.
const STOPPED_AT_ONCE: i32 = 130;

/// The handlers of both signals. Without a handler a signal ends the process.
pub(super) struct StopSignals {
    terminate: io::Result<Signal>,
    interrupt: io::Result<Signal>,
}

/// A handle to the thread that ends the process at the second signal. It is a thread of its own, so
/// that it receives signals also while a service that hangs keeps all other threads busy.
pub(super) struct SecondSignal(Sender<Stopped>);

/// The service that a second signal ends.
struct Stopped {
    stopper: Stopper,
    /// A database stays behind.
    is_kept: bool,
}

impl StopSignals {
    /// Installs the handlers.
    pub(super) fn handle() -> Self {
        Self {
            terminate: signal(SignalKind::terminate()),
            interrupt: signal(SignalKind::interrupt()),
        }
    }

    /// Waits for a signal, and returns its name.
    pub(super) async fn next(&mut self) -> &'static str {
        async fn received(signal: &mut io::Result<Signal>) {
            match signal {
                Ok(signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        }
        tokio::select! {
            () = received(&mut self.terminate) => "SIGTERM",
            () = received(&mut self.interrupt) => "SIGINT",
        }
    }

    /// Stops the service at a signal.
    pub(super) async fn stop(mut self, stopper: Stopper) {
        if self.terminate.is_err() || self.interrupt.is_err() {
            log::warn!("cannot handle SIGTERM and SIGINT; either ends the service without finishing requests");
        }
        let name = self.next().await;
        log::info!("{name}: stopping; a second signal stops at once");
        service_manager::tell_stopping();
        stopper.stop().await;
    }
}

impl SecondSignal {
    /// Begins to count the signals. It takes the handlers of the service as a proof that they are
    /// installed: a signal that only this thread hears would stop no service. One between the two
    /// stops the service, and is not counted.
    pub(super) fn count(_handled: &StopSignals) -> Self {
        let (of_service, at_second) = channel();
        let (counting, counted) = channel();
        let count = move || {
            if let Err(error) = count_signals(&counting, &at_second) {
                cannot_count(&error);
            }
        };
        if let Err(error) = thread::Builder::new().name("second signal".to_owned()).spawn(count) {
            cannot_count(&error);
        }
        // It fails if the thread has ended, which has said why.
        let _ended = counted.recv();
        Self(of_service)
    }

    /// Tells what a second signal ends. `is_kept` says whether a database stays behind.
    pub(super) fn ends(&self, stopper: Stopper, is_kept: bool) {
        // The thread has said why if it has ended.
        drop(self.0.send(Stopped { stopper, is_kept }));
    }
}

/// Ends the process at the second signal. Reports through `counting` when its handlers are installed.
fn count_signals(counting: &Sender<()>, at_second: &Receiver<Stopped>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = StopSignals::handle();
        let _abandoned = counting.send(());
        signals.next().await;
        signals.next().await;
    });
    let stopped = at_second.try_recv().ok();
    if let Some(stopped) = &stopped {
        stopped.stopper.remove_ephemeral_files();
    }
    let is_kept = stopped.is_some_and(|stopped| stopped.is_kept);
    log::warn!(
        "stopping at once{}",
        if is_kept { "; acknowledged writes are safe" } else { "" }
    );
    log_output::flush();
    process::exit(STOPPED_AT_ONCE);
}

fn cannot_count(error: &io::Error) {
    log::warn!("a second signal will not stop the service at once: {error}");
}
