//! Parses the text of one WebSocket message.
//!
//! The parser is as lenient as charge points in the field require: it accepts a byte-order mark, numeric ids, and
//! errors without details.

use super::message::{ErrorHead, Frame, FrameProblem, IdForm, MAX_ACTION, MAX_MESSAGE_ID, Malformed, MessageType};
use serde::de::{Deserializer as _, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A frame as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<'a> {
    pub frame: Frame<'a>,
    pub id_form: IdForm,
}

impl<'a> Received<'a> {
    /// Parses the text of one WebSocket message. Its id has at most `longest_id` characters.
    pub fn parse(text: &'a str, longest_id: usize) -> Result<Self, Malformed> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut head = Head::default();
        let mut json = serde_json::Deserializer::from_str(text);
        let parsed = json.deserialize_seq(Envelope { head: &mut head }).and_then(|frame| json.end().map(|()| frame));
        let problem = match parsed {
            Ok(frame) => match check(&frame, longest_id) {
                Ok(()) => return Ok(Received { frame, id_form: head.id_form }),
                Err(problem) => problem,
            },
            Err(_) if head.unknown_type() => FrameProblem::UnknownType(head.message_type.unwrap_or_default()),
            // serde_json's message may quote the text, so only the column is reported.
            Err(error) if error.is_data() => FrameProblem::Shape { column: error.column() },
            Err(error) => FrameProblem::NotJson { column: error.column() },
        };
        let id = head.id.filter(|id| !id.is_empty()).map(Cow::into_owned);
        Err(Malformed { problem, message_type: head.message_type, id, id_form: head.id_form })
    }
}

impl<'a> Frame<'a> {
    /// Parses the text of one WebSocket message whose id has at most [`MAX_MESSAGE_ID`] characters.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        Received::parse(text, MAX_MESSAGE_ID).map(|received| received.frame)
    }
}

fn check(frame: &Frame<'_>, longest_id: usize) -> Result<(), FrameProblem> {
    if is_longer(&frame.id, longest_id) {
        return Err(FrameProblem::IdTooLong { limit: longest_id });
    }
    if frame.id.is_empty() {
        return Err(FrameProblem::IdEmpty);
    }
    if is_longer(frame.action_name(), MAX_ACTION) {
        return Err(FrameProblem::ActionTooLong);
    }
    if !frame.payload.starts_with('{') {
        return Err(FrameProblem::PayloadNotAnObject);
    }
    Ok(())
}

/// Whether `text` has more characters than `limit`. Characters are counted only if the text has more bytes than that.
fn is_longer(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
}

/// The parts of the envelope read so far. They survive a later error, so that an answer can name the message.
#[derive(Default)]
struct Head<'a> {
    message_type: Option<u64>,
    id: Option<Cow<'a, str>>,
    id_form: IdForm,
}

impl Head<'_> {
    fn unknown_type(&self) -> bool {
        self.message_type.is_some_and(|number| MessageType::from_number(number).is_none())
    }
}

struct Envelope<'h, 'a> {
    head: &'h mut Head<'a>,
}

impl<'a> Visitor<'a> for Envelope<'_, 'a> {
    type Value = Frame<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an OCPP-J message")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut parts: A) -> Result<Frame<'a>, A::Error> {
        let number = next::<u64, A>(&mut parts, 0)?;
        self.head.message_type = Some(number);
        let Id { text: id, form } = next(&mut parts, 1)?;
        self.head.id = Some(id.clone());
        self.head.id_form = form;
        let Some(kind) = MessageType::from_number(number) else {
            return Err(A::Error::custom("unknown message type"));
        };
        let mut frame = Frame::new(kind, id, "{}");
        match kind {
            MessageType::Call | MessageType::Send => {
                let Text(action) = next(&mut parts, 2)?;
                frame.action = Some(action);
                frame.payload = object_or_nothing(next(&mut parts, 3)?);
            }
            MessageType::CallResult => frame.payload = object_or_nothing(next(&mut parts, 2)?),
            MessageType::CallError | MessageType::CallResultError => {
                let Text(code) = next(&mut parts, 2)?;
                let description = parts.next_element()?.map_or(Cow::Borrowed(""), description);
                frame.error = Some(ErrorHead { code, description });
                frame.payload = parts.next_element()?.map_or(Cow::Borrowed("{}"), details);
            }
        }
        match parts.next_element::<IgnoredAny>()? {
            None => Ok(frame),
            Some(_) => Err(A::Error::custom("too many elements")),
        }
    }
}

fn next<'a, T: serde::Deserialize<'a>, A: SeqAccess<'a>>(parts: &mut A, place: usize) -> Result<T, A::Error> {
    parts.next_element()?.ok_or_else(|| A::Error::invalid_length(place, &"more elements"))
}

/// `null` and `{}` both mean "empty" (OCPP-J 1.6 section 4.2.1). Only `{}` is passed on, so receivers need not handle
/// both.
fn object_or_nothing(payload: &RawValue) -> Cow<'_, str> {
    Cow::Borrowed(if payload.get() == "null" { "{}" } else { payload.get() })
}

/// The description of an error. In the field it may be `null` or any other JSON value.
fn description(value: &RawValue) -> Cow<'_, str> {
    match (value.get(), serde_json::from_str(value.get())) {
        ("null", _) => Cow::Borrowed(""),
        (_, Ok(Text(text))) => text,
        (other, Err(_)) => Cow::Borrowed(other),
    }
}

/// The details of an error: an object. In the field they may be `null`, a string or a list, which is wrapped in an
/// object.
fn details(value: &RawValue) -> Cow<'_, str> {
    match value.get() {
        "null" => Cow::Borrowed("{}"),
        object if object.starts_with('{') => Cow::Borrowed(object),
        other => Cow::Owned(format!(r#"{{"details":{other}}}"#)),
    }
}

/// A string that is borrowed unless it holds an escape. (serde's own `Cow` is always owned without this attribute.)
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A string, or a whole number as its digits.
struct Id<'a> {
    text: Cow<'a, str>,
    form: IdForm,
}

impl<'a> serde::Deserialize<'a> for Id<'a> {
    fn deserialize<D: serde::Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl<'a> Visitor<'a> for IdVisitor {
    type Value = Id<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Id<'a>, E> {
        Ok(Id { text: Cow::Borrowed(text), form: IdForm::Text })
    }

    fn visit_str<E>(self, text: &str) -> Result<Id<'a>, E> {
        Ok(Id { text: Cow::Owned(text.to_owned()), form: IdForm::Text })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Id<'a>, E> {
        Ok(Id { text: Cow::Owned(number.to_string()), form: IdForm::Number })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Id<'a>, E> {
        Ok(Id { text: Cow::Owned(number.to_string()), form: IdForm::Number })
    }
}
