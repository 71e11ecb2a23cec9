//! The way of messages: broker, gateway, backlog, back ends, memory; and connectors that are out of order.

use super::current_problem::{CurrentProblem, Kind, Now, Severity, counted, named, short};
use crate::admin::health::{self, Fault, why_down};
use crate::admin::state::AdminState;
use crate::charge_point::{Faulted, UnservedCalls};
use crate::operations::figures::Counts;
use crate::operations::names::DIRECTIONS;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_mqtt::ConnectionStatus;
use std::time::Instant;

/// Messages that wait for the broker. With a broker that keeps up, a handful waits; the oldest are given up at 10,000.
const LONG_BACKLOG: u64 = 1000;

/// The most charge points that a text names.
const NAMED: usize = 3;

/// Memory for queued messages, in percent. Reading pauses when it is full; this leaves some time before.
const MEMORY_NEARLY_FULL: u64 = 80;

pub(super) fn all(state: &AdminState, recent: &Counts, now: Now) -> Vec<CurrentProblem> {
    let context = &state.context;
    let router = &context.router;
    let memory = DIRECTIONS.into_iter().filter_map(|direction| {
        let pool = router.memory.pool(direction);
        memory(direction, pool.used(), pool.limit(), pool.is_full())
    });
    let mut problems = health(&health::faults(state), now);
    let unserved = context.missing_back_ends.current(NAMED, now.monotonic);
    problems.extend(
        [
            backlog(router.publisher.stats().backlog.get()),
            lost(recent.lost),
            unserved.as_ref().map(back_end),
            context.registry.faulted(NAMED).as_ref().map(connectors),
        ]
        .into_iter()
        .flatten(),
    );
    problems.extend(memory);
    problems
}

