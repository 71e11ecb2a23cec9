//! What of a recorded message a replay needs, borrowed from its line where possible.

use super::line::FORMAT;
use data_encoding::BASE64;
use ocpp_gateway_core::call_error::ORIGIN;
use ocpp_gateway_core::frame::{Frame, MAX_RECEIVED_ID, Received};
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_core::{Attributes, Identity, MessageType, Peer, QoS};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// A message of a recording.
#[derive(Debug)]
pub struct ReplayMessage<'a> {
    /// The number of its line, from 1.
    pub line: u64,
    /// When it arrived, since 1970.
    pub time: Duration,
    pub peer: Peer,
    /// `None`: it is not known.
    pub message_type: Option<MessageType>,
    /// Empty if it is not known.
    pub action: Cow<'a, str>,
    pub content: MessageContent<'a>,
}

/// What a message was when it arrived.
#[derive(Debug)]
pub enum MessageContent<'a> {
    /// Of the charge point.
    Frame {
        text: Cow<'a, str>,
        attributes: Attributes,
        /// Whether the gateway made it, as a report to back ends.
        is_report: bool,
    },
    /// Of a back end.
    Message {
        topic: Cow<'a, str>,
        payload: Cow<'a, [u8]>,
        qos: QoS,
        retain: bool,
        /// Message ids and actions.
        unanswered: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    },
}

impl ReplayMessage<'_> {
    pub fn direction(&self) -> Direction {
        match self.content {
            MessageContent::Frame { .. } => Direction::Uplink,
            MessageContent::Message { .. } => Direction::Downlink,
        }
    }

    /// The frame of a text of this message. `attributes`: its own.
    pub fn frame<'t>(&'t self, text: &'t str, attributes: &Attributes) -> Result<Frame<'t>, String> {
        let received = Received::parse(text, MAX_RECEIVED_ID).map_err(|fault| format!("its frame is {fault}"))?;
        let mut frame = received.frame;
        if frame.action.is_none() && !self.action.is_empty() {
            frame.action = Some(Cow::Borrowed(&self.action));
        }
        frame.attributes = attributes.clone();
        Ok(frame)
    }
}

/// A line as it is written. Members that a replay does not need are not read.
#[derive(Debug, Deserialize)]
pub(super) struct RawLine<'a> {
    #[serde(rename = "v")]
    pub(super) format: u32,
    #[serde(borrow)]
    pub(super) event: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(borrow, default)]
    charge_point: Cow<'a, str>,
    #[serde(borrow, default)]
    version: Cow<'a, str>,
    #[serde(borrow, default)]
    attributes: Pairs<'a>,
    direction: Option<Direction>,
    #[serde(borrow, default, rename = "type")]
    message_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    action: Option<Text<'a>>,
    #[serde(borrow, default)]
    origin: Option<Text<'a>>,
    #[serde(borrow, default)]
    frame: Option<Text<'a>>,
    #[serde(borrow, default)]
    frame_attributes: Pairs<'a>,
    #[serde(borrow, default)]
    message: Option<RawMessage<'a>>,
    #[serde(borrow, default)]
    unanswered: Pairs<'a>,
    /// Of the event `missed`.
    #[serde(default)]
    pub(super) missed: u64,
}

#[derive(Debug, Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    qos: u8,
    retain: bool,
    #[serde(borrow, default)]
    payload: Option<Text<'a>>,
    #[serde(borrow, default)]
    payload_base64: Option<Text<'a>>,
}

/// In an `Option`, serde borrows no `Cow`.
#[derive(Debug, Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an object whose values are texts, in their order.
#[derive(Debug, Default)]
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose values are texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Pairs<'_> {
    fn into_attributes(self) -> Attributes {
        self.0.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }
}

/// The first members of a line whose others are not as this program knows them.
#[derive(Debug, Deserialize)]
pub(super) struct RawHead<'a> {
    #[serde(rename = "v")]
    pub(super) format: u32,
    #[serde(borrow)]
    pub(super) event: Cow<'a, str>,
}

/// What a line is.
pub(super) enum LineContent<'a> {
    Message(Box<ReplayMessage<'a>>),
    /// A message without the text that a replay needs.
    WithoutPayload,
    /// How many messages are missing here.
    Missed(u64),
    OtherEvent,
    /// Of this version of the format.
    Newer(u32),
    /// It is not JSON, for this reason.
    NotJson(String),
    /// It is JSON that is no line of a recording, for this reason.
    Unreadable(String),
}

