//! Coalesces wake-ups: a thread wakes once for several messages, as a network card interrupts once for several packets.
//!
//! An idle thread wakes for each message. With thousands of messages a second, that is one wake-up, some system calls
//! and one write to the broker for each of them. If the thread sleeps for a moment before it waits for events, one
//! wake-up serves all messages that arrived meanwhile. It sleeps only while more than one message is expected in that
//! time, so that single messages are not delayed. It does not sleep after a wake-up with several messages: on a busy
//! machine they gather anyway, and sleeping only adds latency.
//!
//! The kernel adds its timer slack, 50 µs by default.

use std::cell::RefCell;
use std::time::{Duration, Instant};

thread_local! {
    static TRAFFIC: RefCell<Traffic> = RefCell::new(Traffic::new(Instant::now()));
}

/// Counts a message, or another event of about the same rate, on this thread.
pub fn count_message() {
    // Saturating: without calls of `idle` the counter is never reset.
    TRAFFIC.with_borrow_mut(|traffic| traffic.messages = traffic.messages.saturating_add(1));
}

/// Called when this thread is about to wait for events. Sleeps for `moment` if more messages are expected in that time.
pub fn before_idle(moment: Duration) {
    if TRAFFIC.with_borrow_mut(|traffic| traffic.should_sleep(Instant::now(), moment)) {
        std::thread::sleep(moment);
    }
}

/// The recent rate of messages on a thread.
struct Traffic {
    /// Since the thread was idle last.
    messages: u32,
    idle_at: Instant,
    /// Exponentially decaying sums of messages and seconds up to `idle_at`.
    recent_messages: f32,
    recent_seconds: f32,
}

/// Factor by which the sums decay each time the thread is idle.
const DECAY: f32 = 0.9;
/// Messages in one wake-up from which on the thread does not sleep.
const SEVERAL: u32 = 4;
/// Longer intervals between wake-ups count as this long.
const MAX_INTERVAL: Duration = Duration::from_millis(10);

impl Traffic {
    fn new(now: Instant) -> Self {
        Traffic { messages: 0, idle_at: now, recent_messages: 0.0, recent_seconds: 0.0 }
    }

    /// Whether messages come one at a time, and more than one is expected within `moment`. Called each time the thread
    /// is idle.
    fn should_sleep(&mut self, now: Instant, moment: Duration) -> bool {
        let messages = std::mem::take(&mut self.messages);
        let passed = now.saturating_duration_since(self.idle_at).min(MAX_INTERVAL);
        self.idle_at = now;
        self.recent_messages = self.recent_messages * DECAY + messages as f32;
        self.recent_seconds = self.recent_seconds * DECAY + passed.as_secs_f32();
        messages < SEVERAL && self.recent_messages * moment.as_secs_f32() > self.recent_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_micros(50);

    /// The decisions of `times` idle calls, with `messages` before each and `apart` between them.
    fn decisions(traffic: &mut Traffic, times: usize, messages: u32, apart: Duration) -> Vec<bool> {
        (0..times)
            .map(|_| {
                traffic.messages = messages;
                let now = traffic.idle_at + apart;
                traffic.should_sleep(now, MOMENT)
            })
            .collect()
    }

    #[test]
    fn thread_sleeps_if_the_next_message_is_expected_within_the_sleep() {
        for (messages, apart, dense) in [(1, 40, true), (1, 60, false), (3, 120, true), (3, 180, false), (0, 10, false)]
        {
            let mut traffic = Traffic::new(Instant::now());
            let decided = decisions(&mut traffic, 100, messages, Duration::from_micros(apart));
            assert_eq!(decided.last(), Some(&dense), "{messages} in {apart} µs");
        }
    }

    #[test]
    fn thread_does_not_sleep_when_several_messages_come_at_once() {
        let mut traffic = Traffic::new(Instant::now());
        assert!(!decisions(&mut traffic, 100, SEVERAL, Duration::from_micros(20)).contains(&true));
        assert_eq!(decisions(&mut traffic, 1, 1, Duration::from_micros(20)), [true]);
    }

    #[test]
    fn first_message_after_a_long_silence_is_not_delayed() {
        let mut traffic = Traffic::new(Instant::now());
        assert!(decisions(&mut traffic, 100, 1, Duration::from_micros(20)).ends_with(&[true]));
        assert_eq!(decisions(&mut traffic, 1, 1, Duration::from_secs(60)), [false]);
        let decided = decisions(&mut traffic, 200, 1, Duration::from_micros(20));
        assert!(!decided[0] && decided[199], "{decided:?}");
    }

    #[test]
    fn messages_are_counted_per_thread() {
        std::thread::spawn(|| {
            let began = Instant::now();
            TRAFFIC.with_borrow_mut(|traffic| traffic.recent_messages = 1e6);
            count_message();
            before_idle(MOMENT);
            assert!(began.elapsed() >= MOMENT);
            assert_eq!(TRAFFIC.with_borrow(|traffic| traffic.messages), 0);
        })
        .join()
        .expect("no panic");
    }
}
