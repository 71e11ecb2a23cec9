//! The instances that each thread keeps warm.
//!
//! They live as long as their transform and their thread: the last message of an old version is the end of its instances,
//! also on threads that have nothing to do.

use crate::instance::Instance;
use crate::stats::Counters;
use crate::transform::Transform;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The instance of one thread. Nobody else looks into it before the transform is gone, so that nobody waits for it.
type Place = Mutex<Option<Instance>>;

/// The places of all threads, for their transform.
#[derive(Default)]
pub(crate) struct Places(Mutex<Vec<Weak<Place>>>);

impl Places {
    fn open(&self) -> Arc<Place> {
        let place = Arc::<Place>::default();
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        place
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        for place in self.0.get_mut().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
            place.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

/// One transform on one thread.
struct Slot {
    transform: Weak<Transform>,
    /// Without an instance at first, and after a fault.
    place: Arc<Place>,
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
        visit(&mut slot.place.lock().unwrap_or_else(PoisonError::into_inner), &slot.counters)
    })
}

#[cold]
fn open(slots: &mut Vec<Slot>, transform: &Arc<Transform>) -> usize {
    // The first message on a new transform is a good moment to let go of those that are no more.
    slots.retain(|slot| slot.transform.strong_count() > 0);
    slots.push(Slot {
        transform: Arc::downgrade(transform),
        place: transform.places.open(),
        counters: transform.blueprint.belongings.ledger.open(),
    });
    slots.len() - 1
}
