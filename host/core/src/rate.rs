//! How often something may happen.
//!
//! Not `governor`, the usual crate: it reads a clock itself and says only "not yet", so that all who wait would try
//! again at the same moment. Here everyone gets a place in the row, and 8 bytes of standing are enough for one.

use std::time::Duration;

/// A moment, in nanoseconds since a start of the caller's choice.
pub type Nanos = u64;

/// So many a second, and up to a second's worth of them at once (the generic cell rate algorithm of ITU-T I.371).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// From one place to the next.
    interval: Nanos,
    /// How far those who come after a pause may be ahead of their places.
    slack: Nanos,
}

impl Rate {
    /// `None` for 0: no limit.
    pub fn per_second(number: u32) -> Option<Self> {
        let interval = SECOND.checked_div(number.into())?.max(1);
        Some(Rate { interval, slack: interval * u64::from(number - 1) })
    }

    /// Takes the next place after those up to `booked`, which begins as 0. Answers where the bookings stand now, and when
    /// the place is due: `now`, or later.
    pub fn book(self, booked: Nanos, now: Nanos) -> (Nanos, Nanos) {
        let place = booked.max(now);
        (place + self.interval, place.saturating_sub(self.slack).max(now))
    }
}

/// What somebody is told who wants in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// After waiting so long, which may be nothing.
    Now(Duration),
    /// Not now: there are too many others. It is its turn if it comes back after this many seconds.
    RetryAfter { seconds: u32 },
}

/// Lets a crowd in at a rate. A few wait for their turn; all others get an appointment, so that they come back at the
/// rate at which they can be let in, and find nobody waiting.
#[derive(Debug)]
pub struct AdmissionLimiter {
    rate: Rate,
    turns: Nanos,
    appointments: Nanos,
}

/// So long one may wait for its turn.
const MAX_WAIT: Nanos = 2 * SECOND;

/// The latest appointment. A crowd for which that is not enough gets the same ones again.
const LATEST: Nanos = 120 * SECOND;

const SECOND: Nanos = 1_000_000_000;

impl AdmissionLimiter {
    pub fn new(rate: Rate) -> Self {
        AdmissionLimiter { rate, turns: 0, appointments: 0 }
    }

    pub fn admit(&mut self, now: Nanos) -> Admission {
        let (turns, due) = self.rate.book(self.turns, now);
        if due <= now + MAX_WAIT {
            self.turns = turns;
            return Admission::Now(Duration::from_nanos(due - now));
        }
        // Nobody is to come back before those have been let in who wait already.
        let mut free = self.appointments.max(self.turns);
        if free > now + LATEST {
            free = self.turns;
        }
        self.appointments = free + self.rate.interval;
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
    fn a_seconds_worth_may_come_at_once_and_the_rest_one_by_one() {
        let rate = rate(4);
        let mut booked = 0;
        let mut due = |now| {
            let (next, due) = rate.book(booked, now);
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
    fn no_rate_is_no_limit_and_the_highest_works() {
        assert_eq!(Rate::per_second(0), None);
        let (booked, due) = rate(u32::MAX).book(0, 5);
        assert_eq!((booked > 5, due), (true, 5));
    }

    /// Charge points that lose the gateway, and do as they are told. Answers after how many seconds the last one is in,
    /// and how many were let in within the busiest second.
    fn storm(crowd: usize, per_second: u32, arriving_within: Nanos) -> (Nanos, usize) {
        let mut admission_limiter = AdmissionLimiter::new(rate(per_second));
        let mut arrivals: BTreeMap<(Nanos, usize), ()> =
            (0..crowd).map(|who| ((who as u64 * arriving_within / crowd as u64, who), ())).collect();
        let mut seconds = BTreeMap::<Nanos, usize>::new();
        let mut last = 0;
        while let Some(((now, who), ())) = arrivals.pop_first() {
            match admission_limiter.admit(now) {
                Admission::Now(wait) => {
                    let at = now + wait.as_nanos() as u64;
                    last = last.max(at);
                    *seconds.entry(at / SECOND).or_default() += 1;
                }
                Admission::RetryAfter { seconds } => {
                    arrivals.insert((now + u64::from(seconds) * SECOND, who), ());
                }
            }
        }
        assert_eq!(seconds.values().sum::<usize>(), crowd);
        (last.div_ceil(SECOND), seconds.into_values().max().unwrap_or_default())
    }

    #[test]
    fn ten_thousand_are_back_within_thirty_seconds_at_500_a_second() {
        for within in [SECOND / 10, SECOND, 3 * SECOND] {
            let (last, busiest) = storm(10_000, 500, within);
            assert!(last <= 25, "{last} s");
            // A second's worth at once, and those whose places come in the same second.
            assert!(busiest <= 1000, "{busiest}");
        }
    }

    #[test]
    fn who_may_wait_two_seconds_waits_and_all_others_come_back_one_by_one() {
        let mut admission_limiter = AdmissionLimiter::new(rate(1));
        let now = 10 * SECOND;
        let mut admit = || admission_limiter.admit(now);
        for seconds in 0..=2 {
            assert_eq!(admit(), Admission::Now(Duration::from_secs(seconds)));
        }
        for seconds in 3..=120 {
            assert_eq!(admit(), Admission::RetryAfter { seconds });
        }
        // No appointment is later than two minutes from now.
        assert_eq!([admit(), admit()], [Admission::RetryAfter { seconds: 3 }, Admission::RetryAfter { seconds: 4 }]);
    }

    #[test]
    fn a_crowd_beyond_the_latest_appointment_gets_in_as_well() {
        let (last, _) = storm(2_000, 10, SECOND);
        assert!(last <= 260, "{last} s where 200 s is the least");
    }
}
