//! What a connection shows to those who watch.
//!
//! A message is shown once, with what the transforms made of it. A frame is shown by itself only if no message shows it:
//! one that passed no transform, and one that is sent later than the message that it comes from.

use super::exchanges::{Exchange, Exchanges};
use crate::operations::events::rfc3339_micros;
use crate::operations::tap::{Frames, TapHub, TapSender, TappedFrame, send_frame, send_message};
use crate::recording::{MqttMessage, RecordedMessage, Step, StepAction};
use crate::routing::{Downlinked, Uplinked};
use ocpp_gateway_core::call_error::ORIGIN;
use ocpp_gateway_core::frame::{MAX_RECEIVED_ID, Received};
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_core::{Frame, MessageType, Peer, UnansweredCalls};
use ocpp_gateway_mqtt::{Message, Publication};
use ocpp_gateway_pipeline::{Answer, NotMapped, TraceStep, Tracing, TransformIncident};
use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Who watches this connection. Without a watcher, a message costs one comparison.
#[derive(Debug, Default)]
pub(super) struct ConnectionTap {
    /// [`TapHub::revision`] for which `watched` holds.
    revision: u64,
    watched: Option<Box<WatchedConnection>>,
}

/// A connection with watchers.
#[derive(Debug, Default)]
pub(super) struct WatchedConnection {
    watchers: Vec<Arc<TapSender>>,
    exchanges: Exchanges,
    /// Frames that the latest message showed: types and ids. They are usually sent at once.
    shown: Vec<(MessageType, String)>,
}

/// The beginning of a message that is watched.
#[derive(Debug)]
pub(super) struct Arrival {
    time: SystemTime,
    started: Instant,
    /// How long the transforms took.
    took: Duration,
    is_traced: bool,
}

impl Arrival {
    /// The transforms begin. Returns whether they are traced.
    pub(super) fn start(arrival: Option<&mut Self>) -> Tracing {
        let Some(arrival) = arrival else { return Tracing::Off };
        arrival.started = Instant::now();
        if arrival.is_traced { Tracing::On } else { Tracing::Off }
    }

    /// The transforms have returned. What follows is for those who watch, and is not counted as time of the message.
    pub(super) fn end(arrival: Option<&mut Self>) -> Option<Instant> {
        arrival.map(|arrival| {
            let now = Instant::now();
            arrival.took = now.saturating_duration_since(arrival.started);
            now
        })
    }
}

impl ConnectionTap {
    /// The connection, if it has a watcher.
    pub(super) fn watched(&mut self, hub: &TapHub, peer: &Peer) -> Option<&mut WatchedConnection> {
        if self.revision != hub.revision() {
            self.refresh(hub, peer);
        }
        self.watched.as_deref_mut()
    }

    #[cold]
    fn refresh(&mut self, hub: &TapHub, peer: &Peer) {
        // Before the watchers are read: one that comes meanwhile is found at the next message.
        self.revision = hub.revision();
        let watchers = hub.watchers_of(peer.identity.as_str());
        if watchers.is_empty() {
            self.watched = None;
        } else {
            self.watched.get_or_insert_default().watchers = watchers;
        }
    }

    /// Another event begins: what is sent from now on was not sent at once.
    pub(super) fn begin_event(&mut self) {
        if let Some(watched) = &mut self.watched {
            watched.shown.clear();
        }
    }
}

impl WatchedConnection {
    /// A message begins.
    pub(super) fn arrival(&self) -> Arrival {
        let is_traced = self.watchers.iter().any(|watcher| watcher.wants_trace());
        Arrival { time: SystemTime::now(), started: Instant::now(), took: Duration::ZERO, is_traced }
    }

