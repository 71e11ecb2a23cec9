//! Metrics of the listeners.

use super::listeners::{ListenerStatus, Listeners};
use crate::operations::metrics::collect::{collector, write_family};
use prometheus_client::collector::Collector;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::Arc;

/// The numbers of each listener, by its name.
pub fn listener_metrics(listeners: Arc<Listeners>) -> Box<dyn Collector> {
    collector(move |encoder| {
        let status = listeners.status();
        let label = |one: &ListenerStatus| [("listener", one.settings.name.clone())];
        let connections = status.iter().map(|one| (label(one), ConstGauge::new(one.charge_points as i64)));
        let help = "Charge points connected to a listener now";
        write_family(encoder, "listener_connections", help, connections)?;
        let accepted = status.iter().map(|one| (label(one), ConstCounter::new(one.accepted)));
        write_family(encoder, "listener_accepted", "Handshakes of a listener that have succeeded", accepted)?;
        let refused = status.iter().map(|one| (label(one), ConstCounter::new(one.refused)));
        write_family(encoder, "listener_refused", "Connections that a listener has refused", refused)
    })
}
