//! Lines of the log on their way to their reader. A thread of its own writes them.
//!
//! A reader that takes no lines, such as a collector that hangs behind a pipe, would otherwise
//! stop each thread that logs, and with them the service. Lines that find no room are lost and
//! counted, and the log reports their number as soon as it is read again.

use std::cell::Cell;
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

thread_local! {
    /// True on the thread that writes the lines. Its own line, which reports lost lines, is queued
    /// even if the queue is full: there is one at most for each time that it takes lines.
    static TAKES_LINES: Cell<bool> = const { Cell::new(false) };
}

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
    /// The number of lines that found no room since the log last reported it.
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
            TAKES_LINES.set(true);
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
        if state.waiting.len() + lines.len() > WAITING_BYTES_MAX && !TAKES_LINES.get() {
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
    use std::sync::OnceLock;
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    /// The bytes of each line of the test.
    const LINE_BYTES: usize = 100;

    static QUEUE: OnceLock<LogQueue> = OnceLock::new();

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

    fn write_number(number: u64) {
        let mut queue = QUEUE.get().unwrap().clone();
        writeln!(queue, "{number:0>width$}", width = LINE_BYTES - 1).unwrap();
    }

    #[test]
    fn a_reader_that_stands_still_keeps_no_writer_and_each_line_is_written_or_counted() {
        let (reader, read) = sync_channel(0);
        let mut queue = LogQueue::start(Reader(reader), write_number).unwrap();
        QUEUE.set(queue.clone()).unwrap();
        let line = "x".repeat(LINE_BYTES - 1) + "\n";
        let lines = 4 * WAITING_BYTES_MAX / LINE_BYTES;
        for _ in 0..lines {
            queue.write_all(line.as_bytes()).unwrap();
        }
        let (mut written, mut lost) = (0, 0);
        while written + lost < lines {
            let lines = read.recv_timeout(Duration::from_secs(20)).unwrap();
            assert!(lines.len() <= WAITING_BYTES_MAX + LINE_BYTES);
            for found in String::from_utf8(lines).unwrap().lines() {
                if let Ok(number) = found.parse::<usize>() {
                    lost += number;
                } else {
                    assert_eq!(found, line.trim_end());
                    written += 1;
                }
            }
        }
        assert!(
            written >= WAITING_BYTES_MAX / LINE_BYTES && lost > 0,
            "{written} written"
        );
        assert_eq!(written + lost, lines);
        queue.flush();
        assert!(read.try_recv().is_err(), "more lines come");
    }
}
