//! Limits on the memory of queued messages: in total, and for each owner.
//!
//! Charging never waits. Memory that is in use already is charged unconditionally ([`MemoryAccount::charge`]). A caller
//! that can hold back its sender waits for room first ([`MemoryAccount::poll_until`], [`MemoryPool::acquire`]). Any
//! other caller charges only if there is room, and refuses the message otherwise ([`MemoryAccount::try_charge`]). A
//! permit stays with its message, and returns its bytes when dropped.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// Accounts report to their pool in steps of this many bytes. A small message that is queued alone touches no memory
/// that other threads use, and each account has this much for itself, however full the pool is.
pub const POOL_STEP: usize = 4 << 10;

/// Approximate memory of a queued message besides its text, in bytes: the record, and the overhead of the allocator.
pub const MESSAGE_OVERHEAD: usize = 256;

/// Memory that many accounts share.
#[derive(Debug)]
pub struct MemoryPool {
    limit: usize,
    used: AtomicUsize,
    /// Length of `queue`, readable without its lock.
    waiting: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Waiter>>>,
}

/// The memory of one user of a pool.
#[derive(Debug)]
pub struct MemoryAccount {
    pool: Arc<MemoryPool>,
    limit: usize,
    used: AtomicUsize,
    /// A task waits for room.
    has_waiters: AtomicBool,
    waiter: Mutex<Option<Waker>>,
}

/// Bytes charged to an account and its pool. Returned when dropped.
#[derive(Debug)]
pub struct MemoryPermit {
    account: Arc<MemoryAccount>,
    bytes: usize,
}

/// Bytes reserved in a pool. Returned when dropped.
pub struct Reservation {
    pool: Arc<MemoryPool>,
    bytes: usize,
}

/// A request for a [`Reservation`]. Requests are granted in order. Dropping one gives up its place.
pub struct Acquire {
    pool: Arc<MemoryPool>,
    waiter: Arc<Waiter>,
    is_over: bool,
}

#[derive(Debug)]
struct Waiter {
    bytes: usize,
    is_granted: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl MemoryPool {
    /// `limit` in bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        let (used, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(MemoryPool { limit, used, waiting, queue: Mutex::default() })
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(SeqCst)
    }

    /// The limit in bytes. [`MemoryAccount::charge`], and a single message larger than the limit, can exceed it.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn is_full(&self) -> bool {
        self.used() >= self.limit
    }

    /// Whether a request for a [`Reservation`] waits.
    pub fn has_waiters(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    /// Reserves bytes as soon as they fit and all earlier requests are granted.
    pub fn acquire(self: &Arc<Self>, bytes: usize) -> Acquire {
        let is_granted = AtomicBool::new(false);
        let waiter = Arc::new(Waiter { bytes, is_granted, waker: Mutex::default() });
        if !self.has_waiters() && self.try_add(bytes) {
            waiter.is_granted.store(true, SeqCst);
        } else {
            let mut queue = self.queue.lock();
            queue.push_back(Arc::clone(&waiter));
            // Counted before checking for room, so that a later release of bytes sees the waiting request.
            self.waiting.fetch_add(1, SeqCst);
            self.grant(&mut queue);
        }
        Acquire { pool: Arc::clone(self), waiter, is_over: false }
    }

    /// Adds bytes if they fit. A request above the limit fits when nothing else is in use.
    fn try_add(&self, bytes: usize) -> bool {
        let fits = |used: usize| fits(used, bytes, self.limit).then_some(used + bytes);
        self.used.fetch_update(SeqCst, SeqCst, fits).is_ok()
    }

    fn add(&self, bytes: usize) {
        if bytes > 0 {
            self.used.fetch_add(bytes, SeqCst);
        }
    }

    fn subtract(&self, bytes: usize) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, SeqCst);
            if self.has_waiters() {
                self.grant(&mut self.queue.lock());
            }
        }
    }

    fn grant(&self, queue: &mut VecDeque<Arc<Waiter>>) {
        while let Some(first) = queue.pop_front_if(|first| self.try_add(first.bytes)) {
            self.waiting.fetch_sub(1, SeqCst);
            first.is_granted.store(true, SeqCst);
            first.waker.lock().take().into_iter().for_each(Waker::wake);
        }
    }
}

