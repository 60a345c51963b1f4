//! Trying inputs: a panic is caught, its input shrunk and written down; an input without end is found by a
//! thread that watches.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use crate::{Reading, corpus, say};

/// How long shrinking may take: the file is there to be looked at soon.
const SHRINKING: Duration = Duration::from_secs(10);
/// How often the watching thread looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The longest input that is shown in full in a message, in bytes.
const MAX_SHOWN: usize = 2048;

thread_local! {
    /// Whether panics of this thread are caught here and need not be printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// Place and words of the last panic that was caught.
    static LAST: RefCell<(String, String)> = const { RefCell::new((String::new(), String::new())) };
}

/// The input that is being tried, and since when.
type Current = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// Tries the inputs of one target.
pub(crate) struct Execution<'p> {
    target: &'static str,
    property: &'p dyn Fn(&[u8]),
    reading: Option<Reading<'p>>,
    current: Current,
    attempts: u64,
}

impl<'p> Execution<'p> {
    /// Nothing tried so far. The thread that watches ends with this.
    pub(crate) fn new(
        target: &'static str,
        property: &'p dyn Fn(&[u8]),
        patience: Duration,
        reading: Option<Reading<'p>>,
    ) -> Self {
        catch_quietly();
        let current = Current::default();
        let watched = Arc::downgrade(&current);
        std::thread::spawn(move || {
            while let Some(current) = watched.upgrade() {
                let current = current
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take_if(|(since, _)| since.elapsed() > patience);
                if let Some((_, input)) = current {
                    say(&report(
                        target,
                        &input,
                        "",
                        &format!("took longer than {patience:?}"),
                    ));
                    std::process::abort();
                }
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self {
            target,
            property,
            reading,
            current,
            attempts: 0,
        }
    }

    /// How many inputs were tried.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Tries an input as it is, its panic uncaught.
    pub(crate) fn repeat(&self, input: &[u8]) {
        (self.property)(input);
        say(&format!("fuzz {}: the input does not fail", self.target));
    }

    /// Tries an input.
    ///
    /// # Panics
    ///
    /// When the property does not hold.
    pub(crate) fn attempt(&mut self, input: &[u8]) {
        self.attempts += 1;
        let Some((place, words)) = self.failure(input) else {
            return;
        };
        let smaller = self.shrunk(input, &place);
        let words = match self.failure(&smaller) {
            Some((_, words)) => words,
            None => words,
        };
        let read = self.reading.map(|reading| reading(&smaller));
        let read = read
            .map(|read| format!("\n  which is: {read}"))
            .unwrap_or_default();
        panic!("{}", report(self.target, &smaller, &place, &(words + &read)));
    }

    /// Place and words of the panic that an input leads to.
    fn failure(&self, input: &[u8]) -> Option<(String, String)> {
        self.set_current(Some((Instant::now(), input.to_vec())));
        QUIET.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| (self.property)(input)));
        QUIET.set(false);
        self.set_current(None);
        result.err().map(|_| LAST.take())
    }

    fn set_current(&self, current: Option<(Instant, Vec<u8>)>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// A smaller input that panics in the same place: parts are left out, large ones first, as long as it does.
    fn shrunk(&self, input: &[u8], place: &str) -> Vec<u8> {
        let begun = Instant::now();
        let mut smallest = input.to_vec();
        let mut length = smallest.len() / 2;
        while length > 0 {
            let mut at = 0;
            while at < smallest.len() {
                if begun.elapsed() > SHRINKING {
                    return smallest;
                }
                let mut smaller = smallest.clone();
                smaller.drain(at..smallest.len().min(at + length));
                if self.failure(&smaller).is_some_and(|(other, _)| other == place) {
                    smallest = smaller;
                } else {
                    at += length;
                }
            }
            length /= 2;
        }
        smallest
    }
}

/// Keeps the panics that are caught here from being printed, thousands of them while an input is shrunk.
fn catch_quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                return print(panic);
            }
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let words = panic.payload_as_str().unwrap_or_default().to_owned();
            LAST.set((place, words));
        }));
    });
}

/// Writes the input to a file and says all there is to say about it.
fn report(target: &str, input: &[u8], place: &str, words: &str) -> String {
    let shown = input[..input.len().min(MAX_SHOWN)].escape_ascii();
    let more = if input.len() > MAX_SHOWN { "…" } else { "" };
    let file = match write(target, input) {
        Ok(path) => format!("repeat it: ./justw fuzz-input {target} {}", path.display()),
        Err(error) => format!("it could not be written to a file: {error}"),
    };
    let words: String = words.chars().take(MAX_SHOWN).collect();
    let findings = corpus::findings(target);
    format!(
        "fuzz {target}: an input of {} bytes fails at {place}: {words}\n\
         \x20 input: {shown}{more}\n  {file}\n  keep it: as a line of {}",
        input.len(),
        findings.display(),
    )
}

/// Writes an input into the folder `fuzz` of the target directory.
fn write(target: &str, input: &[u8]) -> std::io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    // Tests are in TARGET/PROFILE/deps.
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(3).unwrap_or(Path::new(".")).join("fuzz");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{target}-{:016x}", hasher.finish()));
    std::fs::write(&path, input)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_shrunk_to_what_makes_it_fail_and_written_to_a_file() {
        let property = |input: &[u8]| assert!(!input.windows(2).any(|pair| pair == b"!!"), "two marks");
        let mut execution = Execution::new("self-test", &property, Duration::from_secs(60), None);
        execution.attempt(b"fine!");
        let failing = b"some text!! and more of it";
        let panic = catch_unwind(AssertUnwindSafe(|| execution.attempt(failing))).unwrap_err();
        let said = panic.downcast_ref::<String>().unwrap();
        assert!(said.contains("an input of 2 bytes fails"), "{said}");
        assert!(said.contains("two marks\n  input: !!\n"), "{said}");
        let file = said.split("fuzz-input self-test ").nth(1).unwrap();
        assert_eq!(std::fs::read(file.lines().next().unwrap()).unwrap(), b"!!");
    }
}
