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
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if is_beyond(maximum, desired, self.limit) {
            return Ok(false);
        }
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
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if is_beyond(maximum, desired, MAX_TABLE_ELEMENTS as u64) {
            return Ok(false);
        }
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

/// Whether the guest has bounded itself to less than we do: such a growth fails without us, and is neither counted nor
/// refused. A maximum may be the engine's too, which is none of the guest's and not under ours.
fn is_beyond(maximum: Option<usize>, desired: usize, limit: u64) -> bool {
    maximum.is_some_and(|maximum| desired > maximum && (maximum as u64) < limit)
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
    fn what_a_guest_denies_itself_is_neither_counted_nor_refused() {
        let mut meter = MemoryMeter::new(100);
        assert!(meter.memory_growing(0, 60, Some(70)).unwrap());
        assert!(!meter.memory_growing(60, 80, Some(70)).unwrap());
        assert!(!meter.table_growing(0, 2, Some(1)).unwrap());
        assert_eq!(
            (meter.peak(), meter.table_elements, meter.refusal()),
            (60, 0, None)
        );
        assert!(meter.memory_growing(60, 70, Some(70)).unwrap());
        assert_eq!((meter.now, meter.peak()), (70, 70));
    }

    #[test]
    fn all_tables_together_are_limited() {
        let mut meter = MemoryMeter::new(100);
        assert!(meter.table_growing(0, MAX_TABLE_ELEMENTS - 1, None).unwrap());
        assert!(!meter.table_growing(0, 2, None).unwrap());
        assert!(meter.table_growing(1, 2, None).unwrap());
        assert_eq!(meter.refusal(), Some(MemoryRefusal::Tables));
        // The engine's maximum is as large as ours.
        let mut meter = MemoryMeter::new(100);
        let grown = meter.table_growing(0, MAX_TABLE_ELEMENTS + 1, Some(MAX_TABLE_ELEMENTS));
        assert!(!grown.unwrap());
        assert_eq!(meter.refusal(), Some(MemoryRefusal::Tables));
    }
}
