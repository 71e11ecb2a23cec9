//! The message to try, the charge point that it is from or for, and the candidate.

use super::super::audit::Caller;
use super::super::problem::Problem;
use super::super::transforms::ChangeBody;
use crate::transforms::{ChangeRequest, RequestedChange};
use ocpp_gateway_core::{Frame, Identity, Peer, Publish, QoS};
use ocpp_gateway_pipeline::FewerHooks;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The name of a candidate that has none.
const CANDIDATE: &str = "candidate";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TryBody {
    charge_point: ChargePoint,
    /// A frame from the charge point: its text, or the array.
    frame: Option<Value>,
    /// The action of the CALL that the frame answers.
    action: Option<String>,
    /// A message from a back end.
    message: Option<MqttMessage>,
    /// The settings of a transform that is tried in its place.
    candidate: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChargePoint {
    id: String,
    #[serde(default = "ocpp16")]
    version: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

fn ocpp16() -> String {
    "ocpp1.6".into()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MqttMessage {
    topic: String,
    /// A text is the payload itself; anything else is sent as JSON.
    #[serde(default)]
    payload: Value,
    #[serde(default = "at_least_once")]
    qos: u8,
    #[serde(default)]
    retain: bool,
}

fn at_least_once() -> u8 {
    1
}

pub(super) struct TryRequest {
    pub(super) peer: Peer,
    pub(super) message: TryMessage,
    pub(super) candidate: Option<ChangeRequest>,
}

pub(super) enum TryMessage {
    Frame(Frame<'static>),
    Message(Publish),
}

impl TryRequest {
    /// `is_running`: whether a transform of this name runs, so that a candidate replaces it.
    pub(super) fn read(
        body: ChangeBody,
        caller: Caller,
        is_running: impl FnOnce(&str) -> bool,
    ) -> Result<Self, Problem> {
        let ChangeBody { settings, component, signature, .. } = body;
        let settings = settings.ok_or_else(|| Problem::bad_request("the message is missing: send application/json"))?;
        let body: TryBody =
            serde_json::from_value(settings.into()).map_err(|error| Problem::bad_request(error.to_string()))?;
        let peer = body.charge_point.peer()?;
        let message = match (body.frame, body.message) {
            (Some(frame), None) => {
                let text = frame.as_str().map_or_else(|| frame.to_string(), str::to_owned);
                let mut frame = read_frame(&text)?;
                frame.action = frame.action.or(body.action.map(Cow::Owned));
                TryMessage::Frame(frame)
            }
            (None, Some(message)) => TryMessage::Message(message.publish()?),
            _ => return Err(Problem::bad_request("one of frame and message is needed")),
        };
        let candidate = match (body.candidate, component) {
            (None, None) => None,
            (settings, component) => {
                let change = candidate(settings.unwrap_or_default(), component, is_running)?;
                let (fewer_hooks, sender) = (FewerHooks::Allow, caller.into());
                Some(ChangeRequest { change, signature, fewer_hooks, dry_run: true, sender })
            }
        };
        Ok(TryRequest { peer, message, candidate })
    }
}

fn read_frame(text: &str) -> Result<Frame<'static>, Problem> {
    let frame =
        Frame::parse(text).map_err(|malformed| Problem::bad_request(format!("frame: {}", malformed.problem)))?;
    Ok(frame.into_owned())
}

fn candidate(
    mut settings: Map<String, Value>,
    component: Option<Vec<u8>>,
    is_running: impl FnOnce(&str) -> bool,
) -> Result<RequestedChange, Problem> {
    let mut text = |key: &str| match settings.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::bad_request(format!("candidate.{key}: has to be a text"))),
    };
    let name = text("name")?.unwrap_or_else(|| CANDIDATE.into());
    let before = text("before")?;
    Ok(if is_running(&name) {
        RequestedChange::Put { name, settings: Some(settings), component }
    } else {
        RequestedChange::Add { name, settings, component, before }
    })
}

impl ChargePoint {
    fn peer(self) -> Result<Peer, Problem> {
        let ChargePoint { id, version, attributes } = self;
        let identity =
            Identity::new(&id, id.len()).map_err(|error| Problem::bad_request(format!("charge_point.id: {error}")))?;
        let version =
            version.parse().map_err(|error| Problem::bad_request(format!("charge_point.version: {error}")))?;
        Ok(Peer { identity, version, connection: 0, attributes: attributes.into_iter().collect() })
    }
}

impl MqttMessage {
    fn publish(self) -> Result<Publish, Problem> {
        let MqttMessage { topic, payload, qos, retain } = self;
        let qos = QoS::from_level(qos).ok_or_else(|| Problem::bad_request("message.qos: has to be 0, 1 or 2"))?;
        let payload = match payload {
            Value::String(text) => text.into_bytes(),
            Value::Null => Vec::new(),
            other => other.to_string().into_bytes(),
        };
        Ok(Publish { topic, payload, qos, retain, ..Publish::default() })
    }
}
