//! Lines of the log on their way to their reader. A thread of its own writes them.
//!
//! A reader that takes no lines, such as a collector that hangs behind a pipe, would otherwise
//! stop each thread that logs, and with them the service. Lines that find no room are lost and
//! counted, as are lines that cannot be written, such as to a full disk. The log reports their
//! number as soon as it takes lines again.

use std::cell::RefCell;
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
    /// The own lines of a thread that writes the lines of a queue: those on lost lines. They take no room
    /// in the queue, and it is known if they were written.
    static OWN_LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
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
    /// The number of lines that found no room, or could not be written, since the log last reported it.
    lost: u64,
}

impl LogQueue {
    /// Starts the thread. It writes to `out`, and after a loss it passes the number of lines to
    /// `tell_lost`, which logs it.
    ///
    /// # Errors
    ///
    /// Fails if the system starts no thread.
    pub(super) fn start(out: impl Write + Send + 'static, tell_lost: fn(u64)) -> io::Result<Self> {
        let queue = Self(Arc::default());
        let shared = Arc::clone(&queue.0);
        let mut out = Lines { out, is_broken: false };
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            OWN_LINES.set(Some(Vec::new()));
            let mut lines = Vec::new();
            loop {
                shared.take(&mut lines);
                let unwritten = out.write(&lines);
                lines.clear();
                let lost = shared.count_lost(unwritten);
                if unwritten == 0 && lost > 0 {
                    tell_lost(lost);
                    let own = OWN_LINES.replace(Some(Vec::new())).unwrap_or_default();
                    if out.write(&own) == 0 {
                        shared.forget_lost(lost);
                    }
                }
                shared.end_writing();
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
        let is_own = OWN_LINES.with_borrow_mut(|own| own.as_mut().map(|own| own.extend_from_slice(lines)).is_some());
        if is_own {
            return Ok(lines.len());
        }
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

    /// Counts further lost lines, and returns the number of all that are not told yet.
    fn count_lost(&self, more: u64) -> u64 {
        let mut state = self.state();
        state.lost += more;
        state.lost
    }

    /// Takes lost lines off the number, since the log has told them.
    fn forget_lost(&self, told: u64) {
        self.state().lost -= told;
    }

    /// Tells those that wait for the lines.
    fn end_writing(&self) {
        self.state().is_writing = false;
        self.written.notify_all();
    }
}

/// The place to which lines are written.
struct Lines<W> {
    out: W,
    /// The last write ended within a line, whose rest is lost.
    is_broken: bool,
}

impl<W: Write> Lines<W> {
    /// Writes whole lines. Returns the number of those that are lost, since they were not written to
    /// their end. There is no other place to tell the error.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.is_broken && self.written(b"\n") == 1 {
            self.is_broken = false;
        }
        let written = if self.is_broken { 0 } else { self.written(lines) };
        drop(self.out.flush());
        let (whole, rest) = lines.split_at(written);
        self.is_broken |= whole.last().is_some_and(|last| *last != b'\n');
        let lost = rest.split(|byte| *byte == b'\n').count() - 1;
        u64::try_from(lost).unwrap_or(u64::MAX)
    }

    /// Writes until an error, and returns the number of bytes before it.
    fn written(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.out.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        written
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

    /// A disk with this much room, and the bytes on it.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Disk {
        fn make_room(&self, bytes: usize) {
            self.0.lock().unwrap().0 += bytes;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            let (room, written) = &mut *self.0.lock().unwrap();
            let bytes = lines.len().min(*room);
            if bytes == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= bytes;
            written.extend_from_slice(&lines[..bytes]);
            Ok(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The number is told when there is room for it, and no line is glued to the rest of another.
    #[test]
    fn lines_that_a_full_disk_does_not_take_are_counted() {
        static FULL: OnceLock<LogQueue> = OnceLock::new();
        let disk = Disk::default();
        let tell = |lost| writeln!(FULL.get().unwrap().clone(), "{lost} lost").unwrap();
        let mut queue = LogQueue::start(disk.clone(), tell).unwrap();
        FULL.set(queue.clone()).unwrap();
        let mut log = |lines: &str| {
            queue.write_all(lines.as_bytes()).unwrap();
            queue.flush();
        };
        disk.make_room("one\ntw".len());
        log("one\ntwo\n");
        log("three\n");
        assert_eq!(disk.text(), "one\ntw");
        // Room for a line, and not for the number of the lost ones.
        disk.make_room("\nfour\n2".len());
        log("four\n");
        assert_eq!(disk.text(), "one\ntw\nfour\n2");
        disk.make_room(100);
        log("five\n");
        assert_eq!(disk.text(), "one\ntw\nfour\n2\nfive\n2 lost\n");
        log("six\n");
        assert!(disk.text().ends_with("2 lost\nsix\n"), "{}", disk.text());
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
