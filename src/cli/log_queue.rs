//! Lines of the log on their way to their reader. A thread of its own writes them.
//!
//! A reader that takes no lines, such as a collector that hangs behind a pipe, would otherwise
//! stop each thread that logs, and with them the service. Lines that find no room are lost and
//! counted, and the log tells their number as soon as it is read again.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The most bytes that wait, beside those that are being written.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// The time in which lines gather, so that a busy service writes many at once.
const GATHERING_TIME: Duration = Duration::from_millis(2);
/// The longest wait of [`LogQueue::flush`].
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// The queue of lines. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct LogQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Lines have come to an empty queue.
    filled: Condvar,
    /// Lines have been written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that were taken are being written.
    is_writing: bool,
    /// The number of lines that found no room since the log told it last.
    lost: u64,
}

impl LogQueue {
    /// Starts the thread. It writes to `out`, and after a loss it passes the number of lines to
    /// `tell_lost`.
    ///
    /// # Errors
    ///
    /// Fails if the system starts no thread.
    pub(super) fn start(mut out: impl Write + Send + 'static, tell_lost: fn(u64)) -> io::Result<Self> {
        let queue = Self(Arc::default());
        let shared = Arc::clone(&queue.0);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            let mut lines = Vec::new();
            loop {
                shared.take(&mut lines);
                // There is no other place to tell a failure.
                drop(out.write_all(&lines).and_then(|()| out.flush()));
                lines.clear();
                match shared.end_writing() {
                    0 => {}
                    lost => tell_lost(lost),
                }
            }
        })?;
        Ok(queue)
    }

    /// Waits until all lines are written, a second at most.
    pub(super) fn flush(&self) {
        let is_under_way = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let waited = self
            .0
            .written
            .wait_timeout_while(self.0.state(), FLUSH_MAX, is_under_way);
        drop(waited);
    }
}

impl Write for LogQueue {
    /// Takes whole lines, or loses them. Never waits for the reader, and never fails.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        if state.waiting.len() + lines.len() > WAITING_BYTES_MAX {
            state.lost += 1;
        } else {
            let was_empty = state.waiting.is_empty();
            state.waiting.extend_from_slice(lines);
            if was_empty {
                self.0.filled.notify_one();
            }
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, and takes all that come within the time of gathering.
    fn take(&self, lines: &mut Vec<u8>) {
        let filled = self.filled.wait_while(self.state(), |state| state.waiting.is_empty());
        drop(filled);
        thread::sleep(GATHERING_TIME);
        let mut state = self.state();
        mem::swap(&mut state.waiting, lines);
        state.is_writing = true;
    }

    /// Tells those that wait for the lines, and returns the number of lost ones.
    fn end_writing(&self) -> u64 {
        let mut state = self.state();
        state.is_writing = false;
        self.written.notify_all();
        mem::take(&mut state.lost)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    /// The number of lines that the queue of the test has lost.
    static LOST: AtomicU64 = AtomicU64::new(0);

    /// A reader that takes as much as the test receives.
    struct Reader(SyncSender<Vec<u8>>);

    impl Write for Reader {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            // The test may have ended.
            drop(self.0.send(lines.to_vec()));
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_keeps_no_writer_and_each_line_is_written_or_counted() {
        let (reader, read) = sync_channel(0);
        let mut queue = LogQueue::start(Reader(reader), |lost| {
            LOST.fetch_add(lost, Ordering::SeqCst);
        })
        .unwrap();
        let line = [[b'x'; 99].as_slice(), b"\n"].concat();
        let lines = 4 * WAITING_BYTES_MAX / line.len();
        for _ in 0..lines {
            queue.write_all(&line).unwrap();
        }
        let mut written = 0;
        while let Ok(lines) = read.recv_timeout(Duration::from_secs(1)) {
            assert!(lines.len() <= WAITING_BYTES_MAX);
            assert!(lines.chunks(line.len()).all(|found| found == line), "a line is cut");
            written += lines.len() / line.len();
        }
        let lost = usize::try_from(LOST.load(Ordering::SeqCst)).unwrap();
        assert!(
            written >= WAITING_BYTES_MAX / line.len() && lost > 0,
            "{written} written, {lost} lost"
        );
        assert_eq!(written + lost, lines);
        queue.flush();
    }
}
