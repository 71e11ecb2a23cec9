use std::{
    sync::{Barrier, atomic::AtomicUsize},
    task::Wake,
    thread,
};

use super::*;

const KIB: usize = 1 << 10;

/// Counts how often it is woken.
#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl CountingWaker {
    fn wakes(&self) -> usize {
        self.0.load(SeqCst)
    }
}

fn poll(acquire: &mut Acquire, counter: &Arc<CountingWaker>) -> Option<Reservation> {
    let waker = Waker::from(Arc::clone(counter));
    match Pin::new(acquire).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(reservation) => Some(reservation),
        Poll::Pending => None,
    }
}

fn has_room(account: &MemoryAccount, counter: &Arc<CountingWaker>, bytes: usize) -> bool {
    let waker = Waker::from(Arc::clone(counter));
    account.poll_until(&mut Context::from_waker(&waker), |used, limit| used + bytes <= limit).is_ready()
}

#[test]
fn account_is_charged_until_its_permits_are_dropped() {
    let pool = MemoryPool::new(1024 * KIB);
    let account = MemoryAccount::new(Arc::clone(&pool), 64 * KIB);
    let mut permit = account.charge(10 * KIB);
    let other = account.charge(30 * KIB);
    assert_eq!((account.used(), pool.used()), (40 * KIB, 40 * KIB));
    permit.resize(2 * KIB);
    assert_eq!((account.used(), permit.bytes(), pool.used()), (32 * KIB, 2 * KIB, 32 * KIB));
    drop((permit, other));
    assert_eq!((account.used(), pool.used()), (0, 0));
}

#[test]
fn small_charges_do_not_touch_the_pool() {
    let pool = MemoryPool::new(1024 * KIB);
    let account = MemoryAccount::new(Arc::clone(&pool), 64 * KIB);
    let permits: Vec<_> = (0..3).map(|_| account.charge(KIB)).collect();
    assert_eq!((account.used(), pool.used()), (3 * KIB, 0));
    let fourth = account.charge(KIB);
    assert_eq!(pool.used(), POOL_STEP);
    drop((permits, fourth));
    assert_eq!(pool.used(), 0);
}

#[test]
fn charges_that_do_not_fit_are_refused_unless_nothing_else_is_in_use() {
    let pool = MemoryPool::new(100 * KIB);
    let account = MemoryAccount::new(Arc::clone(&pool), 20 * KIB);
    let large = account.try_charge(50 * KIB).expect("larger than the account, and the only one");
    assert!(account.try_charge(1).is_none());
    drop(large);
    let first = account.try_charge(15 * KIB).expect("room");
    assert!(account.try_charge(6 * KIB).is_none(), "over the account's limit");
    let neighbour = MemoryAccount::new(Arc::clone(&pool), usize::MAX);
    let much = neighbour.charge(88 * KIB);
    assert!(account.try_charge(5 * KIB).is_none(), "over the pool's limit");
    assert_eq!((account.used(), pool.used()), (15 * KIB, 100 * KIB), "a refusal leaves nothing behind");
    drop(much);
    assert!(account.try_charge(5 * KIB).is_some());
    drop(first);
    assert_eq!(pool.used(), 0);
}

#[test]
fn small_charge_fits_into_a_full_pool() {
    let pool = MemoryPool::new(100 * KIB);
    let neighbour = MemoryAccount::new(Arc::clone(&pool), usize::MAX);
    let much = neighbour.charge(200 * KIB);
    let account = MemoryAccount::new(Arc::clone(&pool), 20 * KIB);
    let little = account.try_charge(3 * KIB).expect("assured");
    assert!(account.try_charge(KIB).is_none());
    drop((much, little));
    assert_eq!(pool.used(), 0);
}

#[test]
fn task_waiting_for_room_in_an_account_is_woken() {
    let account = MemoryAccount::new(MemoryPool::new(100 * KIB), 20 * KIB);
    let counter = Arc::new(CountingWaker::default());
    let permit = account.charge(15 * KIB);
    assert!(has_room(&account, &counter, 5 * KIB) && !has_room(&account, &counter, 6 * KIB));
    drop(permit);
    assert_eq!(counter.wakes(), 1);
    assert!(has_room(&account, &counter, 6 * KIB));
}

#[test]
fn requests_are_granted_in_their_order() {
    let pool = MemoryPool::new(10);
    let counter = Arc::new(CountingWaker::default());
    let first = poll(&mut pool.acquire(8), &counter).expect("room");
    let (mut large, mut small) = (pool.acquire(9), pool.acquire(1));
    assert!(poll(&mut large, &counter).is_none());
    assert!(poll(&mut small, &counter).is_none(), "it would fit, but an earlier request waits");
    assert!(pool.has_waiters());
    drop(first);
    assert_eq!(counter.wakes(), 2);
    let (large, small) = (poll(&mut large, &counter).expect("granted"), poll(&mut small, &counter).expect("granted"));
    assert_eq!((pool.used(), large.bytes(), small.bytes()), (10, 9, 1));
    assert!(!pool.has_waiters() && pool.is_full());
    drop((large, small));
    assert_eq!(pool.used(), 0);
}

#[test]
fn request_larger_than_the_pool_is_granted_when_the_pool_is_empty() {
    let pool = MemoryPool::new(10);
    let counter = Arc::new(CountingWaker::default());
    let one = poll(&mut pool.acquire(1), &counter).expect("room");
    let mut large = pool.acquire(100);
    assert!(poll(&mut large, &counter).is_none());
    drop(one);
    assert_eq!(poll(&mut large, &counter).expect("granted").bytes(), 100);
}

#[test]
fn dropped_request_frees_its_place_and_its_bytes() {
    let pool = MemoryPool::new(10);
    let counter = Arc::new(CountingWaker::default());
    let one = poll(&mut pool.acquire(5), &counter).expect("room");
    let (large, mut small) = (pool.acquire(9), pool.acquire(5));
    assert!(poll(&mut small, &counter).is_none());
    drop(large);
    let small = poll(&mut small, &counter).expect("no earlier request");
    drop((one, small));
    // Granted, but never polled.
    drop(pool.acquire(10));
    assert_eq!(pool.used(), 0);
}

#[test]
fn concurrent_threads_leave_no_bytes_in_use_and_no_request_waiting() {
    const THREADS: usize = 4;
    let pool = MemoryPool::new(32 * KIB);
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (pool, barrier) = (&pool, &barrier);
            scope.spawn(move || {
                let account = MemoryAccount::new(Arc::clone(pool), 16 * KIB);
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                barrier.wait();
                for round in 0..2000 {
                    let bytes = (round * 37 + thread * 1013) % (12 * KIB) + 1;
                    let reservation = runtime.block_on(pool.acquire(bytes));
                    let charged = account.charge(bytes / 2);
                    drop(account.try_charge(bytes));
                    drop(reservation);
                    drop(charged);
                }
                assert_eq!(account.used(), 0);
            });
        }
    });
    assert_eq!((pool.used(), pool.has_waiters()), (0, false));
}
