//! How fast charge points may send messages.
//!
//! Nothing is lost and nobody else is harmed: from a charge point that sends too fast nothing is read until it is its turn
//! again, so that it feels it.

use crate::config::OcppConfig;
use crate::operations::metrics::{Limit, Metrics};
use ocpp_gateway_core::rate::{Nanos, Rate};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The rates in force, for each charge point and for all together.
pub struct MessageRates {
    /// Moments are counted from here.
    start: Instant,
    each: Option<Rate>,
    total: Option<Rate>,
    total_booked: AtomicU64,
    metrics: Metrics,
}

/// Where one charge point stands with the limits on messages.
#[derive(Debug, Default)]
pub struct MessageRateLimiter {
    booked: Nanos,
    /// Nothing is read from it before.
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

    /// A message has come from a charge point, and goes its way. If it was too early, `limiter` says until when no other may
    /// be read.
    pub fn book(&self, limiter: &mut MessageRateLimiter) {
        if self.each.is_none() && self.total.is_none() {
            return;
        }
        let now = nanos(self.start.elapsed());
        let mut due = now;
        if let Some(rate) = self.each {
            let (booked, at) = rate.book(limiter.booked, now);
            limiter.booked = booked;
            due = self.later(due, at, now, Limit::MessageRate);
        }
        if let Some(rate) = self.total {
            let mut at = now;
            let book = |booked| {
                let (booked, place) = rate.book(booked, now);
                at = place;
                Some(booked)
            };
            let _ = self.total_booked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, book);
            due = self.later(due, at, now, Limit::TotalMessageRate);
        }
        limiter.held_until = (due > now).then(|| self.start + Duration::from_nanos(due));
    }

    fn later(&self, due: Nanos, at: Nanos, now: Nanos, limit: Limit) -> Nanos {
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
    fn without_a_rate_nobody_is_held() {
        let rates = rates(OcppConfig::default());
        let mut limiter = MessageRateLimiter::default();
        (0..1000).for_each(|_| rates.book(&mut limiter));
        assert_eq!(limiter.held_until(), None);
    }

    #[test]
    fn who_sends_too_fast_is_held_and_the_others_are_not() {
        let rates = rates(OcppConfig { message_rate: 10, ..OcppConfig::default() });
        let (mut fast, mut slow) = (MessageRateLimiter::default(), MessageRateLimiter::default());
        (0..12).for_each(|_| rates.book(&mut fast));
        rates.book(&mut slow);
        assert_eq!(slow.held_until(), None);
        let until = fast.held_until().expect("held");
        fast.release(until - Duration::from_millis(1));
        assert_eq!(fast.held_until(), Some(until));
        fast.release(until);
        assert_eq!(fast.held_until(), None);
    }

    #[test]
    fn all_together_have_a_limit_of_their_own() {
        let rates = rates(OcppConfig { total_message_rate: 10, ..OcppConfig::default() });
        let mut paces: Vec<MessageRateLimiter> = (0..30).map(|_| MessageRateLimiter::default()).collect();
        paces.iter_mut().for_each(|pace| rates.book(pace));
        let held: Vec<Instant> = paces.iter().filter_map(MessageRateLimiter::held_until).collect();
        assert!((19..=20).contains(&held.len()), "{}", held.len());
        assert!(held.is_sorted() && held[0] < held[held.len() - 1], "each has a place of its own in the row");
    }
}
