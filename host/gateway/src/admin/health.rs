//! Whether charge points can be served, and what does not work: the one decision that `/readyz` and
//! `/api/v1/problems` report.

use super::state::AdminState;
use crate::transforms::{DropInFault, DropInStatus};
use ocpp_gateway_mqtt::ConnectionStatus;

/// What keeps the gateway from serving charge points.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The connection to the broker that publishes messages is down.
    Publisher(ConnectionStatus),
    /// The connection to the broker that receives messages is down.
    Subscriber(ConnectionStatus),
    /// The broker has lost the session: topics are being subscribed to again, over this connection.
    Subscribing(ConnectionStatus),
    Stopping,
    /// The broker has been reached, and charge points are not accepted yet.
    NotOpen,
}

/// What the faults are derived from.
struct Signs {
    publisher: ConnectionStatus,
    subscriber: ConnectionStatus,
    /// Whether the broker has all subscriptions.
    is_subscribed: bool,
    is_stopping: bool,
    /// Whether charge points are accepted.
    is_open: bool,
}

/// Without a fault, charge points can be served.
pub(super) fn faults(state: &AdminState) -> Vec<Fault> {
    let context = &state.context;
    let signs = Signs {
        publisher: context.router.publisher.stats().connection.status(),
        subscriber: context.subscriber.stats().connection.status(),
        is_subscribed: *context.subscriber.current().borrow(),
        is_stopping: state.stopping.is_cancelled(),
        is_open: context.registry.is_open(),
    };
    signs.faults()
}

/// Drop-ins that are not used, or not in their latest form.
pub(super) fn faulty_drop_ins(state: &AdminState) -> Vec<(DropInStatus, DropInFault)> {
    let statuses = state.changer.drop_ins().statuses().into_iter();
    statuses.filter_map(|status| status.fault.clone().map(|fault| (status, fault))).collect()
}

/// Why a connection to the broker is down.
pub(super) fn why_down(status: &ConnectionStatus) -> &str {
    status.last_error.as_deref().unwrap_or("not connected yet")
}

impl Signs {
    fn faults(self) -> Vec<Fault> {
        let Signs { publisher, subscriber, is_subscribed, is_stopping, is_open } = self;
        let mut faults = Vec::new();
        let is_connected = publisher.connected && subscriber.connected;
        if !publisher.connected {
            faults.push(Fault::Publisher(publisher));
        }
        if !subscriber.connected {
            faults.push(Fault::Subscriber(subscriber));
        } else if is_connected && !is_subscribed {
            faults.push(Fault::Subscribing(subscriber));
        }
        if is_stopping {
            faults.push(Fault::Stopping);
        }
        // Otherwise one of the others is the reason.
        if faults.is_empty() && !is_open {
            faults.push(Fault::NotOpen);
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn names(publisher: bool, subscriber: bool, is_subscribed: bool, is_stopping: bool, is_open: bool) -> String {
        let status = |connected| ConnectionStatus { connected, since: Instant::now(), last_error: None };
        let (publisher, subscriber) = (status(publisher), status(subscriber));
        let signs = Signs { publisher, subscriber, is_subscribed, is_stopping, is_open };
        let name = |fault: &Fault| match fault {
            Fault::Publisher(_) => "publisher",
            Fault::Subscriber(_) => "subscriber",
            Fault::Subscribing(_) => "subscribing",
            Fault::Stopping => "stopping",
            Fault::NotOpen => "not open",
        };
        signs.faults().iter().map(name).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_connection_to_the_broker_is_needed() {
        assert_eq!(names(true, true, true, false, true), "");
        assert_eq!(names(false, false, false, false, false), "publisher, subscriber");
        assert_eq!(names(false, true, false, false, true), "publisher");
        assert_eq!(names(true, false, true, false, true), "subscriber");
        assert_eq!(names(true, true, false, false, true), "subscribing");
    }

    #[test]
    fn gateway_that_does_not_accept_charge_points_is_a_fault_unless_another_one_is_the_reason() {
        assert_eq!(names(true, true, true, false, false), "not open");
        assert_eq!(names(true, true, true, true, false), "stopping");
        assert_eq!(names(true, true, true, true, true), "stopping");
        assert_eq!(names(true, false, true, true, false), "subscriber, stopping");
    }
}
