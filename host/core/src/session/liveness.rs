//! Decides when to ping a charge point, and when its connection is dead.

use super::settings::Settings;
use std::time::{Duration, Instant};

/// A charge point is alive as long as it sends anything. Pongs are not required from one that sends messages.
#[derive(Debug)]
pub(super) struct Liveness {
    next_ping: Instant,
    last_activity: Instant,
    idle_limit: Duration,
    /// The number of pings sent since anything was received.
    unanswered: u8,
    /// A ping was sent on this connection.
    has_pinged: bool,
    /// The charge point has answered a ping on this connection, so missing pongs are significant.
    answers_pings: bool,
    /// The gateway does not read from the charge point, so its silence is not significant.
    is_paused: bool,
}

/// After this many unanswered pings in sequence, a charge point that answers pings counts as silent.
const MAX_UNANSWERED_PINGS: u8 = 2;

impl Liveness {
    /// `heartbeat_interval`: the one that the charge point was given on an earlier connection, if any.
    pub(super) fn new(settings: &Settings, heartbeat_interval: Option<Duration>, now: Instant) -> Self {
        let mut liveness = Liveness {
            next_ping: now + interval_between_pings(settings),
            last_activity: now,
            idle_limit: Duration::ZERO,
            unanswered: 0,
            has_pinged: false,
            answers_pings: false,
            is_paused: false,
        };
        liveness.set_heartbeat_interval(settings, heartbeat_interval);
        liveness
    }

    /// Bytes of any kind were received.
    pub(super) fn on_activity(&mut self, now: Instant) {
        self.last_activity = now;
        self.unanswered = 0;
    }

    /// A pong was received. A pong before the first ping is unsolicited (RFC 6455 section 5.5.3).
    pub(super) fn on_pong(&mut self, now: Instant) {
        self.on_activity(now);
        self.answers_pings |= self.has_pinged;
    }

    /// The gateway stops or resumes reading from the charge point. The time in between does not count as silence.
    pub(super) fn set_paused(&mut self, paused: bool, now: Instant) {
        self.is_paused = paused;
        self.on_activity(now);
    }

    /// Sets the idle limit from the heartbeat interval. `None`: the configured interval is in force.
    pub(super) fn set_heartbeat_interval(&mut self, settings: &Settings, interval: Option<Duration>) {
        let interval = interval.unwrap_or(settings.heartbeat_interval);
        let limit = settings.idle_timeout.unwrap_or(interval * 2);
        // A charge point that sends nothing but pongs needs at least one ping, and the time to answer it.
        let minimum = settings.ping_interval + settings.ping_interval.min(PONG_TIMEOUT);
        self.idle_limit = limit.max(minimum);
    }

    pub(super) fn next_timeout(&self) -> Instant {
        if self.is_paused { self.next_ping } else { self.next_ping.min(self.last_activity + self.idle_limit) }
    }

    /// Whether the charge point has been silent for too long.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        if self.is_paused {
            return false;
        }
        let pings_failed = self.answers_pings
            && self.unanswered >= MAX_UNANSWERED_PINGS
            && self.next_ping <= now
            && self.last_activity + 2 * PONG_TIMEOUT <= now;
        pings_failed || self.last_activity + self.idle_limit <= now
    }

    /// Whether to send a ping now: true once per interval.
    pub(super) fn ping_is_due(&mut self, settings: &Settings, now: Instant) -> bool {
        let due = self.next_ping <= now;
        if due {
            self.next_ping = now + interval_between_pings(settings);
            self.has_pinged = true;
            if !self.is_paused {
                self.unanswered = self.unanswered.saturating_add(1);
            }
        }
        due
    }
}

/// If pings are disabled, the next one is later than any idle limit.
fn interval_between_pings(settings: &Settings) -> Duration {
    if settings.ping_interval.is_zero() { NEVER } else { settings.ping_interval }
}

/// How long a charge point may take to answer a ping.
const PONG_TIMEOUT: Duration = Duration::from_secs(5);

/// "Never", small enough to be doubled and added to an instant.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