    /// A frame of the charge point that passed the transforms. `text`: as it arrived.
    pub(super) fn uplink(
        &mut self,
        peer: &Peer,
        arrival: &Arrival,
        text: &str,
        frame: &Frame<'_>,
        uplinked: &mut Uplinked,
    ) {
        let is_call = frame.kind == MessageType::Call;
        if is_call {
            // The session has no other one open under this id.
            self.exchanges.close(Direction::Uplink, &frame.id);
        }
        let exchange = self.exchanges.follow(Direction::Uplink, frame);
        if is_call && (uplinked.answer.is_some() || uplinked.is_dropped) {
            self.exchanges.close(Direction::Uplink, &frame.id);
        }
        if let Some(answer) = &uplinked.answer {
            let message_type = match answer {
                Answer::Result(_) => MessageType::CallResult,
                Answer::Error(_) => MessageType::CallError,
                Answer::ResultError(_) => MessageType::CallResultError,
            };
            self.shown.push((message_type, frame.id.to_string()));
        }
        let message = RecordedMessage {
            frame: Some(text.to_owned()),
            published: published(&uplinked.publications),
            answer: uplinked.answer.clone().map(StepAction::from),
            incidents: texts(&uplinked.incidents),
            steps: steps(&mut uplinked.steps),
            ..message(peer, arrival, Direction::Uplink, Some(frame), exchange.as_ref())
        };
        send_message(&self.watchers, message);
    }

    /// An error frame of the gateway for back ends.
    pub(super) fn report(&mut self, peer: &Peer, arrival: &Arrival, frame: &Frame<'_>, reported: &mut Uplinked) {
        let exchange = self.exchanges.close_failed(frame);
        let message = RecordedMessage {
            origin: Some(ORIGIN.1.to_owned()),
            frame: Some(frame.encode()),
            published: published(&reported.publications),
            incidents: texts(&reported.incidents),
            steps: steps(&mut reported.steps),
            ..message(peer, arrival, Direction::Uplink, Some(frame), exchange.as_ref())
        };
        send_message(&self.watchers, message);
    }

    /// A message from a back end that passed the transforms.
    pub(super) fn downlink(
        &mut self,
        peer: &Peer,
        arrival: &Arrival,
        arrived: &Message,
        unanswered: UnansweredCalls<'_>,
        downlinked: &mut Downlinked,
    ) {
        let frames = &downlinked.frames;
        let mut exchange = None;
        for frame in frames {
            let of_this = self.exchanges.follow(Direction::Downlink, frame);
            exchange = exchange.or(of_this);
            self.shown.push((frame.kind, frame.id.to_string()));
        }
        let Message { topic, payload, qos, retain, .. } = arrived;
        let mut message = message(peer, arrival, Direction::Downlink, frames.first(), exchange.as_ref());
        if let Some(action) = message.message_id.as_deref().and_then(|id| unanswered.action(id)) {
            message.action.get_or_insert_with(|| action.to_owned());
        }
        let message = RecordedMessage {
            message: Some(MqttMessage::new(topic, *qos as u8, *retain, payload)),
            frame_attributes: BTreeMap::new(),
            unanswered: unanswered.iter().map(|(id, action)| (id.to_owned(), action.to_owned())).collect(),
            published: published(&downlinked.publications),
            sent: frames.iter().map(Frame::encode).collect(),
            not_mapped: downlinked.not_mapped.as_ref().map(|NotMapped { text, .. }| text.clone()),
            incidents: texts(&downlinked.incidents),
            steps: steps(&mut downlinked.steps),
            ..message
        };
        send_message(&self.watchers, message);
    }

    /// A text of the charge point that passes no transform.
    pub(super) fn received(&mut self, peer: &Peer, text: &str) {
        let frame = Received::parse(text, MAX_RECEIVED_ID).ok().map(|received| received.frame);
        let exchange = frame.as_ref().and_then(|frame| match frame.kind {
            // It opens no exchange: it repeats another CALL, or is held back and shown later.
            MessageType::Call => self.exchanges.find(Direction::Uplink, frame).cloned(),
            _ => self.exchanges.follow(Direction::Uplink, frame),
        });
        self.frame(peer, Frames::Received, text, frame.as_ref(), exchange.as_ref());
    }

