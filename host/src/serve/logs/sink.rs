//! Where lines go: a queue, and a thread of its own that writes them, so that nobody ever waits for whoever
//! reads the log. What cannot be written is counted, and said as soon as something can be written again.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use super::line::{Form, Line};

/// How many lines may wait: some seconds of a busy daemon, 1 MiB at the usual length.
const MAX_WAITING: usize = 4096;
/// How often the thread looks whether there is something else to write.
const IDLE: Duration = Duration::from_millis(500);
/// How long it then lets lines gather: waking it for each of them costs more than writing them, and nobody reads a log
/// as fast.
const PACE: Duration = Duration::from_millis(5);
/// How many bytes of lines are written at once: as many as nobody else who writes to the same pipe comes between
/// (`PIPE_BUF` of Linux).
const MAX_AT_ONCE: usize = 4096;

/// The way to the log. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Sink {
    queue: SyncSender<Item>,
    lost: Arc<AtomicU64>,
    pub(super) form: Form,
}

enum Item {
    Line(String),
    /// Answered when all that came before is written.
    Flush(std::sync::mpsc::Sender<()>),
}

impl Sink {
    /// A sink that writes to `output`, and now and then what `idle` has to say.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub(super) fn start(
        form: Form,
        output: Box<dyn Write + Send>,
        idle: impl Fn() -> Vec<Line> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(MAX_WAITING);
        let lost = Arc::<AtomicU64>::default();
        let writer = Writer {
            output,
            form,
            lost: Arc::clone(&lost),
            is_torn: false,
        };
        std::thread::Builder::new()
            .name("bedcheck-log".to_owned())
            .spawn(move || writer.write_all(&waiting, idle))?;
        Ok(Self { queue, lost, form })
    }

    /// Takes a line in. Never waits: what does not fit is lost and counted.
    pub(super) fn write(&self, line: String) {
        if self.queue.try_send(Item::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was taken in is written, for `bound` at most; whether it is.
    pub(super) fn flush(&self, bound: Duration) -> bool {
        let begun = Instant::now();
        let (written, all_written) = std::sync::mpsc::channel();
        let mut item = Item::Flush(written);
        loop {
            match self.queue.try_send(item) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if begun.elapsed() < bound => {
                    item = back;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(_) => return false,
            }
        }
        all_written
            .recv_timeout(bound.saturating_sub(begun.elapsed()))
            .is_ok()
    }

    /// How many lines were lost and that not said yet.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

struct Writer {
    output: Box<dyn Write + Send>,
    form: Form,
    lost: Arc<AtomicU64>,
    /// Whether the last line was written in part.
    is_torn: bool,
}

impl Writer {
    fn write_all(mut self, waiting: &Receiver<Item>, idle: impl Fn() -> Vec<Line>) {
        let mut looked = Instant::now();
        loop {
            match waiting.recv_timeout(IDLE) {
                Ok(item) => {
                    self.take(item, waiting);
                    std::thread::sleep(PACE);
                }
                Err(RecvTimeoutError::Timeout) => self.say_what_was_lost(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= IDLE {
                looked = Instant::now();
                for line in idle() {
                    self.lines(&line.write(self.form));
                }
            }
        }
    }

    /// Writes this item and those that wait behind it, as many lines at once as fit.
    fn take(&mut self, first: Item, waiting: &Receiver<Item>) {
        let mut lines = String::new();
        for item in std::iter::once(first).chain(waiting.try_iter()) {
            match item {
                Item::Line(line) if lines.is_empty() || lines.len() + line.len() <= MAX_AT_ONCE => {
                    lines.push_str(&line);
                }
                Item::Line(line) => {
                    self.lines(&lines);
                    lines = line;
                }
                Item::Flush(written) => {
                    self.lines(&std::mem::take(&mut lines));
                    // Whoever waited may have given up.
                    let _ = written.send(());
                }
            }
        }
        self.lines(&lines);
    }

    /// Writes whole lines; those that cannot be written are lost.
    fn lines(&mut self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        self.say_what_was_lost();
        if let Err(written) = self.bytes(lines) {
            let left = &lines.as_bytes()[written..];
            let lost = left.iter().filter(|byte| **byte == b'\n').count();
            self.lost.fetch_add(lost as u64, Ordering::Relaxed);
        }
    }

    fn say_what_was_lost(&mut self) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost == 0 {
            return;
        }
        let fields = vec![("lost", lost.into())];
        let line = Line::own(
            tracing::Level::WARN,
            format!("{lost} lines of the log were lost"),
            fields,
        );
        if self.bytes(&line.write(self.form)).is_ok() {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
    }

    /// Writes this; the error is how much of it was written.
    fn bytes(&mut self, text: &str) -> Result<(), usize> {
        if self.is_torn {
            self.output.write_all(b"\n").map_err(|_| 0_usize)?;
            self.is_torn = false;
        }
        let bytes = text.as_bytes();
        let mut written = 0;
        while written < bytes.len() {
            match self.output.write(&bytes[written..]) {
                Ok(more) if more > 0 => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.is_torn = written > 0 && bytes[written - 1] != b'\n';
                    return Err(written);
                }
            }
        }
        // What is not flushed is not known to be written.
        self.output.flush().map_err(|_| 0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind, Result};
    use std::sync::{Condvar, Mutex};

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    /// A file on a disk with room for so many bytes, and a gate before it.
    #[derive(Clone, Default)]
    struct Disk(Arc<(Mutex<State>, Condvar)>);

    #[derive(Default)]
    struct State {
        room: usize,
        is_shut: bool,
        written: Vec<u8>,
    }

    impl Disk {
        fn set(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.0.0.lock().unwrap());
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().written.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let state = self.0.0.lock().unwrap();
            let mut state = self.0.1.wait_while(state, |state| state.is_shut).unwrap();
            let fits = bytes.len().min(state.room);
            if fits == 0 {
                return Err(Error::from(ErrorKind::StorageFull));
            }
            state.room -= fits;
            state.written.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn sink(disk: &Disk) -> Sink {
        Sink::start(Form::Text, Box::new(disk.clone()), Vec::new).unwrap()
    }

    #[test]
    fn a_full_disk_loses_lines_and_says_how_many() {
        let disk = Disk::default();
        disk.set(|state| state.room = 10);
        let sink = sink(&disk);
        sink.write("first\n".to_owned());
        sink.write("second\n".to_owned());
        sink.write("third\n".to_owned());
        assert!(sink.flush(BOUND));
        assert_eq!(disk.text(), "first\nseco");
        assert_eq!(sink.lost(), 2);
        disk.set(|state| state.room = 10_000);
        sink.write("fourth\n".to_owned());
        assert!(sink.flush(BOUND));
        let text = disk.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[1], lines[3]), ("first", "seco", "fourth"));
        assert!(
            lines[2].ends_with("2 lines of the log were lost lost=2"),
            "{text}"
        );
        assert_eq!(sink.lost(), 0);
    }

    #[test]
    fn a_full_device_and_a_pipe_without_reader_are_survived() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (reader, pipe) = std::io::pipe().unwrap();
        drop(reader);
        for output in [Box::new(full) as Box<dyn Write + Send>, Box::new(pipe)] {
            let sink = Sink::start(Form::Json, output, Vec::new).unwrap();
            for _ in 0..3 {
                sink.write("line\n".to_owned());
            }
            assert!(sink.flush(BOUND));
            assert_eq!(sink.lost(), 3);
        }
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up() {
        let disk = Disk::default();
        disk.set(|state| {
            state.room = usize::MAX;
            state.is_shut = true;
        });
        let sink = sink(&disk);
        for _ in 0..MAX_WAITING + MAX_AT_ONCE + 100 {
            sink.write("line\n".to_owned());
        }
        assert!(sink.lost() >= 99, "{}", sink.lost());
        assert!(!sink.flush(Duration::from_millis(20)));
        disk.set(|state| state.is_shut = false);
        assert!(sink.flush(BOUND));
        sink.write("last\n".to_owned());
        assert!(sink.flush(BOUND));
        assert!(disk.text().contains("lines of the log were lost"));
        assert!(disk.text().ends_with("last\n"));
    }
}
