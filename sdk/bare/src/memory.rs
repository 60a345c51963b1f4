//! The allocator: Rust's own for this target, given memory page by page. It marks the end of what it has been given, and what
//! it has not been given no run writes to.

#![expect(unsafe_code, reason = "an allocator is one in no other way")]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::memory_grow;
use std::cell::{Cell, UnsafeCell};
use std::ptr;

use dlmalloc::{Allocator, Dlmalloc};

/// How much the allocator is given at least at a time: a quarter of a page of most machines, behind whose end it writes.
const PIECE: usize = 1024;
/// A page of WebAssembly.
const PAGE: usize = 64 * 1024;

#[global_allocator]
static MEMORY: Memory = Memory(UnsafeCell::new(allocator()));

const fn allocator() -> Dlmalloc<Pieces> {
    let mut allocator = Dlmalloc::new_with_allocator(Pieces(Cell::new(None)));
    assert!(allocator.set_granularity(PIECE));
    allocator
}

struct Memory(UnsafeCell<Dlmalloc<Pieces>>);

// SAFETY: a plugin has one thread.
unsafe impl Sync for Memory {}

// SAFETY: all of it is the allocator's own promise. It calls nothing that could call it again.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { (*self.0.get()).free(memory, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { (*self.0.get()).realloc(memory, layout.size(), layout.align(), size) }
    }
}

/// What the allocator has not been given yet: from here to there.
struct Pieces(Cell<Option<(usize, usize)>>);

impl Pieces {
    /// What lies behind the plugin's data and stack at first.
    fn initial() -> (usize, usize) {
        unsafe extern "C" {
            safe static __heap_base: u8;
            safe static __heap_end: u8;
        }
        ((&raw const __heap_base).addr(), (&raw const __heap_end).addr())
    }

    /// So many bytes, up to the end of a piece; with more memory where there is too little.
    fn take(&self, size: usize) -> Option<(usize, usize)> {
        let (mut begin, mut end) = self.0.get().unwrap_or_else(Self::initial);
        if end - begin < size {
            let grown = memory_grow(0, size.div_ceil(PAGE)).checked_mul(PAGE)?;
            if grown != end {
                begin = grown;
            }
            end = grown.checked_add(size.next_multiple_of(PAGE))?;
        }
        let taken = begin.checked_add(size)?.next_multiple_of(PIECE).min(end);
        self.0.set(Some((taken, end)));
        Some((begin, taken - begin))
    }
}

// SAFETY: what is handed out is memory that nobody else has, and is never handed out again.
unsafe impl Allocator for Pieces {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        match self.take(size) {
            Some((begin, size)) => (ptr::with_exposed_provenance_mut(begin), size, 0),
            None => (ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}
