//! The fuzzer of the project. A target is a unit test in the crate that it fuzzes, so that it reaches what is
//! private there: it says how inputs are made and what must hold for every input, and [`Fuzz::run`] does the
//! rest.
//!
//! ```text
//! corpus/TARGET.txt, findings/TARGET.txt, seeds -> each is tried           (always, by `cargo test`)
//!       pool -> generated, or mutated from the pool -> tried -> ...        (for BEDCHECK_FUZZ_SECONDS)
//! a failure -> shrunk -> a file, and the command that repeats it
//! ```
//!
//! It needs no other toolchain: `./justw test` runs every target for a bounded time on what is built anyway.
//! `./justw fuzz TARGET SECONDS` builds the crates of the project once more with counters in their code, and
//! then every input that reaches something new joins the pool: the search goes on from it.
//!
//! Nothing here knows what is fuzzed.

mod bytes;
mod corpus;
mod coverage;
mod execution;
mod mutation;
mod options;

use std::io::Write;
use std::time::{Duration, Instant};

use fastrand::Rng;

pub use bytes::Bytes;
use coverage::Coverage;
use execution::Execution;
use mutation::Mutator;
use options::Options;

/// The random numbers that inputs are made of, which begin with the printed seed.
pub type Random = Rng;

/// Of how many inputs one is made from nothing, where the target can make them: the others are mutated, which
/// reaches deeper, and would be all alike without some new blood.
const ONE_NEW_OF: usize = 8;
/// The longest input by default, in bytes: longer ones are slower and seldom say more.
const MAX_LENGTH: usize = 4096;
/// How long one input may take by default. Everything here takes microseconds or milliseconds; this is far
/// over what a busy machine adds to that.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes an input from nothing.
type Generator<'t> = Box<dyn Fn(&mut Random) -> Vec<u8> + 't>;

/// Says what an input stands for.
pub type Reading<'t> = &'t dyn Fn(&[u8]) -> String;

/// A fuzz target.
pub struct Fuzz<'t> {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    dictionary: &'t [&'t [u8]],
    generator: Option<Generator<'t>>,
    max_length: usize,
    patience: Duration,
    reading: Option<Reading<'t>>,
}

impl<'t> Fuzz<'t> {
    /// A target; its corpus is `corpus/NAME.txt`.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            seeds: Vec::new(),
            dictionary: &[],
            generator: None,
            max_length: MAX_LENGTH,
            patience: PATIENCE,
            reading: None,
        }
    }

    /// Inputs that mutation may begin with, besides the corpus.
    #[must_use]
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        self.seeds.extend(seeds.into_iter().map(Into::into));
        self
    }

    /// Words of the input's language, which mutation puts in.
    #[must_use]
    pub fn dictionary(mut self, words: &'t [&'t [u8]]) -> Self {
        self.dictionary = words;
        self
    }

    /// How to make an input that makes sense.
    #[must_use]
    pub fn generator(mut self, generator: impl Fn(&mut Random) -> Vec<u8> + 't) -> Self {
        self.generator = Some(Box::new(generator));
        self
    }

    /// The longest input, in bytes, 4096 if this is not called.
    #[must_use]
    pub fn max_length(mut self, bytes: usize) -> Self {
        self.max_length = bytes;
        self
    }

    /// How long one input may take, 10 s if this is not called.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What an input stands for, where its bytes do not tell, for the message about one that fails.
    #[must_use]
    pub fn reading(mut self, reading: Reading<'t>) -> Self {
        self.reading = Some(reading);
        self
    }

    /// Tries inputs on `property`, which panics when it does not hold: first those that are kept, then, for as
    /// long as `BEDCHECK_FUZZ_SECONDS` says, new ones.
    ///
    /// # Panics
    ///
    /// When the property does not hold for an input: the input is shrunk, written to a file, and named together
    /// with the command that repeats it. When an input takes longer than the target's patience the process is
    /// aborted after the same words, for nothing else ends a loop.
    pub fn run(self, property: impl Fn(&[u8])) {
        let options = Options::from_environment();
        let mut execution = Execution::new(self.name, &property, self.patience, self.reading);
        if let Some(input) = &options.input {
            return execution.repeat(input);
        }
        let kept = corpus::kept(self.name);
        let mut pool: Vec<Vec<u8>> = Vec::new();
        let mut coverage = Coverage::new();
        for input in kept.into_iter().chain(self.seeds.iter().cloned()) {
            coverage.begin();
            execution.attempt(&input);
            coverage.finish();
            pool.push(input);
        }
        let Some(time) = options.time else { return };
        let mut random = Rng::with_seed(options.seed);
        say(&format!("fuzz {}: seed {}", self.name, options.seed));
        let begun = Instant::now();
        let mutator = Mutator::new(self.dictionary, self.max_length);
        while begun.elapsed() < time {
            let input = self.next(&mut random, &pool, &mutator);
            coverage.begin();
            execution.attempt(&input);
            if coverage.finish() {
                pool.push(input);
            }
        }
        say(&format!(
            "fuzz {}: {} inputs in {} s, none failed{}",
            self.name,
            execution.attempts(),
            time.as_secs(),
            coverage.summary(pool.len()),
        ));
        if options.keep {
            let smallest = coverage.smallest_cover(pool, |input| execution.attempt(input));
            corpus::keep(self.name, &smallest);
            say(&format!("fuzz {}: {} inputs are kept", self.name, smallest.len()));
        }
    }

    fn next(&self, random: &mut Random, pool: &[Vec<u8>], mutator: &Mutator<'_>) -> Vec<u8> {
        match &self.generator {
            Some(generate) if pool.is_empty() || random.usize(..ONE_NEW_OF) == 0 => {
                let mut input = generate(random);
                input.truncate(self.max_length);
                input
            }
            _ => mutator.mutated(random, pool),
        }
    }
}

/// Prints a line, past the capturing of tests: whoever waits wants to see it, and the seed must be known even
/// if the process is killed.
fn say(line: &str) {
    // Nobody is told when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}
