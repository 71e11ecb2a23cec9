//! The way of messages: broker, gateway, backlog, back ends, memory.

use super::current_problem::{CurrentProblem, Kind, Now, Severity, counted, short};
use crate::admin::state::AdminState;
use crate::operations::figures::Counts;
use crate::operations::names::DIRECTIONS;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_mqtt::ConnectionStatus;

/// Messages that wait for the broker. With a broker that keeps up, a handful waits; the oldest are given up at 10,000.
const LONG_BACKLOG: u64 = 1000;

/// Memory for queued messages, in percent. Reading pauses when it is full; this leaves some time before.
const MEMORY_NEARLY_FULL: u64 = 80;

pub(super) fn all(state: &AdminState, recent: &Counts, now: Now) -> Vec<CurrentProblem> {
    let (router, subscriber) = (&state.context.router, &state.context.subscriber);
    let stats = router.publisher.stats();
    let broker = Broker {
        publisher: stats.connection.status(),
        subscriber: subscriber.stats().connection.status(),
        is_subscribed: *subscriber.current().borrow(),
    };
    let (is_stopping, is_open) = (state.stopping.is_cancelled(), state.context.registry.is_open());
    let memory = DIRECTIONS.into_iter().filter_map(|direction| {
        let pool = router.memory.pool(direction);
        memory(direction, pool.used(), pool.limit(), pool.is_full())
    });
    [
        broker.problem(now),
        gateway(is_stopping, is_open, broker.is_fine()),
        backlog(stats.backlog.get()),
        lost(recent.lost),
        back_end(recent.without_subscriber),
    ]
    .into_iter()
    .flatten()
    .chain(memory)
    .collect()
}

/// The connections to the broker.
struct Broker {
    publisher: ConnectionStatus,
    subscriber: ConnectionStatus,
    /// Whether the broker has all subscriptions.
    is_subscribed: bool,
}

impl Broker {
    fn is_fine(&self) -> bool {
        self.publisher.connected && self.subscriber.connected && self.is_subscribed
    }

    fn problem(&self, now: Now) -> Option<CurrentProblem> {
        let why = |status: &ConnectionStatus| status.last_error.as_deref().map_or("not connected yet".into(), short);
        let (text, since) = match (self.publisher.connected, self.subscriber.connected) {
            (false, false) => {
                let text = format!(
                    "The MQTT broker cannot be reached ({}): messages wait until it is back. Check that the broker \
                     runs, and that url, username and password in [mqtt] are right.",
                    why(&self.publisher)
                );
                (text, self.publisher.since.min(self.subscriber.since))
            }
            (false, true) => {
                let text = format!(
                    "The connection to the MQTT broker that publishes messages is down ({}): messages of charge points \
                     wait until it is back. Check the log of the broker for the reason.",
                    why(&self.publisher)
                );
                (text, self.publisher.since)
            }
            (true, false) => {
                let text = format!(
                    "The connection to the MQTT broker that receives messages is down ({}): charge points get neither \
                     answers nor CALLs of back ends. Check the log of the broker for the reason.",
                    why(&self.subscriber)
                );
                (text, self.subscriber.since)
            }
            (true, true) if !self.is_subscribed => {
                let text = "The gateway is subscribing to its topics again, because the broker has lost the session: \
                            back ends do not reach charge points until then. If this lasts, check the log of the broker.";
                (text.to_owned(), self.subscriber.since)
            }
            (true, true) => return None,
        };
        Some(CurrentProblem::error(Kind::Broker, text).since(now.time_of(since)))
    }
}

/// `is_open`: whether charge points are accepted.
fn gateway(is_stopping: bool, is_open: bool, is_broker_fine: bool) -> Option<CurrentProblem> {
    let text = if is_stopping {
        "The gateway is stopping: it accepts no charge points and waits for open CALLs. Start it again if the stop was \
         not intended."
    } else if !is_open && is_broker_fine {
        "The gateway does not accept charge points yet, although the broker has been reached: it does in a moment. If \
         this lasts, check its log."
    } else {
        return None;
    };
    Some(CurrentProblem::error(Kind::Gateway, text.to_owned()))
}

fn backlog(backlog: u64) -> Option<CurrentProblem> {
    let text = || {
        format!(
            "{backlog} messages wait to be sent to the broker. If the number grows while the broker is connected, the \
             broker or the network to it is too slow: check both before the oldest messages are given up."
        )
    };
    (backlog >= LONG_BACKLOG).then(|| CurrentProblem::warning(Kind::Backlog, text()))
}

fn lost(lost: u64) -> Option<CurrentProblem> {
    let text = || {
        format!(
            "{} to back ends got lost in the last five minutes. The metric mqtt_lost_total has the reasons, and the \
             log the details: check that the broker is reached and accepts what the gateway publishes.",
            counted(lost, "message")
        )
    };
    (lost > 0).then(|| CurrentProblem::error(Kind::Backlog, text()))
}

