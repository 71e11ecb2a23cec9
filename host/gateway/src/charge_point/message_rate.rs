//! Limits on the rate at which charge points send messages.
//!
//! No message is dropped and other charge points are not slowed down: the gateway stops reading from a charge point
//! that sends too fast until its next message is due, so that TCP slows it down.

use crate::config::OcppConfig;
use crate::operations::metrics::{Limit, Metrics};
use ocpp_gateway_core::rate::{Nanos, Rate};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The configured rates, for each charge point and for all together.
pub struct MessageRates {
    /// Origin of all [`Nanos`].
    start: Instant,
    each: Option<Rate>,
    total: Option<Rate>,
    total_booked: AtomicU64,
    metrics: Metrics,
}

/// The state of one charge point in the message rate limits.
#[derive(Debug, Default)]
pub struct MessageRateLimiter {
    booked: Nanos,
    /// Nothing is read from the charge point before this instant.
    held_until: Option<Instant>,
}

impl MessageRateLimiter {
    pub fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    pub fn release(&mut self, now: Instant) {
        self.held_until = self.held_until.filter(|until| *until > now);
    }
}

impl MessageRates {
    pub fn new(ocpp: &OcppConfig, metrics: Metrics) -> Self {
        MessageRates {
            start: Instant::now(),
            each: Rate::per_second(ocpp.message_rate),
            total: Rate::per_second(ocpp.total_message_rate),
            total_booked: AtomicU64::new(0),
            metrics,
        }
    }

    /// Counts a message of a charge point. The message itself is always processed; if it came too early, `limiter` is
    /// held until the next one may be read.
    pub fn reserve(&self, limiter: &mut MessageRateLimiter) {
        if self.each.is_none() && self.total.is_none() {
            return;
        }
        let now = nanos(self.start.elapsed());
        let mut due = now;
        if let Some(rate) = self.each {
            let (booked, at) = rate.reserve(limiter.booked, now);
            limiter.booked = booked;
            due = self.latest(due, at, now, Limit::MessageRate);
        }
        if let Some(rate) = self.total {
            let mut at = now;
            let book = |booked| {
                let (booked, due) = rate.reserve(booked, now);
                at = due;
                Some(booked)
            };
            let _ = self.total_booked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, book);
            due = self.latest(due, at, now, Limit::TotalMessageRate);
        }
        limiter.held_until = (due > now).then(|| self.start + Duration::from_nanos(due));
    }

    /// The later of `due` and `at`. Counts `limit` if `at` is in the future.
    fn latest(&self, due: Nanos, at: Nanos, now: Nanos, limit: Limit) -> Nanos {
        if at > now {
            self.metrics.limited(limit);
        }
        due.max(at)
    }
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    fn rates(ocpp: OcppConfig) -> MessageRates {
        MessageRates::new(&ocpp, Metrics::new(&mut Registry::default()))
    }

    #[test]
    fn charge_points_are_not_held_without_a_rate() {
        let rates = rates(OcppConfig::default());
        let mut limiter = MessageRateLimiter::default();
        (0..1000).for_each(|_| rates.reserve(&mut limiter));
        assert_eq!(limiter.held_until(), None);
    }

    #[test]
    fn only_the_charge_point_that_sends_too_fast_is_held() {
        let rates = rates(OcppConfig { message_rate: 10, ..OcppConfig::default() });
        let (mut fast, mut slow) = (MessageRateLimiter::default(), MessageRateLimiter::default());
        (0..12).for_each(|_| rates.reserve(&mut fast));
        rates.reserve(&mut slow);
        assert_eq!(slow.held_until(), None);
        let until = fast.held_until().expect("held");
        fast.release(until - Duration::from_millis(1));
        assert_eq!(fast.held_until(), Some(until));
        fast.release(until);
        assert_eq!(fast.held_until(), None);
    }

    #[test]
    fn total_rate_limits_all_charge_points_together() {
        let rates = rates(OcppConfig { total_message_rate: 10, ..OcppConfig::default() });
        let mut limiters: Vec<MessageRateLimiter> = (0..30).map(|_| MessageRateLimiter::default()).collect();
        limiters.iter_mut().for_each(|limiter| rates.reserve(limiter));
        let held: Vec<Instant> = limiters.iter().filter_map(MessageRateLimiter::held_until).collect();
        assert!((19..=20).contains(&held.len()), "{}", held.len());
        assert!(held.is_sorted() && held[0] < held[held.len() - 1], "each is held until a different instant");
    }
}
