//! How much memory queued messages may take: in all, and for each of those that they belong to.
//!
//! Nothing here waits. What was taken in is charged ([`MemoryAccount::charge`]); who can hold back a sender asks before it takes
//! in more ([`MemoryAccount::poll_until`], [`MemoryPool::acquire`]); who cannot asks whether there is room, and refuses
//! ([`MemoryAccount::try_charge`]). A permit travels with what it is for, and gives its bytes back when that is dropped.

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

/// Accounts report to their pool in steps of so many bytes. So a message that comes and goes while nothing else waits touches
/// no memory that other threads use; and each account has so much for itself, however full the pool is.
pub const ASSURED: usize = 4 << 10;

/// What a queued message takes beside its text, in bytes, roughly: the record itself, and what the allocator adds.
pub const MESSAGE_OVERHEAD: usize = 256;

/// Memory that many share.
#[derive(Debug)]
pub struct MemoryPool {
    limit: usize,
    used: AtomicUsize,
    /// As many as are in `queue`, to be read without its lock.
    waiting: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Waiter>>>,
}

/// The memory of one of those who share a pool.
#[derive(Debug)]
pub struct MemoryAccount {
    pool: Arc<MemoryPool>,
    limit: usize,
    used: AtomicUsize,
    /// Somebody waits for room.
    is_awaited: AtomicBool,
    waiter: Mutex<Option<Waker>>,
}

/// Bytes of an account, and of its pool.
#[derive(Debug)]
pub struct MemoryPermit {
    account: Arc<MemoryAccount>,
    bytes: usize,
}

/// Bytes of a pool that nobody else can have.
pub struct Reservation {
    pool: Arc<MemoryPool>,
    bytes: usize,
}

/// A request for a [`Reservation`]. Requests are granted in their order; dropping one gives its place up.
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

    /// In bytes. More can be in use: by what was charged, and by a single message that is larger.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn is_full(&self) -> bool {
        self.used() >= self.limit
    }

    /// Whether somebody waits for a [`Reservation`].
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    /// Reserves bytes as soon as they fit, after all who have asked before.
    pub fn acquire(self: &Arc<Self>, bytes: usize) -> Acquire {
        let is_granted = AtomicBool::new(false);
        let waiter = Arc::new(Waiter { bytes, is_granted, waker: Mutex::default() });
        if !self.is_awaited() && self.try_add(bytes) {
            waiter.is_granted.store(true, SeqCst);
        } else {
            let mut queue = self.queue.lock();
            queue.push_back(Arc::clone(&waiter));
            // Before the room is looked at: whoever frees some afterwards sees that somebody waits.
            self.waiting.fetch_add(1, SeqCst);
            self.grant(&mut queue);
        }
        Acquire { pool: Arc::clone(self), waiter, is_over: false }
    }

    /// Adds bytes if they fit. What is larger than the limit fits when there is nothing else.
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
            if self.is_awaited() {
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
        let (used, is_awaited) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(MemoryAccount { pool, limit, used, is_awaited, waiter: Mutex::default() })
    }

    pub fn pool(&self) -> &Arc<MemoryPool> {
        &self.pool
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(SeqCst)
    }

    /// Takes bytes for what is there already, even if that is more than there should be.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> MemoryPermit {
        self.add(bytes);
        MemoryPermit { account: Arc::clone(self), bytes }
    }

    /// Takes bytes if they fit, here and in the pool.
    pub fn try_charge(self: &Arc<Self>, bytes: usize) -> Option<MemoryPermit> {
        let fits = |used: usize| fits(used, bytes, self.limit).then_some(used + bytes);
        let before = self.used.fetch_update(SeqCst, SeqCst, fits).ok()?;
        let steps = steps(before + bytes) - steps(before);
        if steps == 0 || self.pool.try_add(steps) {
            return Some(MemoryPermit { account: Arc::clone(self), bytes });
        }
        // In the meantime others may have changed where the steps lie.
        self.pool.add(steps);
        self.subtract(bytes);
        None
    }

    /// Ready when `condition` holds for the bytes in use and the limit. One task at a time may ask; it is woken for each change.
    pub fn poll_until(&self, cx: &mut Context<'_>, condition: impl Fn(usize, usize) -> bool) -> Poll<()> {
        if condition(self.used(), self.limit) {
            return Poll::Ready(());
        }
        *self.waiter.lock() = Some(cx.waker().clone());
        self.is_awaited.store(true, SeqCst);
        if condition(self.used(), self.limit) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn add(&self, bytes: usize) {
        let before = self.used.fetch_add(bytes, SeqCst);
        self.pool.add(steps(before + bytes) - steps(before));
    }

    fn subtract(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, SeqCst);
        self.pool.subtract(steps(before) - steps(before - bytes));
        if self.is_awaited.load(SeqCst) && self.is_awaited.swap(false, SeqCst) {
            self.waiter.lock().take().into_iter().for_each(Waker::wake);
        }
    }
}

impl MemoryPermit {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The same for as many bytes as there are now.
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
            // It may have been granted in between, and then nobody was woken.
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
                // Those behind it may need less.
                self.pool.grant(&mut queue);
            }
            None => {
                drop(queue);
                self.pool.subtract(self.waiter.bytes);
            }
        }
    }
}

/// What is larger than the limit fits where nothing else is.
fn fits(used: usize, more: usize, limit: usize) -> bool {
    used == 0 || used.saturating_add(more) <= limit
}

fn steps(bytes: usize) -> usize {
    bytes / ASSURED * ASSURED
}

#[cfg(test)]
mod tests;
