//! The instances that each thread keeps for its next calls.
//!
//! They live as long as their transform and their thread: the last message of an old version is the end of its instances,
//! also on threads that have nothing to do.

use crate::instance::Instance;
use crate::stats::{Counters, Ledger};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::sync::{Arc, Weak};

/// The instance of one thread. Nobody else looks into it before the transform is gone, so that nobody waits for it.
type Place = Mutex<Option<Instance>>;

/// The instances of one transform, a place for each thread that has called it. The transform alone holds on to it.
#[derive(Default)]
pub(crate) struct InstanceCache(Mutex<Vec<Weak<Place>>>);

/// What one thread has of one transform.
struct CachedInstance {
    cache: Weak<InstanceCache>,
    /// Without an instance at first, and after a fault.
    place: Arc<Place>,
    counters: Arc<Counters>,
}

thread_local! {
    /// Few: one per transform in use.
    static CACHED: RefCell<Vec<CachedInstance>> = const { RefCell::new(Vec::new()) };
}

impl InstanceCache {
    /// Runs `visit` on this thread's instance, if there is one, and its counters, which are opened in `ledger`.
    pub(crate) fn with<R>(
        self: &Arc<Self>,
        ledger: &Ledger,
        visit: impl FnOnce(&mut Option<Instance>, &Counters) -> R,
    ) -> R {
        CACHED.with_borrow_mut(|all| {
            let own = all.iter().position(|cached| std::ptr::eq(cached.cache.as_ptr(), Arc::as_ptr(self)));
            let own = own.unwrap_or_else(|| self.open(all, ledger));
            let cached = &mut all[own];
            visit(&mut cached.place.lock(), &cached.counters)
        })
    }

    #[cold]
    fn open(self: &Arc<Self>, all: &mut Vec<CachedInstance>, ledger: &Ledger) -> usize {
        // The first message on a new transform is a good moment to let go of those that are no more.
        all.retain(|cached| cached.cache.strong_count() > 0);
        let place = Arc::<Place>::default();
        let mut places = self.0.lock();
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        all.push(CachedInstance { cache: Arc::downgrade(self), place, counters: ledger.open() });
        all.len() - 1
    }
}

impl Drop for InstanceCache {
    fn drop(&mut self) {
        for place in self.0.get_mut().iter().filter_map(Weak::upgrade) {
            place.lock().take();
        }
    }
}
