//! When to ping a charge point, and when to give it up.

use super::settings::Settings;
use std::time::{Duration, Instant};

/// A charge point is alive as long as anything arrives from it. One that never answers a ping but talks may stay.
#[derive(Debug)]
pub(super) struct Liveness {
    next_ping: Instant,
    last_heard: Instant,
    idle_limit: Duration,
    /// Pings that were sent since anything was heard.
    unanswered: u8,
    /// A ping was sent on this connection.
    has_pinged: bool,
    /// It has answered a ping on this connection, so that silence after pings tells something.
    answers_pings: bool,
    /// Nothing is read from it: its silence tells nothing.
    is_held: bool,
}

/// So many pings in a row go unanswered before a charge point that answers pings is given up.
const UNANSWERED_PINGS: u8 = 2;

impl Liveness {
    /// `heartbeat_interval`: the one that the charge point was told on an earlier connection, if it was.
    pub(super) fn new(settings: &Settings, heartbeat_interval: Option<Duration>, now: Instant) -> Self {
        let mut liveness = Liveness {
            next_ping: now + interval_between_pings(settings),
            last_heard: now,
            idle_limit: Duration::ZERO,
            unanswered: 0,
            has_pinged: false,
            answers_pings: false,
            is_held: false,
        };
        liveness.set_heartbeat_interval(settings, heartbeat_interval);
        liveness
    }

    /// Bytes arrived, whatever they are.
    pub(super) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.unanswered = 0;
    }

    /// A pong arrived. One that comes before any ping was sent answers none (RFC 6455 section 5.5.3).
    pub(super) fn heard_pong(&mut self, now: Instant) {
        self.heard(now);
        self.answers_pings |= self.has_pinged;
    }

    /// Whether nothing is read from the charge point, from now on. The time in which nothing was read is no silence.
    pub(super) fn hold(&mut self, held: bool, now: Instant) {
        self.is_held = held;
        self.heard(now);
    }

    /// `None`: the configured interval is in force.
    pub(super) fn set_heartbeat_interval(&mut self, settings: &Settings, interval: Option<Duration>) {
        let interval = interval.unwrap_or(settings.heartbeat_interval);
        let limit = settings.idle_timeout.unwrap_or(interval * 2);
        // One that only answers pings has to have been asked, and to have had the time to answer.
        let shortest = settings.ping_interval + settings.ping_interval.min(PONG);
        self.idle_limit = limit.max(shortest);
    }

    pub(super) fn next_timeout(&self) -> Instant {
        if self.is_held { self.next_ping } else { self.next_ping.min(self.last_heard + self.idle_limit) }
    }

    /// Whether the charge point is to be given up.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        if self.is_held {
            return false;
        }
        let pings_failed = self.answers_pings
            && self.unanswered >= UNANSWERED_PINGS
            && self.next_ping <= now
            && self.last_heard + 2 * PONG <= now;
        pings_failed || self.last_heard + self.idle_limit <= now
    }

    /// Answers true once per interval.
    pub(super) fn ping_is_due(&mut self, settings: &Settings, now: Instant) -> bool {
        let due = self.next_ping <= now;
        if due {
            self.next_ping = now + interval_between_pings(settings);
            self.has_pinged = true;
            if !self.is_held {
                self.unanswered = self.unanswered.saturating_add(1);
            }
        }
        due
    }
}

/// Without pings, the next one is further off than the idle limit can be.
fn interval_between_pings(settings: &Settings) -> Duration {
    if settings.ping_interval.is_zero() { FAR } else { settings.ping_interval }
}

/// How long a charge point may take to answer a ping.
const PONG: Duration = Duration::from_secs(5);

/// "Never", in a form that can still be added to an instant and doubled.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
