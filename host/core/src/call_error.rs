//! The error code of each fault, per OCPP version.
//!
//! Codes: OCPP-J 1.6 section 4.2.3; OCPP 2.0.1 and 2.1 part 4 section 4.3. A charge point that receives an unexpected
//! code may send the same message for ever, so each version gets its own spelling.

use crate::frame::{ErrorHead, Frame, MessageType};
use crate::publish::Attributes;
use crate::version::Version;
use std::borrow::Cow;
use strum::{EnumCount, IntoStaticStr, VariantArray};

/// The attribute of a frame that the gateway itself made: name and value.
pub const ORIGIN: (&str, &str) = ("origin", "gateway");

/// The message id of a CALLERROR that answers a message whose own id could not be read (OCPP 2.0.1 part 4 section
/// 4.2.3).
pub const UNREADABLE_ID: &str = "-1";

/// The id under which a message is reported: `id`, or [`UNREADABLE_ID`] if that is empty.
pub fn reported_id(id: &str) -> &str {
    if id.is_empty() { UNREADABLE_ID } else { id }
}

/// What went wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Fault {
    /// The text is not an OCPP-J message; its id could be read.
    BadFrame,
    /// The text is not an OCPP-J message, and its id could not be read.
    UnreadableFrame,
    /// The message type does not exist in this version.
    UnknownMessageType,
    /// Another CALL is open under the same message id; this one waits until that one is answered.
    IdInUse,
    /// An answer without an open CALL.
    UnknownCall,
    /// The answer did not come in time.
    TimedOut,
    /// No back end has subscribed to the message's topic.
    NoBackEnd,
    /// The queue of waiting messages is full.
    QueueFull,
    /// The charge point is not connected, or disconnected before it answered.
    Disconnected,
    /// The gateway or one of its transforms failed.
    Internal,
    /// The back end's message cannot be understood.
    NotUnderstood,
    /// A transform rejected the message.
    Rejected,
    /// A transform dropped the message.
    Dropped,
    /// A payload violates a schema: it is refused, or only logged. [`Violation`] has the codes.
    Violation,
    /// No schema names the action.
    UnknownAction,
    /// The action exists, but has no message of this type.
    UnsupportedAction,
    /// The same CALL arrived again while it was open, or the broker redelivered a message.
    Duplicate,
    /// A retained message: the broker stored it before the subscription, so it is stale (MQTT 3.1.1 section 3.3.1.3).
    Retained,
    /// The back end's message exceeds the size limit.
    TooLarge,
}

impl Fault {
    pub const ALL: [Fault; Fault::COUNT] = *Fault::VARIANTS.first_chunk().expect("one element per variant");

    /// A name for logs and metrics, such as `bad_frame`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn code(self, version: Version) -> &'static str {
        let old = version == Version::V1_6;
        match self {
            Fault::BadFrame | Fault::UnreadableFrame if old => "FormationViolation",
            Fault::BadFrame | Fault::UnreadableFrame => "RpcFrameworkError",
            Fault::UnknownMessageType if old => "NotSupported",
            Fault::UnknownMessageType => "MessageTypeNotSupported",
            Fault::NotUnderstood if old => "FormationViolation",
            Fault::NotUnderstood => "FormatViolation",
            Fault::UnknownAction => "NotImplemented",
            Fault::UnsupportedAction => "NotSupported",
            Fault::TimedOut | Fault::NoBackEnd | Fault::QueueFull | Fault::Disconnected | Fault::Internal => {
                "InternalError"
            }
            Fault::IdInUse
            | Fault::UnknownCall
            | Fault::Rejected
            | Fault::Dropped
            | Fault::Violation
            | Fault::Duplicate
            | Fault::Retained
            | Fault::TooLarge => "GenericError",
        }
    }

    /// The error for this fault, in the spelling of `version`.
    pub fn error(self, version: Version, description: impl Into<Cow<'static, str>>) -> CallError {
        CallError { code: self.code(version).into(), description: clip(description.into()), details: "{}".into() }
    }
}

/// The kinds of schema violations that have error codes of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// An unexpected member, or a payload that cannot be parsed, such as one nested too deeply.
    Form,
    /// A field has the wrong type.
    Type,
    /// A field is missing, or has too few or too many elements.
    Occurrence,
    /// A field has a forbidden value.
    Value,
}

impl Violation {
    pub fn code(self, version: Version) -> &'static str {
        let old = version == Version::V1_6;
        match self {
            Violation::Form if old => "FormationViolation",
            Violation::Form => "FormatViolation",
            Violation::Type => "TypeConstraintViolation",
            // The spelling of OCPP-J 1.6.
            Violation::Occurrence if old => "OccurenceConstraintViolation",
            Violation::Occurrence => "OccurrenceConstraintViolation",
            Violation::Value => "PropertyConstraintViolation",
        }
    }

    /// The error for this violation, in the spelling of `version`.
    pub fn error(self, version: Version, description: impl Into<Cow<'static, str>>) -> CallError {
        CallError { code: self.code(version).into(), description: clip(description.into()), details: "{}".into() }
    }
}