/// What keeps the gateway from serving charge points.
fn health(faults: &[Fault], now: Now) -> Vec<CurrentProblem> {
    let why = |status: &ConnectionStatus| short(why_down(status));
    let of_broker = |text: String, since: Instant| CurrentProblem::error(Kind::Broker, text).since(now.time_of(since));
    let of_gateway = |text: &str| CurrentProblem::error(Kind::Gateway, text.to_owned());
    let problem = |fault: &Fault| {
        match fault {
        Fault::Publisher(status) => of_broker(
            format!(
                "The connection to the MQTT broker that publishes messages is down ({}): messages of charge points \
                 wait until it is back. Check the log of the broker for the reason.",
                why(status)
            ),
            status.since,
        ),
        Fault::Subscriber(status) => of_broker(
            format!(
                "The connection to the MQTT broker that receives messages is down ({}): charge points get neither \
                 answers nor CALLs of back ends. Check the log of the broker for the reason.",
                why(status)
            ),
            status.since,
        ),
        Fault::Subscribing(status) => of_broker(
            "The gateway is subscribing to its topics again, because the broker has lost the session: back ends do not \
             reach charge points until then. If this lasts, check the log of the broker."
                .to_owned(),
            status.since,
        ),
        Fault::Stopping => of_gateway(
            "The gateway is stopping: it accepts no charge points and waits for open CALLs. Start it again if the stop \
             was not intended.",
        ),
        Fault::NotOpen => of_gateway(
            "The gateway does not accept charge points yet, although the broker has been reached: it does in a moment. \
             If this lasts, check its log.",
        ),
    }
    };
    let (both, others) = match faults {
        [Fault::Publisher(publisher), Fault::Subscriber(subscriber), others @ ..] => {
            let text = format!(
                "The MQTT broker cannot be reached ({}): messages wait until it is back. Check that the broker runs, and \
                 that url, username and password in [mqtt] are right.",
                why(publisher)
            );
            (Some(of_broker(text, publisher.since.min(subscriber.since))), others)
        }
        others => (None, others),
    };
    both.into_iter().chain(others.iter().map(problem)).collect()
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

fn back_end(UnservedCalls { calls, since, charge_points, identities }: &UnservedCalls) -> CurrentProblem {
    let text = format!(
        "No back end subscribes to the topics of {}: {} found no subscriber. Check that the back end runs and is \
         connected to this broker, and compare its topics with those that ocpp-gateway ctl tap shows.",
        named(identities, *charge_points, "charge point"),
        counted(*calls, "CALL"),
    );
    CurrentProblem::error(Kind::BackEnd, text).since(*since)
}

fn connectors(Faulted { connectors, charge_points, identities }: &Faulted) -> CurrentProblem {
    let verb = if *connectors == 1 { "reports" } else { "report" };
    let text = format!(
        "{} of {} {verb} Faulted. /api/v1/charge-points?status=Faulted lists them with their error codes.",
        counted(*connectors as u64, "connector"),
        named(identities, *charge_points, "charge point"),
    );
    CurrentProblem::warning(Kind::Connector, text)
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
    use ocpp_gateway_core::Identity;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    fn status() -> ConnectionStatus {
        ConnectionStatus { connected: false, since: Instant::now(), last_error: Some("Connection refused".into()) }
    }

    fn now() -> Now {
        Now { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    fn one(faults: &[Fault], now: Now) -> CurrentProblem {
        let mut problems = health(faults, now);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    #[test]
    fn broker_that_is_away_is_one_error_with_its_reason_and_time() {
        let both = vec![Fault::Publisher(status()), Fault::Subscriber(status())];
        for (faults, part) in [
            (both, "cannot be reached (Connection refused)"),
            (vec![Fault::Publisher(status())], "that publishes messages is down (Connection refused)"),
            (vec![Fault::Subscriber(status())], "that receives messages is down (Connection refused)"),
            (vec![Fault::Subscribing(status())], "lost the session"),
        ] {
            let later = now();
            let later = Now {
                monotonic: later.monotonic + Duration::from_secs(60),
                wall: later.wall + Duration::from_secs(60),
            };
            let problem = one(&faults, later);
            assert!(problem.severity == Severity::Error && problem.text.contains(part), "{}", problem.text);
            let since = problem.since.expect("a time");
            assert!(since < rfc3339(later.wall - Duration::from_secs(50)), "{since}");
        }
        assert_eq!(health(&[], now()), []);
    }

    #[test]
    fn gateway_that_stops_or_does_not_accept_charge_points_is_an_error() {
        let stopping = one(&[Fault::Stopping], now());
        assert!(stopping.severity == Severity::Error && stopping.text.contains("is stopping"), "{}", stopping.text);
        let closed = one(&[Fault::NotOpen], now());
        assert!(closed.text.contains("does not accept charge points yet"), "{}", closed.text);
        let kinds = |faults: &[Fault]| health(faults, now()).iter().map(|it| it.kind).collect::<Vec<_>>();
        let all = [Fault::Publisher(status()), Fault::Subscriber(status()), Fault::Stopping];
        assert_eq!(kinds(&all), [Kind::Broker, Kind::Gateway]);
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

    fn identities(names: &[&str]) -> Vec<Identity> {
        names.iter().map(|name| Identity::new(name, 48).expect("an identity")).collect()
    }

    #[test]
    fn call_without_a_subscriber_is_an_error() {
        let identities = identities(&["CP1", "CP2", "CP3"]);
        let problem = back_end(&UnservedCalls { calls: 7, since: UNIX_EPOCH, charge_points: 5, identities });
        let text = "No back end subscribes to the topics of 5 charge points (CP1, CP2, CP3, …): 7 CALLs found no";
        assert!(problem.severity == Severity::Error && problem.text.starts_with(text), "{}", problem.text);
        assert_eq!(problem.since.as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn faulted_connectors_are_a_warning_with_their_charge_points() {
        let problem = connectors(&Faulted { connectors: 1, charge_points: 1, identities: identities(&["CP1"]) });
        let text = "1 connector of CP1 reports Faulted. /api/v1/charge-points?status=Faulted lists";
        assert!(problem.severity == Severity::Warning && problem.text.starts_with(text), "{}", problem.text);
        let problem = connectors(&Faulted { connectors: 4, charge_points: 2, identities: identities(&["CP1", "CP2"]) });
        assert!(problem.text.starts_with("4 connectors of CP1 and CP2 report Faulted."), "{}", problem.text);
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
