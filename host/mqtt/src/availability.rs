//! Whether the broker can be reached, and a clock that stops while it cannot.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// The bit of the state that is set while the broker is away.
const AWAY: u64 = 1 << 63;

/// Whether the broker can be reached: the publisher is connected, and answers to publications would arrive (see
/// [`Subscriber::current`](crate::Subscriber::current)). The broker is away until it is reached for the first time.
///
/// Waits for answers of a back end are measured in the broker's time, which stops while the broker is away. The state
/// is one atomic number, so that reading it costs next to nothing.
#[derive(Debug)]
pub struct Availability {
    start: Instant,
    /// Nanoseconds. While the broker can be reached: the total time it has been away. While it is away: [`AWAY`] and
    /// the broker's time, counted from `start`.
    state: AtomicU64,
    reached: watch::Sender<bool>,
}

impl Availability {
    pub(crate) fn new(now: Instant) -> Self {
        Availability { start: now, state: AtomicU64::new(AWAY), reached: watch::channel(false).0 }
    }

    pub fn is_away(&self) -> bool {
        self.state.load(Relaxed) & AWAY != 0
    }

    /// The total time the broker has been away. Its time is behind `now` by this much.
    pub fn time_away(&self, now: Instant) -> Duration {
        let state = self.state.load(Relaxed);
        let behind = if state & AWAY == 0 { state } else { self.elapsed(now).saturating_sub(state & !AWAY) };
        Duration::from_nanos(behind)
    }

    /// The broker's time.
    pub fn broker_time(&self, now: Instant) -> Instant {
        // No later than `now`, and no earlier than `start`.
        now.checked_sub(self.time_away(now)).unwrap_or(self.start)
    }

    /// True while the broker can be reached. A change that is reverted at once may be missed.
    pub fn reached(&self) -> watch::Receiver<bool> {
        self.reached.subscribe()
    }

    pub(crate) fn set(&self, reached: bool, now: Instant) {
        if reached == self.is_away() {
            let state = match reached {
                true => nanos(self.time_away(now)),
                false => AWAY | self.elapsed(now).saturating_sub(nanos(self.time_away(now))),
            };
            self.state.store(state, Relaxed);
            self.reached.send_replace(reached);
        }
    }

    fn elapsed(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.start))
    }
}

/// Saturates at about 290 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX) & !AWAY
}

/// Keeps `availability` up to date until the publisher stops. `connected`: whether the publisher is connected.
pub(crate) async fn follow(
    availability: Arc<Availability>,
    mut connected: watch::Receiver<bool>,
    mut current: watch::Receiver<bool>,
) {
    loop {
        let reached = *connected.borrow_and_update() && *current.borrow_and_update();
        availability.set(reached, Instant::now());
        tokio::select! {
            changed = connected.changed() => if changed.is_err() { break },
            // `current` does not change any more once the subscriber has stopped.
            Ok(()) = current.changed() => {}
        }
    }
    availability.set(false, Instant::now());
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn broker_time_stops_while_the_broker_is_away() {
        let start = Instant::now();
        let availability = Availability::new(start);
        assert!(availability.is_away());
        assert_eq!(availability.broker_time(start + 5 * SECOND), start);

        availability.set(true, start + 5 * SECOND);
        assert_eq!(availability.time_away(start + 9 * SECOND), 5 * SECOND);
        assert_eq!(availability.broker_time(start + 9 * SECOND), start + 4 * SECOND);

        availability.set(false, start + 10 * SECOND);
        assert!(availability.is_away());
        assert_eq!(availability.broker_time(start + 10 * SECOND), start + 5 * SECOND);
        assert_eq!(availability.broker_time(start + 30 * SECOND), start + 5 * SECOND);
        assert_eq!(availability.time_away(start + 30 * SECOND), 25 * SECOND);

        availability.set(true, start + 30 * SECOND);
        assert!(!availability.is_away());
        assert_eq!(availability.broker_time(start + 31 * SECOND), start + 6 * SECOND);
    }

    #[test]
    fn repeated_state_changes_nothing() {
        let start = Instant::now();
        let availability = Availability::new(start);
        availability.set(false, start + SECOND);
        availability.set(true, start + 2 * SECOND);
        availability.set(true, start + 9 * SECOND);
        assert_eq!(availability.time_away(start + 10 * SECOND), 2 * SECOND);
    }

    #[test]
    fn broker_time_before_the_latest_change_is_within_bounds() {
        let start = Instant::now();
        let availability = Availability::new(start);
        availability.set(true, start + 2 * SECOND);
        availability.set(false, start + 9 * SECOND);
        assert!(availability.broker_time(start + 8 * SECOND) <= start + 7 * SECOND);
        assert!(availability.broker_time(start) >= start);
    }

    #[tokio::test]
    async fn broker_is_reached_only_with_both_connections() {
        let (connected, current) = (watch::channel(false).0, watch::channel(true).0);
        let availability = Arc::new(Availability::new(Instant::now()));
        let mut reached = availability.reached();
        tokio::spawn(follow(Arc::clone(&availability), connected.subscribe(), current.subscribe()));
        for (publisher, subscriber, expected) in [(true, true, true), (true, false, false), (true, true, true)] {
            connected.send_replace(publisher);
            current.send_replace(subscriber);
            reached.wait_for(|reached| *reached == expected).await.expect("it goes on");
        }
        drop(connected);
        reached.wait_for(|reached| !*reached).await.expect("it has ended");
    }
}