impl MemoryAccount {
    /// `limit` in bytes.
    pub fn new(pool: Arc<MemoryPool>, limit: usize) -> Arc<Self> {
        let (used, has_waiters) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(MemoryAccount { pool, limit, used, has_waiters, waiter: Mutex::default() })
    }

    pub fn pool(&self) -> &Arc<MemoryPool> {
        &self.pool
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(SeqCst)
    }

    /// Charges bytes that are in use already, even above the limit.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> MemoryPermit {
        self.add(bytes);
        MemoryPermit { account: Arc::clone(self), bytes }
    }

    /// Charges bytes if they fit into the account and the pool.
    pub fn try_charge(self: &Arc<Self>, bytes: usize) -> Option<MemoryPermit> {
        let fits = |used: usize| fits(used, bytes, self.limit).then_some(used + bytes);
        let before = self.used.fetch_update(SeqCst, SeqCst, fits).ok()?;
        let steps = steps(before + bytes) - steps(before);
        if steps == 0 || self.pool.try_add(steps) {
            return Some(MemoryPermit { account: Arc::clone(self), bytes });
        }
        // Other threads may have moved the account across a step meanwhile, so `subtract` works out the steps again.
        self.pool.add(steps);
        self.subtract(bytes);
        None
    }

    /// Ready when `condition` holds for the bytes in use and the limit. One task at a time may wait. It is woken when
    /// bytes are returned.
    pub fn poll_until(&self, cx: &mut Context<'_>, condition: impl Fn(usize, usize) -> bool) -> Poll<()> {
        if condition(self.used(), self.limit) {
            return Poll::Ready(());
        }
        *self.waiter.lock() = Some(cx.waker().clone());
        self.has_waiters.store(true, SeqCst);
        if condition(self.used(), self.limit) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn add(&self, bytes: usize) {
        let before = self.used.fetch_add(bytes, SeqCst);
        self.pool.add(steps(before + bytes) - steps(before));
    }

    fn subtract(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, SeqCst);
        self.pool.subtract(steps(before) - steps(before - bytes));
        if self.has_waiters.load(SeqCst) && self.has_waiters.swap(false, SeqCst) {
            self.waiter.lock().take().into_iter().for_each(Waker::wake);
        }
    }
}

impl MemoryPermit {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes the charge to this many bytes.
    pub fn resize(&mut self, bytes: usize) {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.account.add(more),
            None => self.account.subtract(self.bytes - bytes),
        }
        self.bytes = bytes;
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        self.account.subtract(self.bytes);
    }
}

impl Reservation {
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.pool.subtract(self.bytes);
    }
}

impl Future for Acquire {
    type Output = Reservation;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reservation> {
        if !self.waiter.is_granted.load(SeqCst) {
            *self.waiter.waker.lock() = Some(cx.waker().clone());
            // A grant since the check above has found no waker.
            if !self.waiter.is_granted.load(SeqCst) {
                return Poll::Pending;
            }
        }
        self.is_over = true;
        Poll::Ready(Reservation { pool: Arc::clone(&self.pool), bytes: self.waiter.bytes })
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut queue = self.pool.queue.lock();
        match queue.iter().position(|waiter| Arc::ptr_eq(waiter, &self.waiter)) {
            Some(place) => {
                queue.remove(place);
                self.pool.waiting.fetch_sub(1, SeqCst);
                // Later requests may need less.
                self.pool.grant(&mut queue);
            }
            None => {
                drop(queue);
                self.pool.subtract(self.waiter.bytes);
            }
        }
    }
}

/// Whether the bytes fit. A request above the limit fits when nothing else is in use.
fn fits(used: usize, more: usize, limit: usize) -> bool {
    used == 0 || used.saturating_add(more) <= limit
}

fn steps(bytes: usize) -> usize {
    bytes / POOL_STEP * POOL_STEP
}

#[cfg(test)]
mod tests;
