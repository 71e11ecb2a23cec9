//! The lines that watchers get. Their types have only texts as keys of maps, so that serialization cannot fail.

use super::secrets::{HIDDEN, Secrets};
use crate::operations::events::TimedEvent;
use crate::recording::{FORMAT, MessageText, RecordedMessage};
use data_encoding::BASE64;
use ocpp_gateway_core::MessageType;
use ocpp_gateway_core::session::Direction;
use serde::{Serialize, Serializer};

/// A frame of a charge point or to it that no message shows.
#[derive(Debug, Clone, Serialize)]
pub struct TappedFrame {
    /// RFC 3339 in UTC, with microseconds.
    pub time: String,
    pub charge_point: String,
    /// The OCPP version.
    pub version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    pub direction: Direction,
    #[serde(rename = "type", serialize_with = "name", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
}

/// The event of a [`TappedFrame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    Received,
    Sent,
}

impl Frames {
    pub(super) fn event(self) -> &'static str {
        match self {
            Frames::Received => "received",
            Frames::Sent => "sent",
        }
    }
}

fn name<S: Serializer>(message_type: &Option<MessageType>, serializer: S) -> Result<S::Ok, S::Error> {
    message_type.map(MessageType::name).serialize(serializer)
}

#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(rename = "v")]
    format: u32,
    event: &'static str,
    #[serde(flatten)]
    content: &'a T,
}

/// It has the name of the event and its time already.
#[derive(Serialize)]
struct EventLine<'a> {
    #[serde(rename = "v")]
    format: u32,
    #[serde(flatten)]
    event: &'a TimedEvent,
}

/// The text of a line with an event.
pub(super) fn event(event: &TimedEvent) -> String {
    serde_json::to_string(&EventLine { format: FORMAT, event }).unwrap_or_default()
}

/// The text of a line.
pub fn line(event: &'static str, content: &impl Serialize) -> String {
    serde_json::to_string(&Line { format: FORMAT, event, content }).unwrap_or_default()
}

/// The message as a watcher without payloads sees it.
pub(super) fn without_payloads(message: &RecordedMessage) -> RecordedMessage {
    let mut message = RecordedMessage { frame: None, sent: Vec::new(), answer: None, steps: None, ..message.clone() };
    for message in message.message.iter_mut().chain(&mut message.published) {
        (message.payload, message.payload_base64) = (None, None);
    }
    message
}

/// Hides secrets in all texts of a message.
pub(super) fn hide_secrets(message: &mut RecordedMessage) {
    hide_secrets_of(|change| message.for_each_text(change));
}

/// Hides secrets in texts about one message. `for_each_text`: shows each of them to what it is called with.
pub(crate) fn hide_secrets_of(mut for_each_text: impl FnMut(&mut dyn FnMut(MessageText<'_>))) {
    let mut secrets = Secrets::default();
    for_each_text(&mut |text| {
        if let MessageText::Plain(text) = text {
            secrets.take(text);
        }
    });
    if !secrets.is_empty() {
        for_each_text(&mut |text| match text {
            MessageText::Plain(text) => secrets.hide(text),
            // It cannot be searched.
            MessageText::Base64(text) => *text = BASE64.encode(HIDDEN.as_bytes()),
        });
    }
}

/// Hides secrets in a text by itself, such as a payload.
pub(crate) fn hide_secrets_in(text: &mut String) {
    Secrets::default().take(text);
}

impl TappedFrame {
    pub(super) fn hide_secrets(&mut self) {
        self.frame.iter_mut().for_each(hide_secrets_in);
    }
}
