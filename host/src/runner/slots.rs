//! How many runs go on at once. Their number can change while runs go on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The slots of a runner.
#[derive(Debug)]
pub(super) struct Slots {
    free: Semaphore,
    number: Mutex<Number>,
}

#[derive(Debug)]
struct Number {
    slots: usize,
    /// How many are taken that there are no more: whoever gives one back then leaves it to nobody.
    too_many: usize,
}

/// A slot that is taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Slot<'s> {
    slots: &'s Slots,
    permit: Option<SemaphorePermit<'s>>,
}

impl Slots {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            free: Semaphore::new(slots),
            number: Mutex::new(Number { slots, too_many: 0 }),
        }
    }

    /// So many from now on. Runs that have one keep it to their end; until enough of them have ended, none begins.
    pub(super) fn set(&self, slots: usize) {
        let mut number = self.number();
        let before = std::mem::replace(&mut number.slots, slots);
        if slots < before {
            let fewer = before - slots;
            number.too_many += fewer - self.free.forget_permits(fewer);
        } else {
            let more = slots - before;
            let kept = more.min(number.too_many);
            number.too_many -= kept;
            self.free.add_permits(more - kept);
        }
    }

    /// Waits for a free one.
    pub(super) async fn take(&self) -> Slot<'_> {
        // The semaphore is never closed; were it, running at once would be the better failure.
        let permit = self.free.acquire().await.ok();
        Slot { slots: self, permit }
    }

    /// Takes one that is free and that nobody waits for.
    pub(super) fn take_spare(&self) -> Option<Slot<'_>> {
        let permit = self.free.try_acquire().ok()?;
        Some(Slot {
            slots: self,
            permit: Some(permit),
        })
    }

    fn number(&self) -> MutexGuard<'_, Number> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut number = self.slots.number();
        if number.too_many > 0
            && let Some(permit) = self.permit.take()
        {
            number.too_many -= 1;
            permit.forget();
        }
        // Given back under the lock, so that nobody counts it as taken meanwhile.
        drop(self.permit.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_slots_hold_at_once_and_end_no_run() {
        let slots = Slots::new(3);
        let mut taken: Vec<_> = (0..3).map(|_| slots.take_spare().unwrap()).collect();
        slots.set(1);
        taken.pop();
        assert!(slots.take_spare().is_none(), "two go on, where there is one slot");
        taken.pop();
        assert!(slots.take_spare().is_none(), "one goes on");
        taken.pop();
        let last = slots.take_spare();
        assert!(last.is_some() && slots.take_spare().is_none());
    }

    #[test]
    fn slots_that_were_to_go_and_stay_are_no_more_than_there_were() {
        let slots = Slots::new(3);
        let taken: Vec<_> = (0..3).map(|_| slots.take_spare().unwrap()).collect();
        slots.set(1);
        slots.set(2);
        assert!(slots.take_spare().is_none());
        slots.set(4);
        let more = slots.take_spare();
        assert!(more.is_some() && slots.take_spare().is_none());
        drop((taken, more));
        let all: Vec<_> = std::iter::from_fn(|| slots.take_spare()).collect();
        assert_eq!(all.len(), 4);
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_when_there_are_more() {
        let slots = Slots::new(1);
        let first = slots.take().await;
        let waits = async {
            let _second = slots.take().await;
        };
        let more = async { slots.set(2) };
        tokio::join!(waits, more);
        drop(first);
    }
}
