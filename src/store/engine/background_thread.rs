//! A thread that works beside the service until it is told to stop.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A running thread. Dropping this ends it.
pub(crate) struct BackgroundThread {
    name: &'static str,
    running: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl BackgroundThread {
    /// Starts a thread. Its receiver is disconnected when it should end.
    pub(crate) fn start(name: &'static str, run: impl FnOnce(&Receiver<()>) + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let builder = thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(move || run(&stopped))?;
        Ok(Self {
            name,
            running: Mutex::new(Some((stop, thread))),
        })
    }

    /// Ends the thread after the step under way, and waits for it.
    pub(crate) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = running {
            drop(stop);
            if thread.join().is_err() {
                log::error!("the thread {} panicked", self.name);
            }
        }
    }
}

impl Drop for BackgroundThread {
    fn drop(&mut self) {
        self.stop();
    }
}
