//! A charge point in the list, connected or away, and as the API shows it.

use crate::charge_point::{Arrival, Away, Boot, Connected, Connector, Facts, Moment, OpenCallCounts, WallClock};
use crate::operations::events::rfc3339;
use ocpp_gateway_core::Version;
use serde::Serialize;
use std::borrow::Cow;
use std::time::SystemTime;

/// A charge point that is connected, or was.
pub(super) enum Listed {
    Connected(Connected),
    Away(Away),
}

impl Listed {
    pub(super) fn id(&self) -> &str {
        match self {
            Listed::Connected(it) => it.mailbox.peer().identity.as_str(),
            Listed::Away(it) => it.identity.as_str(),
        }
    }

    pub(super) fn version(&self) -> Version {
        match self {
            Listed::Connected(it) => it.mailbox.peer().version,
            Listed::Away(it) => it.version,
        }
    }

    pub(super) fn arrival(&self) -> &Arrival {
        match self {
            Listed::Connected(it) => &it.arrival,
            Listed::Away(it) => &it.arrival,
        }
    }

    pub(super) fn since(&self) -> SystemTime {
        match self {
            Listed::Connected(it) => it.since,
            Listed::Away(it) => it.since,
        }
    }

    pub(super) fn facts(&self) -> &Facts {
        match self {
            Listed::Connected(it) => it.mailbox.facts(),
            Listed::Away(it) => &it.facts,
        }
    }

    pub(super) fn last_message(&self) -> Option<Moment> {
        match self {
            Listed::Connected(it) => it.mailbox.activity().last_message(),
            Listed::Away(it) => it.last_message,
        }
    }

    pub(super) fn open_calls(&self) -> OpenCallCounts {
        match self {
            Listed::Connected(it) => it.mailbox.activity().open_calls(),
            Listed::Away(_) => OpenCallCounts::default(),
        }
    }

    /// The number of deliveries in its mailbox.
    pub(super) fn waiting(&self) -> usize {
        match self {
            Listed::Connected(it) => it.mailbox.waiting(),
            Listed::Away(_) => 0,
        }
    }
}

/// A charge point as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    connected: bool,
    version: &'static str,
    /// The address it connected from; the port is not always known.
    address: String,
    /// The name of the listener that it connected to.
    listener: String,
    connected_since: String,
    disconnected_at: Option<String>,
    /// As in the metric `closed`.
    disconnect_reason: Option<&'static str>,
    last_message: Option<String>,
    last_heartbeat: Option<String>,
    vendor: Option<Box<str>>,
    model: Option<Box<str>>,
    firmware: Option<Box<str>>,
    serial: Option<Box<str>>,
    connectors: Vec<ConnectorRow>,
    open_calls: OpenCalls,
    /// Messages of back ends that wait because the charge point accepts no more for now.
    mailbox: usize,
}

#[derive(Debug, Serialize)]
struct ConnectorRow {
    evse: Option<u32>,
    connector: u32,
    status: Cow<'static, str>,
    error_code: Option<Cow<'static, str>>,
    at: String,
}

#[derive(Debug, Serialize)]
struct OpenCalls {
    from_charge_point: u32,
    to_charge_point: u32,
}

impl Row {
    pub(super) fn of(listed: &Listed, clock: WallClock) -> Self {
        let time = |moment| rfc3339(clock.time(moment));
        let facts = listed.facts();
        let (boot, connectors, last_disconnect) =
            facts.with(|known| (known.boot.clone(), known.connectors.clone(), known.last_disconnect));
        let Boot { vendor, model, firmware, serial } = boot.map(|boot| *boot).unwrap_or_default();
        let OpenCallCounts { from_charge_point, to_charge_point } = listed.open_calls();
        Row {
            id: listed.id().to_owned(),
            connected: matches!(listed, Listed::Connected(_)),
            version: listed.version().subprotocol(),
            address: listed.arrival().address.to_string(),
            listener: listed.arrival().listener.to_string(),
            connected_since: rfc3339(listed.since()),
            disconnected_at: last_disconnect.map(|last| time(last.at)),
            disconnect_reason: last_disconnect.map(|last| last.reason),
            last_message: listed.last_message().map(time),
            last_heartbeat: facts.last_heartbeat().map(time),
            vendor,
            model,
            firmware,
            serial,
            connectors: connectors.into_iter().map(ConnectorRow::from).collect(),
            open_calls: OpenCalls { from_charge_point, to_charge_point },
            mailbox: listed.waiting(),
        }
    }
}

impl From<Connector> for ConnectorRow {
    fn from(Connector { evse, connector, status, error_code, at }: Connector) -> Self {
        ConnectorRow { evse, connector, status, error_code, at: rfc3339(at) }
    }
}
