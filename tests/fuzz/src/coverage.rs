//! What an input reached. The compiler counts it when `scripts/fuzz-rustc.sh` stands before it: each place of
//! the code has a byte that counts how often it was passed. Without such counters nothing is known, and nothing
//! is ever new.
#![expect(unsafe_code, reason = "the counters are the compiler's, given as addresses")]

use std::sync::Mutex;

/// Where there are counters: first byte and length of each crate's part.
static COUNTERS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called by counting code before `main`, once for each of its parts.
///
/// # Safety
///
/// `start` and `stop` are the ends of one array of bytes that lives as long as the process.
// SAFETY: the name is LLVM's for exactly this (SanitizerCoverage, inline 8-bit counters).
#[unsafe(no_mangle)]
unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    let part = (start as usize, (stop as usize).saturating_sub(start as usize));
    let mut parts = COUNTERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if part.1 > 0 && !parts.contains(&part) {
        parts.push(part);
    }
}

/// How many counters are looked at together.
const CHUNK: usize = 64;

/// What all inputs so far have reached.
pub(crate) struct Coverage {
    parts: Vec<(usize, usize)>,
    /// For each counter, how often it was passed: a bit for each [`magnitude`] there has been.
    seen: Vec<u8>,
}

impl Coverage {
    /// Nothing reached so far.
    pub(crate) fn new() -> Self {
        let parts = COUNTERS
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let length = parts.iter().map(|(_, length)| length).sum();
        Self {
            parts,
            seen: vec![0; length],
        }
    }

    /// Sets the counters to zero, before an input is tried.
    pub(crate) fn begin(&mut self) {
        for &(start, length) in &self.parts {
            // SAFETY: the array was announced by the code that counts in it and lives as long as the process;
            // of the threads that might count, the one that is fuzzed stands still, and a count lost to
            // another's is one that does not matter.
            unsafe { std::ptr::write_bytes(start as *mut u8, 0, length) };
        }
    }

    /// Whether the input that was tried reached something new.
    pub(crate) fn finish(&mut self) -> bool {
        let mut is_new = false;
        let mut before = 0;
        for &(start, length) in &self.parts {
            // SAFETY: as in `begin`.
            let counters = unsafe { std::slice::from_raw_parts(start as *const u8, length) };
            let seen = &mut self.seen[before..before + length];
            before += length;
            for (counters, seen) in counters.chunks(CHUNK).zip(seen.chunks_mut(CHUNK)) {
                // Most of a program is never passed.
                if counters.iter().all(|count| *count == 0) {
                    continue;
                }
                for (&count, seen) in counters.iter().zip(seen) {
                    if count > 0 && *seen & magnitude(count) == 0 {
                        *seen |= magnitude(count);
                        is_new = true;
                    }
                }
            }
        }
        is_new
    }

    /// How much was reached, for a line that says so; nothing without counters.
    pub(crate) fn summary(&self, pool: usize) -> String {
        if self.seen.is_empty() {
            return String::new();
        }
        let reached = self.seen.iter().filter(|seen| **seen > 0).count();
        format!(
            "; they reach {reached} of {} places, {pool} of them differently",
            self.seen.len()
        )
    }

    /// Of these inputs, some that reach as much as all, short ones first.
    pub(crate) fn smallest_cover(
        &self,
        mut pool: Vec<Vec<u8>>,
        mut attempt: impl FnMut(&[u8]),
    ) -> Vec<Vec<u8>> {
        pool.sort_by_key(Vec::len);
        pool.dedup();
        let mut coverage = Self::new();
        pool.retain(|input| {
            coverage.begin();
            attempt(input);
            coverage.finish()
        });
        pool
    }
}

/// How often a place was passed, roughly: as one bit of eight.
fn magnitude(count: u8) -> u8 {
    match count {
        0..=1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        128..=255 => 128,
    }
}
