//! Rate limits.
//!
//! The usual crate, `governor`, does not fit: it reads a clock itself and answers only "not yet", so all waiting
//! callers would retry at the same moment. Here each caller reserves a time slot, and the state of a limit takes 8
//! bytes.

use std::time::Duration;

/// A point in time, in nanoseconds since an origin that the caller chooses.
pub type Nanos = u64;

/// A number of events per second, with bursts of up to one second's worth (generic cell rate algorithm, ITU-T I.371).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time from one slot to the next.
    interval: Nanos,
    /// How long before its slot an event may happen, after a pause.
    slack: Nanos,
}

impl Rate {
    /// `None` for 0: no limit.
    pub fn per_second(number: u32) -> Option<Self> {
        let interval = SECOND.checked_div(number.into())?.max(1);
        Some(Rate { interval, slack: interval * u64::from(number - 1) })
    }

    /// Reserves the first slot at or after `booked`, which is 0 at the start. Returns the new `booked`, and when the
    /// event may happen: at `now` or later.
    pub fn reserve(self, booked: Nanos, now: Nanos) -> (Nanos, Nanos) {
        let slot = booked.max(now);
        (slot + self.interval, slot.saturating_sub(self.slack).max(now))
    }
}

/// The answer to a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Admitted after this wait, which may be zero.
    After(Duration),
    /// Not admitted: too many others are waiting. A retry after this many seconds is admitted.
    RetryAfter { seconds: u32 },
}

/// Admits connections at a rate. Attempts wait if their slot is near; all others get a retry time each, so that they
/// return at the rate at which they can be admitted, and need not wait then.
#[derive(Debug)]
pub struct AdmissionLimiter {
    rate: Rate,
    next_admission: Nanos,
    next_retry: Nanos,
}

/// The longest wait for admission.
const MAX_WAIT: Nanos = 2 * SECOND;

/// The latest retry time, counted from now. Beyond it, the same retry times are given out again.
const MAX_RETRY: Nanos = 120 * SECOND;

const SECOND: Nanos = 1_000_000_000;

impl AdmissionLimiter {
    pub fn new(rate: Rate) -> Self {
        AdmissionLimiter { rate, next_admission: 0, next_retry: 0 }
    }

    pub fn admit(&mut self, now: Nanos) -> Admission {
        let (next_admission, due) = self.rate.reserve(self.next_admission, now);
        if due <= now + MAX_WAIT {
            self.next_admission = next_admission;
            return Admission::After(Duration::from_nanos(due - now));
        }
        // Retries start after the attempts that already wait.
        let mut free = self.next_retry.max(self.next_admission);
        if free > now + MAX_RETRY {
            free = self.next_admission;
        }
        self.next_retry = free + self.rate.interval;
        let seconds = (free - now).div_ceil(SECOND).max(1);
        Admission::RetryAfter { seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn rate(number: u32) -> Rate {
        Rate::per_second(number).expect("a limit")
    }

    #[test]
    fn burst_of_one_second_is_allowed_and_the_rest_is_evenly_spaced() {
        let rate = rate(4);
        let mut booked = 0;
        let mut due = |now| {
            let (next, due) = rate.reserve(booked, now);
            booked = next;
            due
        };
        let quarter = SECOND / 4;
        let start = 100 * SECOND;
        assert_eq!([due(start), due(start), due(start), due(start)], [start; 4]);
        assert_eq!(due(start), start + quarter);
        assert_eq!(due(start), start + 2 * quarter);
        let later = start + 100 * SECOND;
        assert_eq!([due(later), due(later), due(later), due(later)], [later; 4]);
        assert_eq!(due(later), later + quarter);
    }

    #[test]
    fn rate_zero_means_no_limit_and_the_highest_rate_works() {
        assert_eq!(Rate::per_second(0), None);
        let (booked, due) = rate(u32::MAX).reserve(0, 5);
        assert_eq!((booked > 5, due), (true, 5));
    }

    /// Charge points reconnect and obey each answer. Returns after how many seconds the last one is admitted, and how
    /// many are admitted within the busiest second.
    fn reconnect_all(charge_points: usize, per_second: u32, arriving_within: Nanos) -> (Nanos, usize) {
        let mut admission_limiter = AdmissionLimiter::new(rate(per_second));
        let mut arrivals: BTreeMap<(Nanos, usize), ()> = (0..charge_points)
            .map(|number| ((number as u64 * arriving_within / charge_points as u64, number), ()))
            .collect();
        let mut seconds = BTreeMap::<Nanos, usize>::new();
        let mut last = 0;
        while let Some(((now, number), ())) = arrivals.pop_first() {
            match admission_limiter.admit(now) {
                Admission::After(wait) => {
                    let at = now + wait.as_nanos() as u64;
                    last = last.max(at);
                    *seconds.entry(at / SECOND).or_default() += 1;
                }
                Admission::RetryAfter { seconds } => {
                    arrivals.insert((now + u64::from(seconds) * SECOND, number), ());
                }
            }
        }
        assert_eq!(seconds.values().sum::<usize>(), charge_points);
        (last.div_ceil(SECOND), seconds.into_values().max().unwrap_or_default())
    }

    #[test]
    fn ten_thousand_are_admitted_within_25_seconds_at_500_a_second() {
        for within in [SECOND / 10, SECOND, 3 * SECOND] {
            let (last, busiest) = reconnect_all(10_000, 500, within);
            assert!(last <= 25, "{last} s");
            // A burst of one second's worth, and the regular slots of the same second.
            assert!(busiest <= 1000, "{busiest}");
        }
    }

    #[test]
    fn attempts_wait_at_most_two_seconds_and_others_get_spread_retry_times() {
        let mut admission_limiter = AdmissionLimiter::new(rate(1));
        let now = 10 * SECOND;
        let mut admit = || admission_limiter.admit(now);
        for seconds in 0..=2 {
            assert_eq!(admit(), Admission::After(Duration::from_secs(seconds)));
        }
        for seconds in 3..=120 {
            assert_eq!(admit(), Admission::RetryAfter { seconds });
        }
        // No retry time is later than two minutes from now.
        assert_eq!([admit(), admit()], [Admission::RetryAfter { seconds: 3 }, Admission::RetryAfter { seconds: 4 }]);
    }

    #[test]
    fn all_are_admitted_even_beyond_the_latest_retry_time() {
        let (last, _) = reconnect_all(2_000, 10, SECOND);
        assert!(last <= 260, "{last} s where 200 s is the least");
    }
}
