//! Notices that nothing travels any more.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Looks twice per keep alive period whether bytes went each way; if not, a PINGREQ has to ask for some.
pub(crate) struct KeepAlive {
    ticks: Interval,
    sent: bool,
    received: bool,
    asked: bool,
}

/// What a silent half period calls for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeepAliveAction {
    Fine,
    Ping,
    /// Nothing came although it was asked for.
    Dead,
}

impl KeepAlive {
    pub(crate) fn new(period: Duration) -> Self {
        let half = (period / 2).max(Duration::from_millis(1));
        let mut ticks = interval_at(Instant::now() + half, half);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        KeepAlive { ticks, sent: false, received: false, asked: false }
    }

    pub(crate) fn sent(&mut self) {
        self.sent = true;
    }

    pub(crate) fn received(&mut self) {
        (self.received, self.asked) = (true, false);
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<KeepAliveAction> {
        ready!(self.ticks.poll_tick(cx));
        Poll::Ready(self.tick())
    }

    fn tick(&mut self) -> KeepAliveAction {
        let quiet = !self.sent || !self.received;
        (self.sent, self.received) = (false, false);
        if self.asked {
            KeepAliveAction::Dead
        } else if quiet {
            self.asked = true;
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
    async fn a_peer_that_only_listens_is_asked_and_then_given_up() {
        let mut alive = KeepAlive::new(Duration::from_secs(30));
        alive.sent();
        assert_eq!(alive.tick(), KeepAliveAction::Ping);
        alive.sent();
        assert_eq!(alive.tick(), KeepAliveAction::Dead);
    }

    #[tokio::test]
    async fn any_byte_answers_the_question() {
        let mut alive = KeepAlive::new(Duration::from_secs(30));
        assert_eq!(alive.tick(), KeepAliveAction::Ping);
        alive.received();
        assert_eq!(alive.tick(), KeepAliveAction::Ping);
    }
}
