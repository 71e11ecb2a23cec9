//! Computes slow password hashes, for all listeners together.

use super::fair_workers::{FairWorkers, QueuePlace};
use super::users::User;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The assumed time of a hash before the first one is measured.
pub(super) const INITIAL_ESTIMATE: Duration = Duration::from_millis(50);

/// Computes hashes off the threads that serve charge points, on half of the processors, rounded up: with workers for
/// each listener, a reconnect of all charge points would take all processors.
#[derive(Debug)]
pub struct HashWorkers {
    pub(super) permits: Arc<FairWorkers>,
    /// Moving average of the time of a hash, in nanoseconds.
    average: AtomicU64,
}

/// Who asks for a hash.
#[derive(Debug)]
pub(super) struct Client<'a> {
    pub(super) listener: &'a Arc<str>,
    pub(super) address: IpAddr,
}

impl HashWorkers {
    pub fn new() -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
        let permits = FairWorkers::new(processors.div_ceil(2));
        Arc::new(HashWorkers { permits, average: AtomicU64::new(nanoseconds(INITIAL_ESTIMATE)) })
    }

    /// Whether this is the password. `None`: the request would wait longer than `longest_wait` for a worker.
    pub(super) async fn verify(
        &self,
        user: Arc<User>,
        password: Vec<u8>,
        client: Client<'_>,
        longest_wait: Duration,
    ) -> Option<bool> {
        let average = self.average.load(Ordering::Relaxed).max(1);
        let longest = nanoseconds(longest_wait) / average;
        // The permit is held until the work is done, even if the caller is cancelled.
        let permit = match self.permits.queue(client.listener, client.address, longest)? {
            QueuePlace::Now(permit) => permit,
            QueuePlace::Later(permit) => permit.await.ok()?,
        };
        let work = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let verified = user.hash.verify(&password);
            drop(permit);
            (verified, started.elapsed())
        });
        let (verified, took) = work.await.ok()?;
        let average = self.average.load(Ordering::Relaxed);
        self.average.store(average - average / 8 + nanoseconds(took) / 8, Ordering::Relaxed);
        Some(verified)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
