//! Calls of transforms that take long, and the threads that these may occupy.
//!
//! A call is synchronous, so that a worker thread does nothing else before it ends. Two things keep others from waiting for
//! it. A charge point whose messages take long goes on only with a permit of the slow share, of which there are few, and
//! beside the workers ([`apart`]). And a call that turns out to be long gives its worker's place to another
//! thread ([`LONG_CALLS`]), as long as not too many do.

use ocpp_gateway_pipeline::LongCalls;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};

/// How long a thread may take to come and do a worker's work: some dozen microseconds, but on a crowded machine.
const HANDOVER: Duration = Duration::from_secs(1);

/// Calls that may go on at once on threads that have given their place as workers away, over all runtimes of the process.
const MAX_HANDED_OVER: usize = 8;

/// How many there are.
static HANDED_OVER: AtomicUsize = AtomicUsize::new(0);

/// What a thread is while a transform is called on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ThreadRole {
    /// Nothing special; a worker, most of the time.
    Ordinary,
    /// It has given its place to another, as the call is long.
    HandedOver,
    /// It was made sure beforehand that nobody waits for it.
    Apart,
}

thread_local! {
    static ROLE: Cell<ThreadRole> = const { Cell::new(ThreadRole::Ordinary) };
}

/// What is done about a call that takes some milliseconds and goes on.
pub(crate) const LONG_CALLS: LongCalls = LongCalls { begin: yield_worker, end: worker_is_back };

/// A worker thread of tokio's is about to be busy for long with a transform that takes its time. What waits for this
/// thread must not wait with it: its tasks, and the sockets, if it is the one that watches them. So another thread is made
/// that goes on in its place, while this one ends the call and is a worker no more.
fn yield_worker() {
    let Some(runtime) = with_workers().filter(|_| ROLE.get() == ThreadRole::Ordinary) else { return };
    let one_more = |number| (number < MAX_HANDED_OVER).then_some(number + 1);
    if HANDED_OVER.fetch_update(Relaxed, Relaxed, one_more).is_err() {
        return;
    }
    ROLE.set(ThreadRole::HandedOver);
    let (taken, takes) = mpsc::channel();
    // Whoever runs this runs the other tasks too. Nobody listens any more if that took too long.
    runtime.spawn(async move {
        let _ = taken.send(());
    });
    // The place is given up at once, but taken back if nobody has come for it when the closure ends.
    tokio::task::block_in_place(|| {
        let _ = takes.recv_timeout(HANDOVER);
    });
}

fn worker_is_back() {
    if ROLE.get() == ThreadRole::HandedOver {
        ROLE.set(ThreadRole::Ordinary);
        HANDED_OVER.fetch_sub(1, Relaxed);
    }
}

/// Runs what is known to take long while another thread does the worker's work.
pub(crate) fn apart<R>(run: impl FnOnce() -> R) -> R {
    /// However it ends.
    struct RestoreRole;
    impl Drop for RestoreRole {
        fn drop(&mut self) {
            ROLE.set(ThreadRole::Ordinary);
        }
    }
    if with_workers().is_none() {
        return run();
    }
    tokio::task::block_in_place(|| {
        ROLE.set(ThreadRole::Apart);
        let _back = RestoreRole;
        run()
    })
}

/// The runtime of this thread, if it has threads to give work to.
fn with_workers() -> Option<Handle> {
    Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}