    /// A text that is sent to the charge point, unless the latest message showed it.
    pub(super) fn sent(&mut self, peer: &Peer, text: &str) {
        let frame = Received::parse(text, MAX_RECEIVED_ID).ok().map(|received| received.frame);
        let is = |shown: &(MessageType, String), frame: &Frame<'_>| shown.0 == frame.kind && *shown.1 == *frame.id;
        if let Some(frame) = &frame
            && let Some(place) = self.shown.iter().position(|shown| is(shown, frame))
        {
            self.shown.swap_remove(place);
            return;
        }
        // A CALL that waited is known, an operator's is not.
        let exchange = frame.as_ref().and_then(|frame| self.exchanges.follow(Direction::Downlink, frame));
        self.frame(peer, Frames::Sent, text, frame.as_ref(), exchange.as_ref());
    }

    fn frame(&self, peer: &Peer, frames: Frames, text: &str, frame: Option<&Frame<'_>>, exchange: Option<&Exchange>) {
        let tapped = TappedFrame {
            time: rfc3339_micros(SystemTime::now()),
            charge_point: peer.identity.to_string(),
            version: peer.version.subprotocol(),
            exchange: exchange.map(|exchange| exchange_id(peer, exchange)),
            direction: if frames == Frames::Sent { Direction::Downlink } else { Direction::Uplink },
            message_type: frame.map(|frame| frame.kind),
            action: action(frame, exchange),
            message_id: frame.map(|frame| frame.id.to_string()),
            frame: Some(text.to_owned()),
        };
        send_frame(&self.watchers, frames, tapped);
    }
}

/// Of an answer: that of its CALL.
fn action(frame: Option<&Frame<'_>>, exchange: Option<&Exchange>) -> Option<String> {
    let own = frame.and_then(|frame| frame.action.as_deref()).filter(|action| !action.is_empty());
    own.or(exchange.map(|exchange| &*exchange.action)).map(str::to_owned)
}

/// A message with what all have in common.
fn message(
    peer: &Peer,
    arrival: &Arrival,
    direction: Direction,
    frame: Option<&Frame<'_>>,
    exchange: Option<&Exchange>,
) -> RecordedMessage {
    RecordedMessage {
        time: rfc3339_micros(arrival.time),
        charge_point: peer.identity.to_string(),
        version: peer.version.subprotocol().to_owned(),
        attributes: peer.attributes.iter().cloned().collect(),
        exchange: exchange.map(|exchange| exchange_id(peer, exchange)),
        direction,
        message_type: frame.map(|frame| frame.kind.name().to_owned()),
        action: action(frame, exchange),
        message_id: frame.map(|frame| frame.id.to_string()),
        origin: None,
        frame: None,
        frame_attributes: frame.iter().flat_map(|frame| frame.attributes.iter().cloned()).collect(),
        message: None,
        unanswered: BTreeMap::new(),
        published: Vec::new(),
        sent: Vec::new(),
        answer: None,
        not_mapped: None,
        incidents: Vec::new(),
        time_us: arrival.took.as_secs_f64() * 1e6,
        steps: None,
    }
}

/// Unique in this process for as long as the connection has a watcher.
fn exchange_id(peer: &Peer, exchange: &Exchange) -> String {
    format!("{}-{}", peer.connection, exchange.number)
}

fn published(publications: &[Publication]) -> Vec<MqttMessage> {
    let message = |Publication { topic, payload, qos, retain, .. }: &Publication| {
        MqttMessage::new(topic, *qos as u8, *retain, payload)
    };
    publications.iter().map(message).collect()
}

fn texts(incidents: &[TransformIncident]) -> Vec<String> {
    incidents.iter().map(ToString::to_string).collect()
}

fn steps(steps: &mut Vec<TraceStep>) -> Option<Vec<Step>> {
    let steps = mem::take(steps);
    (!steps.is_empty()).then(|| steps.into_iter().map(Step::from).collect())
}