fn back_end(without_subscriber: u64) -> Option<CurrentProblem> {
    let text = || {
        format!(
            "No back end subscribes to the topics of charge points: in the last five minutes, the broker reported that \
             {} about a CALL. Check that the back end runs and is connected to this broker, and compare its \
             topics with those that `ocpp-gateway ctl tap` shows.",
            counted(without_subscriber, "time")
        )
    };
    (without_subscriber > 0).then(|| CurrentProblem::error(Kind::BackEnd, text()))
}

fn memory(direction: Direction, used: usize, limit: usize, is_full: bool) -> Option<CurrentProblem> {
    let percent = used as u64 * 100 / (limit as u64).max(1);
    if !is_full && percent < MEMORY_NEARLY_FULL {
        return None;
    }
    let (whose, check) = match direction {
        Direction::Uplink => ("from charge points", "Check whether the broker takes messages as fast as they come"),
        Direction::Downlink => ("to charge points", "Check which charge points do not take their messages"),
    };
    let text = format!(
        "Queued messages {whose} take {percent} % of their memory; when it is full, messages are refused or not read. \
         {check}, or raise runtime.queue_memory."
    );
    let severity = if is_full { Severity::Error } else { Severity::Warning };
    Some(CurrentProblem { severity, ..CurrentProblem::error(Kind::Memory, text) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::events::rfc3339;
    use std::time::{Duration, Instant, SystemTime};

    fn status(connected: bool) -> ConnectionStatus {
        ConnectionStatus { connected, since: Instant::now(), last_error: Some("Connection refused".into()) }
    }

    fn broker(publisher: bool, subscriber: bool, is_subscribed: bool) -> Broker {
        Broker { publisher: status(publisher), subscriber: status(subscriber), is_subscribed }
    }

    fn now() -> Now {
        Now { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    #[test]
    fn broker_that_is_away_is_an_error_with_its_reason_and_time() {
        for (publisher, subscriber, part) in [
            (false, false, "cannot be reached (Connection refused)"),
            (false, true, "that publishes messages is down (Connection refused)"),
            (true, false, "that receives messages is down (Connection refused)"),
        ] {
            let later = now();
            let later = Now {
                monotonic: later.monotonic + Duration::from_secs(60),
                wall: later.wall + Duration::from_secs(60),
            };
            let broker = broker(publisher, subscriber, false);
            assert!(!broker.is_fine());
            let problem = broker.problem(later).expect("a problem");
            assert!(problem.severity == Severity::Error && problem.text.contains(part), "{}", problem.text);
            let since = problem.since.expect("a time");
            assert!(since < rfc3339(later.wall - Duration::from_secs(50)), "{since}");
        }
        assert_eq!(broker(true, true, true).problem(now()), None);
        assert!(broker(true, true, true).is_fine());
    }

    #[test]
    fn lost_session_is_an_error_until_all_topics_are_subscribed_to() {
        let problem = broker(true, true, false).problem(now()).expect("a problem");
        assert!(problem.severity == Severity::Error && problem.text.contains("lost the session"), "{}", problem.text);
    }

    #[test]
    fn gateway_that_stops_or_does_not_accept_charge_points_is_an_error() {
        let stopping = gateway(true, true, true).expect("a problem");
        assert!(stopping.severity == Severity::Error && stopping.text.contains("is stopping"), "{}", stopping.text);
        let closed = gateway(false, false, true).expect("a problem");
        assert!(closed.text.contains("does not accept charge points yet"), "{}", closed.text);
        assert_eq!(gateway(false, false, false), None, "the broker is the problem");
        assert_eq!(gateway(false, true, true), None);
    }

    #[test]
    fn long_backlog_is_a_warning_and_a_lost_message_an_error() {
        assert_eq!(backlog(LONG_BACKLOG - 1), None);
        let long = backlog(LONG_BACKLOG).expect("a problem");
        assert!(long.severity == Severity::Warning && long.text.starts_with("1000 messages"), "{}", long.text);
        assert_eq!(lost(0), None);
        let lost = lost(1).expect("a problem");
        assert!(lost.severity == Severity::Error && lost.text.starts_with("1 message to"), "{}", lost.text);
    }

    #[test]
    fn call_without_a_subscriber_is_an_error() {
        assert_eq!(back_end(0), None);
        let problem = back_end(7).expect("a problem");
        assert!(problem.severity == Severity::Error && problem.text.contains("7 times"), "{}", problem.text);
    }

    #[test]
    fn memory_is_a_warning_when_it_is_nearly_full_and_an_error_when_it_is_full() {
        assert_eq!(memory(Direction::Uplink, 799, 1000, false), None);
        let nearly = memory(Direction::Uplink, 800, 1000, false).expect("a problem");
        assert!(nearly.severity == Severity::Warning && nearly.text.contains("80 %"), "{}", nearly.text);
        let full = memory(Direction::Downlink, 1000, 1000, true).expect("a problem");
        assert!(full.severity == Severity::Error && full.text.contains("to charge points"), "{}", full.text);
    }
}
