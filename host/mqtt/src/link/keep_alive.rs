//! Detects idle and dead connections.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Checks twice per keep alive period whether bytes went both ways. If not, a PINGREQ is due.
pub(crate) struct KeepAlive {
    ticks: Interval,
    sent: bool,
    received: bool,
    ping_is_open: bool,
}

/// What to do after half a keep alive period.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeepAliveAction {
    Fine,
    Ping,
    /// Nothing arrived after a PINGREQ.
    Dead,
}

impl KeepAlive {
    pub(crate) fn new(period: Duration) -> Self {
        let half = (period / 2).max(Duration::from_millis(1));
        let mut ticks = interval_at(Instant::now() + half, half);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        KeepAlive { ticks, sent: false, received: false, ping_is_open: false }
    }

    pub(crate) fn sent(&mut self) {
        self.sent = true;
    }

    pub(crate) fn received(&mut self) {
        (self.received, self.ping_is_open) = (true, false);
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<KeepAliveAction> {
        ready!(self.ticks.poll_tick(cx));
        Poll::Ready(self.tick())
    }

    fn tick(&mut self) -> KeepAliveAction {
        let quiet = !self.sent || !self.received;
        (self.sent, self.received) = (false, false);
        if self.ping_is_open {
            KeepAliveAction::Dead
        } else if quiet {
            self.ping_is_open = true;
            KeepAliveAction::Ping
        } else {
            KeepAliveAction::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn traffic_both_ways_needs_no_ping() {
        let mut alive = KeepAlive::new(Duration::from_secs(30));
        alive.sent();
        alive.received();
        assert_eq!(alive.tick(), KeepAliveAction::Fine);
    }

    #[tokio::test]
    async fn silent_peer_is_pinged_and_then_given_up() {
        let mut alive = KeepAlive::new(Duration::from_secs(30));
        alive.sent();
        assert_eq!(alive.tick(), KeepAliveAction::Ping);
        alive.sent();
        assert_eq!(alive.tick(), KeepAliveAction::Dead);
    }

    #[tokio::test]
    async fn any_received_byte_counts_as_an_answer() {
        let mut alive = KeepAlive::new(Duration::from_secs(30));
        assert_eq!(alive.tick(), KeepAliveAction::Ping);
        alive.received();
        assert_eq!(alive.tick(), KeepAliveAction::Ping);
    }
}
