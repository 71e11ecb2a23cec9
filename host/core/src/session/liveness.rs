//! When to ping a charge point, and when to give it up.

use super::Settings;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// A charge point is alive as long as anything arrives from it. One that never answers a ping but talks may stay.
#[derive(Debug)]
pub(super) struct Liveness {
    ping_interval: Duration,
    next_ping: Instant,
    last_heard: Instant,
    idle_limit: Duration,
}

impl Liveness {
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        // Without pings, the next one is further off than the idle limit can be.
        let ping_interval = Some(settings.ping_interval).filter(|interval| !interval.is_zero()).unwrap_or(FAR);
        let mut liveness =
            Liveness { ping_interval, next_ping: now + ping_interval, last_heard: now, idle_limit: Duration::ZERO };
        liveness.set_idle_limit(settings, settings.heartbeat_interval);
        liveness
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// A BootNotification was answered: its `interval` is now the one for heartbeats (OCPP 1.6 section 4.2). In the
    /// field it may be absent, negative or text: then the configured one stays in force.
    pub(super) fn booted(&mut self, settings: &Settings, payload: &str) {
        #[derive(Deserialize)]
        struct Answer {
            interval: Option<serde_json::Value>,
        }
        let seconds = serde_json::from_str::<Answer>(payload).ok().and_then(|answer| match answer.interval? {
            serde_json::Value::Number(number) => number.as_u64(),
            serde_json::Value::String(text) => text.trim().parse().ok(),
            _ => None,
        });
        let interval = seconds.filter(|seconds| (1..=FAR.as_secs()).contains(seconds)).map(Duration::from_secs);
        self.set_idle_limit(settings, interval.unwrap_or(settings.heartbeat_interval));
    }

    fn set_idle_limit(&mut self, settings: &Settings, heartbeat_interval: Duration) {
        let limit = settings.idle_timeout.unwrap_or(heartbeat_interval * 2);
        // One that only answers pings has to have been asked, and to have had the time to answer.
        let shortest = settings.ping_interval + settings.ping_interval.min(PONG);
        self.idle_limit = limit.max(shortest);
    }

    pub(super) fn next_timeout(&self) -> Instant {
        self.next_ping.min(self.last_heard + self.idle_limit)
    }

    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.last_heard + self.idle_limit <= now
    }

    /// Answers true once per interval.
    pub(super) fn ping_is_due(&mut self, now: Instant) -> bool {
        let due = self.next_ping <= now;
        if due {
            self.next_ping = now + self.ping_interval;
        }
        due
    }
}

/// How long a charge point may take to answer a ping.
const PONG: Duration = Duration::from_secs(5);

/// "Never", in a form that can still be added to an instant and doubled.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
