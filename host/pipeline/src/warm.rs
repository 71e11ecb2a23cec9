//! The instances that each thread keeps warm.

use crate::instance::Instance;
use crate::stats::Counters;
use crate::transform::Transform;
use std::cell::RefCell;
use std::sync::{Arc, Weak};

/// One transform on one thread.
struct Slot {
    transform: Weak<Transform>,
    /// None at first, and after a fault.
    instance: Option<Instance>,
    counters: Arc<Counters>,
}

thread_local! {
    /// Few: one per transform in use.
    static SLOTS: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) };
}

/// Runs `visit` on this thread's instance of `transform`, if there is one, and its counters.
pub(crate) fn with<R>(transform: &Arc<Transform>, visit: impl FnOnce(&mut Option<Instance>, &Counters) -> R) -> R {
    SLOTS.with_borrow_mut(|slots| {
        let place = slots.iter().position(|slot| std::ptr::eq(slot.transform.as_ptr(), Arc::as_ptr(transform)));
        let place = place.unwrap_or_else(|| open(slots, transform));
        let slot = &mut slots[place];
        visit(&mut slot.instance, &slot.counters)
    })
}

#[cold]
fn open(slots: &mut Vec<Slot>, transform: &Arc<Transform>) -> usize {
    // The first message on a new transform is a good moment to let go of those that are no more.
    slots.retain(|slot| slot.transform.strong_count() > 0);
    slots.push(Slot {
        transform: Arc::downgrade(transform),
        instance: None,
        counters: transform.blueprint.belongings.ledger.open(),
    });
    slots.len() - 1
}
