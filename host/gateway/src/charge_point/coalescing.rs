//! Waking once for several messages, as a network card interrupts once for several packets.
//!
//! A thread that has nothing left to do is woken by whatever comes next. Where messages come thousands of times a second, that
//! is a wake-up and some system calls for each of them, and the broker is written to for each of them. If the thread sleeps for
//! a moment first, one wake-up serves all that have come meanwhile. So it does, but only while more than one is to be expected
//! in that time: where messages are few, none of them waits. Nor does it after a wake-up that found several: a machine that is
//! busy enough lets them gather by itself, and then a sleep only costs time.
//!
//! The kernel adds its timer slack, 50 µs unless it is told otherwise.

use std::cell::RefCell;
use std::time::{Duration, Instant};

thread_local! {
    static TRAFFIC: RefCell<Traffic> = RefCell::new(Traffic::new(Instant::now()));
}

/// This thread has a message, or something as rare, before it.
pub fn message() {
    // Where no thread is ever asked whether it is idle, nobody takes them away.
    TRAFFIC.with_borrow_mut(|traffic| traffic.messages = traffic.messages.saturating_add(1));
}

/// This thread is about to ask the system what else there is. Sleeps for `moment` if more is about to come.
pub fn idle(moment: Duration) {
    if TRAFFIC.with_borrow_mut(|traffic| traffic.wants_sleep(Instant::now(), moment)) {
        std::thread::sleep(moment);
    }
}

/// How densely messages have come of late.
struct Traffic {
    /// Since the thread was idle the last time.
    messages: u32,
    idle_at: Instant,
    /// Messages and seconds up to then, of which those long ago count little.
    recent_messages: f32,
    recent_seconds: f32,
}

/// What of the past still counts at the next time that the thread is idle.
const MEMORY: f32 = 0.9;
/// So many messages are worth a wake-up.
const SEVERAL: u32 = 4;
/// A longer time without a message says no more about what is to come than this.
const LONGEST: Duration = Duration::from_millis(10);

impl Traffic {
    fn new(now: Instant) -> Self {
        Traffic { messages: 0, idle_at: now, recent_messages: 0.0, recent_seconds: 0.0 }
    }

    /// Whether messages come one at a time, and more than one is to be expected within `moment`. To be asked each time that
    /// the thread is idle.
    fn wants_sleep(&mut self, now: Instant, moment: Duration) -> bool {
        let messages = std::mem::take(&mut self.messages);
        let passed = now.saturating_duration_since(self.idle_at).min(LONGEST);
        self.idle_at = now;
        self.recent_messages = self.recent_messages * MEMORY + messages as f32;
        self.recent_seconds = self.recent_seconds * MEMORY + passed.as_secs_f32();
        messages < SEVERAL && self.recent_messages * moment.as_secs_f32() > self.recent_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_micros(50);

    /// What is decided after `times` of being idle, each after this many messages and this time.
    fn after(traffic: &mut Traffic, times: usize, messages: u32, apart: Duration) -> Vec<bool> {
        (0..times)
            .map(|_| {
                traffic.messages = messages;
                let now = traffic.idle_at + apart;
                traffic.wants_sleep(now, MOMENT)
            })
            .collect()
    }

    #[test]
    fn it_sleeps_where_the_next_message_is_nearer_than_it_would_sleep() {
        for (messages, apart, dense) in [(1, 40, true), (1, 60, false), (3, 120, true), (3, 180, false), (0, 10, false)]
        {
            let mut traffic = Traffic::new(Instant::now());
            let decided = after(&mut traffic, 100, messages, Duration::from_micros(apart));
            assert_eq!(decided.last(), Some(&dense), "{messages} in {apart} µs");
        }
    }

    #[test]
    fn it_does_not_sleep_where_several_come_at_once() {
        let mut traffic = Traffic::new(Instant::now());
        assert!(!after(&mut traffic, 100, SEVERAL, Duration::from_micros(20)).contains(&true));
        assert_eq!(after(&mut traffic, 1, 1, Duration::from_micros(20)), [true]);
    }

    #[test]
    fn a_message_after_a_long_silence_does_not_wait() {
        let mut traffic = Traffic::new(Instant::now());
        assert!(after(&mut traffic, 100, 1, Duration::from_micros(20)).ends_with(&[true]));
        assert_eq!(after(&mut traffic, 1, 1, Duration::from_secs(60)), [false]);
        let decided = after(&mut traffic, 200, 1, Duration::from_micros(20));
        assert!(!decided[0] && decided[199], "{decided:?}");
    }

    #[test]
    fn messages_of_a_thread_are_counted_on_it() {
        std::thread::spawn(|| {
            let began = Instant::now();
            TRAFFIC.with_borrow_mut(|traffic| traffic.recent_messages = 1e6);
            message();
            idle(MOMENT);
            assert!(began.elapsed() >= MOMENT);
            assert_eq!(TRAFFIC.with_borrow(|traffic| traffic.messages), 0);
        })
        .join()
        .expect("no panic");
    }
}