/// The longest error code and the longest description, in characters (OCPP 2.0.1 part 4 section 4.2.3).
const MAX_CODE: usize = 50;
const MAX_DESCRIPTION: usize = 255;

fn clip(description: Cow<'static, str>) -> Cow<'static, str> {
    cut(description, MAX_DESCRIPTION)
}

fn cut(text: Cow<'static, str>, characters: usize) -> Cow<'static, str> {
    match text.char_indices().nth(characters) {
        Some((end, _)) => Cow::Owned(text[..end].to_owned()),
        None => text,
    }
}

impl ErrorHead<'static> {
    /// Code and description given by a transform, cut to the lengths that OCPP-J allows.
    pub fn truncated(code: impl Into<Cow<'static, str>>, description: impl Into<Cow<'static, str>>) -> Self {
        ErrorHead { code: cut(code.into(), MAX_CODE), description: clip(description.into()) }
    }
}

/// The content of a CALLERROR, without the id of the CALL that it answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct CallError {
    pub code: Cow<'static, str>,
    pub description: Cow<'static, str>,
    /// JSON text of an object.
    pub details: Cow<'static, str>,
}

impl CallError {
    /// An error given by a transform: code and description are cut to the allowed length, and defaults replace empty
    /// ones. `details`: JSON text of an object.
    pub fn from_transform(code: String, description: String, details: String) -> Self {
        let ErrorHead { mut code, mut description } = ErrorHead::truncated(code, description);
        if code.is_empty() {
            code = Fault::Rejected.code(Version::V1_6).into();
        }
        if description.is_empty() {
            description = "no reason is given".into();
        }
        CallError { code, description, details: details.into() }
    }

    /// The id of the message that a mapping refuses with this error: `UniqueId` in the details.
    pub fn message_id(&self) -> Option<String> {
        let details: serde_json::Value = serde_json::from_str(&self.details).ok()?;
        Some(details.get("UniqueId")?.as_str()?.to_owned())
    }

    /// The CALLERROR frame that answers the CALL `id`, marked with [`ORIGIN`].
    pub fn into_frame(self, id: &str, action: Option<&str>) -> Frame<'static> {
        let (name, value) = ORIGIN;
        Frame {
            action: action.map(|action| Cow::Owned(action.to_owned())),
            error: Some(ErrorHead { code: self.code, description: self.description }),
            attributes: Attributes::from([(name.to_owned(), value.to_owned())]),
            ..Frame::new(MessageType::CallError, id.to_owned(), self.details)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_spelt_per_version() {
        use Version::{V1_6, V2_0_1, V2_1};
        for (fault, old, new) in [
            (Fault::BadFrame, "FormationViolation", "RpcFrameworkError"),
            (Fault::UnreadableFrame, "FormationViolation", "RpcFrameworkError"),
            (Fault::UnknownMessageType, "NotSupported", "MessageTypeNotSupported"),
            (Fault::NotUnderstood, "FormationViolation", "FormatViolation"),
            (Fault::Internal, "InternalError", "InternalError"),
            (Fault::IdInUse, "GenericError", "GenericError"),
            (Fault::UnknownAction, "NotImplemented", "NotImplemented"),
            (Fault::UnsupportedAction, "NotSupported", "NotSupported"),
        ] {
            assert_eq!(fault.code(V1_6), old, "{fault:?}");
            assert_eq!(fault.code(V2_0_1), new, "{fault:?}");
            assert_eq!(fault.code(V2_1), new, "{fault:?}");
        }
    }

    #[test]
    fn descriptions_are_cut_to_255_characters() {
        let error = Violation::Value.error(Version::V2_1, "ä".repeat(300));
        assert_eq!(error.description.chars().count(), 255);
        assert_eq!(Violation::Value.error(Version::V2_1, "idTag: x").description, "idTag: x");
    }

    #[test]
    fn error_of_a_transform_is_cut_to_length_and_never_empty() {
        let error = CallError::from_transform("é".repeat(300), "ä".repeat(300), "{}".into());
        assert_eq!((error.code.chars().count(), error.description.chars().count()), (50, 255));
        let error = CallError::from_transform(String::new(), String::new(), "{}".into());
        assert_eq!((&*error.code, &*error.description), ("GenericError", "no reason is given"));
    }

    #[test]
    fn error_frame_is_marked_as_made_by_the_gateway() {
        let frame = Fault::TimedOut.error(Version::V1_6, "no answer in 30s").into_frame("7", Some("Reset"));
        assert_eq!(frame.encode(), r#"[4,"7","InternalError","no answer in 30s",{}]"#);
        assert_eq!(frame.attributes, [("origin".to_owned(), "gateway".to_owned())]);
    }
}