impl<'a> LineContent<'a> {
    /// `text`: a line without its end. `line`: its number.
    pub(super) fn parse(text: &'a [u8], line: u64) -> Self {
        let raw = match serde_json::from_slice::<RawLine<'_>>(text) {
            Ok(raw) => raw,
            Err(error) => return LineContent::of_head(text, &error),
        };
        match &*raw.event {
            _ if raw.format != FORMAT => LineContent::of_other_format(raw.format),
            "message" => raw.into_message(line).unwrap_or_else(LineContent::Unreadable),
            "missed" => LineContent::Missed(raw.missed),
            _ => LineContent::OtherEvent,
        }
    }

    /// Of a line with a member of another type. An event that is no message may have it.
    fn of_head(text: &[u8], error: &serde_json::Error) -> Self {
        match serde_json::from_slice::<RawHead<'_>>(text) {
            Ok(head) if head.format != FORMAT => LineContent::of_other_format(head.format),
            Ok(head) if head.event != "message" => LineContent::OtherEvent,
            _ if serde_json::from_slice::<IgnoredAny>(text).is_err() => {
                LineContent::NotJson(format!("it is not JSON, at column {}", error.column()))
            }
            _ => LineContent::Unreadable(format!("it is no line of a recording: {error}")),
        }
    }

    fn of_other_format(format: u32) -> Self {
        if format > FORMAT {
            LineContent::Newer(format)
        } else {
            LineContent::Unreadable(format!("version {format} of the format has never existed"))
        }
    }
}

impl<'a> RawLine<'a> {
    fn into_message(self, line: u64) -> Result<LineContent<'a>, String> {
        let time = humantime::parse_rfc3339(&self.time).map_err(|error| format!("time {:?}: {error}", self.time))?;
        let time = time.duration_since(UNIX_EPOCH).map_err(|_| format!("time {:?} is before 1970", self.time))?;
        let identity = Identity::new(&self.charge_point, usize::MAX);
        let identity = identity.map_err(|fault| format!("charge_point {:?}: {fault}", self.charge_point))?;
        let version = self.version.parse().map_err(|fault| format!("version: {fault}"))?;
        let connection = connection_of(&identity);
        let peer = Peer { identity, version, connection, attributes: self.attributes.into_attributes() };
        let content = match self.direction.ok_or("it has no direction")? {
            Direction::Uplink => {
                let Some(Text(text)) = self.frame else { return Ok(LineContent::WithoutPayload) };
                let is_report = self.origin.is_some_and(|Text(origin)| origin == ORIGIN.1);
                let mut attributes = self.frame_attributes.into_attributes();
                if is_report && !attributes.iter().any(|(name, _)| name == ORIGIN.0) {
                    attributes.push((ORIGIN.0.to_owned(), ORIGIN.1.to_owned()));
                }
                MessageContent::Frame { text, attributes, is_report }
            }
            Direction::Downlink => {
                let Some(RawMessage { topic, qos, retain, payload, payload_base64 }) = self.message else {
                    return Ok(LineContent::WithoutPayload);
                };
                let payload = match (payload, payload_base64) {
                    (Some(Text(Cow::Borrowed(text))), _) => Cow::Borrowed(text.as_bytes()),
                    (Some(Text(Cow::Owned(text))), _) => Cow::Owned(text.into_bytes()),
                    (None, Some(Text(text))) => {
                        let bytes = BASE64.decode(text.as_bytes());
                        Cow::Owned(bytes.map_err(|error| format!("payload_base64: {error}"))?)
                    }
                    (None, None) => return Ok(LineContent::WithoutPayload),
                };
                let qos = QoS::from_level(qos).ok_or_else(|| format!("there is no QoS {qos}"))?;
                MessageContent::Message { topic, payload, qos, retain, unanswered: self.unanswered.0 }
            }
        };
        let is_named = |kind: &MessageType| self.message_type.as_ref().is_some_and(|Text(name)| name == kind.name());
        let message_type = MessageType::ALL.into_iter().find(is_named);
        let Text(action) = self.action.unwrap_or_default();
        Ok(LineContent::Message(Box::new(ReplayMessage { line, time, peer, message_type, action, content })))
    }
}

/// A recording has no numbers of connections. Each charge point has one of its own, as transforms may tell charge
/// points apart by it.
fn connection_of(identity: &Identity) -> u32 {
    // FNV-1a, which is the same in each replay.
    let hash =
        identity.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    hash.max(1)
}
