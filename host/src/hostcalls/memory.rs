//! The limits on a guest's memory, all its linear memories together, and on its tables; and how much memory
//! it had at most.

use wasmtime::ResourceLimiter;

/// How many elements all tables of a guest may have together, 8 bytes each: some ten thousand function pointers
/// are a large interpreter's.
const MAX_TABLE_ELEMENTS: usize = 50_000;
/// How many core instances, tables and memories one guest may consist of; interpreters compiled to
/// components have some fifty of the first two.
const MAX_INSTANCES: usize = 100;

/// Counts a guest's memory and refuses what is over the limit.
#[derive(Debug)]
pub struct MemoryMeter {
    limit: u64,
    now: u64,
    peak: u64,
    refused: bool,
    tables_refused: bool,
    table_elements: usize,
}

/// What a guest asked for and was refused. Whether it could do without is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemoryRefusal {
    /// Memory over its limit, which is so many bytes.
    #[error("memory than its {0} bytes")]
    Memory(u64),
    /// Elements of tables over what all of them may have together.
    #[error("elements of tables than the {MAX_TABLE_ELEMENTS} that a plugin may have")]
    Tables,
}

impl MemoryMeter {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            now: 0,
            peak: 0,
            refused: false,
            tables_refused: false,
            table_elements: 0,
        }
    }

    pub(super) fn peak(&self) -> u64 {
        self.peak
    }

    /// Refuses all growth from now on.
    pub(super) fn freeze(&mut self) {
        self.limit = self.limit.min(self.now);
    }

    pub(super) fn refusal(&self) -> Option<MemoryRefusal> {
        if self.refused {
            return Some(MemoryRefusal::Memory(self.limit));
        }
        self.tables_refused.then_some(MemoryRefusal::Tables)
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        if self.now.saturating_add(more) > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.now += more;
        self.peak = self.peak.max(self.now);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let all = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if all > MAX_TABLE_ELEMENTS {
            self.tables_refused = true;
            return Ok(false);
        }
        self.table_elements = all;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_INSTANCES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_together_are_limited() {
        let mut meter = MemoryMeter::new(100);
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(!meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(60, 100, None).unwrap());
        assert_eq!(
            (meter.peak(), meter.refusal()),
            (100, Some(MemoryRefusal::Memory(100)))
        );
    }

    #[test]
    fn all_tables_together_are_limited() {
        let mut meter = MemoryMeter::new(100);
        assert!(meter.table_growing(0, MAX_TABLE_ELEMENTS - 1, None).unwrap());
        assert!(!meter.table_growing(0, 2, None).unwrap());
        assert!(meter.table_growing(1, 2, None).unwrap());
        assert_eq!(meter.refusal(), Some(MemoryRefusal::Tables));
    }
}
