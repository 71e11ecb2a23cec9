//! Long calls of transforms, and the threads that they may occupy.
//!
//! A call is synchronous: its worker thread does nothing else until it ends. Two things keep other tasks from waiting
//! for it. The messages of slow charge points need one of a few permits, and run outside of the workers
//! ([`run_outside_workers`]). Any other call that becomes long hands its role as a worker over to another thread
//! ([`LONG_CALLS`]), up to a limit.

use ocpp_gateway_pipeline::LongCalls;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};

/// How long to wait for the thread that becomes the worker. It takes some dozen microseconds, and more on a busy
/// machine.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(1);

/// The most calls at the same time on threads that have handed over their role as workers, over all runtimes of the
/// process.
const MAX_HANDED_OVER: usize = 8;

/// The number of such calls.
static HANDED_OVER: AtomicUsize = AtomicUsize::new(0);

/// The role of a thread while it calls a transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ThreadRole {
    /// Usually a worker.
    Ordinary,
    /// The thread has handed over its role as a worker, because the call is long.
    HandedOver,
    /// The thread has handed over its role as a worker before the call, so that no task waits for it.
    OutsideWorkers,
}

thread_local! {
    static ROLE: Cell<ThreadRole> = const { Cell::new(ThreadRole::Ordinary) };
}

/// What happens when a call has taken some milliseconds and goes on, and when it ends.
pub(crate) const LONG_CALLS: LongCalls = LongCalls { begin: yield_worker, end: end_long_call };

/// Hands the role of this worker thread over to another thread, because a transform occupies it for long. The tasks of
/// this thread must not wait, nor the sockets if it is the one that polls them. This thread ends the call, and is a
/// worker no more.
fn yield_worker() {
    let Some(runtime) = multi_thread_runtime().filter(|_| ROLE.get() == ThreadRole::Ordinary) else { return };
    let one_more = |number| (number < MAX_HANDED_OVER).then_some(number + 1);
    if HANDED_OVER.fetch_update(Relaxed, Relaxed, one_more).is_err() {
        return;
    }
    ROLE.set(ThreadRole::HandedOver);
    let (started, has_started) = mpsc::channel();
    // The thread that runs this task also runs the others. Sending fails if that took too long.
    runtime.spawn(async move {
        let _ = started.send(());
    });
    // tokio releases the role at once, but takes it back if no thread has claimed it when the closure ends.
    tokio::task::block_in_place(|| {
        let _ = has_started.recv_timeout(HANDOVER_TIMEOUT);
    });
}

fn end_long_call() {
    if ROLE.get() == ThreadRole::HandedOver {
        ROLE.set(ThreadRole::Ordinary);
        HANDED_OVER.fetch_sub(1, Relaxed);
    }
}

/// Runs what is known to take long, while another thread is the worker.
pub(crate) fn run_outside_workers<R>(run: impl FnOnce() -> R) -> R {
    /// Restores the role, also after a panic.
    struct RestoreRole;
    impl Drop for RestoreRole {
        fn drop(&mut self) {
            ROLE.set(ThreadRole::Ordinary);
        }
    }
    if multi_thread_runtime().is_none() {
        return run();
    }
    tokio::task::block_in_place(|| {
        ROLE.set(ThreadRole::OutsideWorkers);
        let _restore = RestoreRole;
        run()
    })
}

/// The runtime of this thread, if it has several threads.
fn multi_thread_runtime() -> Option<Handle> {
    Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}
