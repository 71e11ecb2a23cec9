//! The parts of a message, and its encoding.

use crate::publish::Attributes;
use std::borrow::Cow;
use strum::{EnumCount, IntoStaticStr, VariantArray};

/// The longest message id that may be sent, in characters (OCPP-J 1.6 section 4.1.4).
pub const MAX_MESSAGE_ID: usize = 36;

/// The longest message id that is accepted from a charge point of OCPP 1.6, in characters. GUIDs in braces have 38.
pub const MAX_RECEIVED_ID: usize = 255;

/// The longest action that is accepted, in characters. The longest name in the specifications has 33.
pub const MAX_ACTION: usize = 128;

/// The attribute with the message id under which the back end sent a CALL, if a transform has given the CALL another
/// id. The charge point's answer carries it too.
pub const BACK_END_ID: &str = "back-end-message-id";

/// The first element of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "UPPERCASE")]
pub enum MessageType {
    Call = 2,
    CallResult = 3,
    CallError = 4,
    /// 2.1 only: a CALLRESULT could not be processed.
    CallResultError = 5,
    /// 2.1 only: a message that is never answered.
    Send = 6,
}

impl MessageType {
    pub const ALL: [MessageType; MessageType::COUNT] =
        *MessageType::VARIANTS.first_chunk().expect("one element per variant");

    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| u64::from(kind.number()) == number)
    }

    pub fn number(self) -> u8 {
        self as u8
    }

    /// `CALL`, `CALLRESULT`, …: the name in the specification.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One message. Borrows from its text where possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: MessageType,
    pub id: Cow<'a, str>,
    /// Of a CALL or SEND: its own. Of an answer: the action of the CALL, if that is known; it is not encoded.
    pub action: Option<Cow<'a, str>>,
    /// JSON text: the payload, or the error details.
    pub payload: Cow<'a, str>,
    /// In CALLERROR and CALLRESULTERROR only.
    pub error: Option<ErrorHead<'a>>,
    /// Facts for transforms, such as `origin` = `gateway` on a frame that the gateway itself made.
    pub attributes: Attributes,
}

/// Code and description of a CALLERROR or CALLRESULTERROR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorHead<'a> {
    pub code: Cow<'a, str>,
    pub description: Cow<'a, str>,
}

/// How a message id is written: as a string, or as a number, as some charge points do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum IdForm {
    #[default]
    Text,
    Number,
}

/// Why a text is not a frame, and the parts that could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Malformed {
    pub problem: FrameProblem,
    /// The first element, if it is a number.
    pub message_type: Option<u64>,
    /// The message id, if there is one, of any length.
    pub id: Option<String>,
    pub id_form: IdForm,
}

/// What is wrong with a text that is not a frame. Never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameProblem {
    #[error("not JSON, at column {column}")]
    NotJson { column: usize },
    #[error("not an array of message type, message id and the parts of that type, at column {column}")]
    Shape { column: usize },
    #[error("unknown message type {0}")]
    UnknownType(u64),
    #[error("the message id is longer than {limit} characters")]
    IdTooLong { limit: usize },
    #[error("the message id is empty")]
    IdEmpty,
    #[error("the action is longer than {MAX_ACTION} characters")]
    ActionTooLong,
    #[error("the payload is not a JSON object")]
    PayloadNotAnObject,
}

impl<'a> Frame<'a> {
    /// A frame without an action, error or attributes. `payload`: JSON text.
    pub fn new(kind: MessageType, id: impl Into<Cow<'a, str>>, payload: impl Into<Cow<'a, str>>) -> Self {
        let (id, payload) = (id.into(), payload.into());
        Frame { kind, id, action: None, payload, error: None, attributes: Attributes::new() }
    }
}

impl Frame<'_> {
    /// The message id that the back end used, if a transform changed it: see [`BACK_END_ID`].
    pub fn back_end_id(&self) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == BACK_END_ID).map(|(_, id)| id.as_str())
    }

    /// The text of one WebSocket message.
    pub fn encode(&self) -> String {
        self.encode_with(IdForm::Text)
    }

    /// The same, with the id in the form that the charge point sent, by which it recognises the answer.
    pub fn encode_with(&self, id_form: IdForm) -> String {
        let mut text = String::with_capacity(self.payload.len() + self.id.len() + 96);
        text.push('[');
        text.push(char::from(b'0' + self.kind.number()));
        match id_form {
            IdForm::Text => push_string(&mut text, &self.id),
            IdForm::Number => {
                text.push(',');
                text.push_str(&self.id);
            }
        }
        if let MessageType::Call | MessageType::Send = self.kind {
            push_string(&mut text, self.action.as_deref().unwrap_or_default());
        }
        if let MessageType::CallError | MessageType::CallResultError = self.kind {
            let head = self.error.as_ref();
            push_string(&mut text, head.map_or("GenericError", |head| &head.code));
            push_string(&mut text, head.map_or("", |head| &head.description));
        }
        text.push(',');
        text.push_str(&self.payload);
        text.push(']');
        text
    }

    /// A frame that borrows nothing.
    pub fn into_owned(self) -> Frame<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        Frame {
            kind: self.kind,
            id: own(self.id),
            action: self.action.map(own),
            payload: own(self.payload),
            error: self.error.map(|head| ErrorHead { code: own(head.code), description: own(head.description) }),
            attributes: self.attributes,
        }
    }

    /// The action, or an empty text if it is unknown.
    pub fn action_name(&self) -> &str {
        self.action.as_deref().unwrap_or_default()
    }
}

/// Appends `,"text"`, escaped for JSON.
fn push_string(out: &mut String, text: &str) {
    out.push(',');
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}
