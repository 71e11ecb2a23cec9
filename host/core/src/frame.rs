//! One OCPP-J message: split into its parts, and put together again.
//!
//! The envelope is read once, on the host, and the payload is never looked into: it is borrowed from the text as it
//! stands, so number formats and the order of keys survive (OCPP-J 1.6 section 4.2; OCPP 2.1 part 4 section 4.2).

use crate::publish::Attributes;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The longest message id there may be, in characters (OCPP-J 1.6 section 4.1.4).
pub const MAX_MESSAGE_ID: usize = 36;

/// The first element of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    Call = 2,
    CallResult = 3,
    CallError = 4,
    /// 2.1 only: says that a CALLRESULT could not be processed.
    CallResultError = 5,
    /// 2.1 only: a message that is never answered.
    Send = 6,
}

impl MessageType {
    pub const ALL: [MessageType; 5] = [
        MessageType::Call,
        MessageType::CallResult,
        MessageType::CallError,
        MessageType::CallResultError,
        MessageType::Send,
    ];

    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| u64::from(kind.number()) == number)
    }

    pub fn number(self) -> u8 {
        self as u8
    }

    /// `CALL`, `CALLRESULT`, …: the name in the specification.
    pub fn name(self) -> &'static str {
        match self {
            MessageType::Call => "CALL",
            MessageType::CallResult => "CALLRESULT",
            MessageType::CallError => "CALLERROR",
            MessageType::CallResultError => "CALLRESULTERROR",
            MessageType::Send => "SEND",
        }
    }
}

/// One message. Borrows from the text it was read from where it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: MessageType,
    pub id: Cow<'a, str>,
    /// Of a CALL or SEND: its own. Of an answer: the action it answers, where that is known; it is not on the wire.
    pub action: Option<Cow<'a, str>>,
    /// JSON text: the payload, or the error details.
    pub payload: Cow<'a, str>,
    /// In CALLERROR and CALLRESULTERROR only.
    pub error: Option<ErrorHead<'a>>,
    /// Facts for transforms, such as `origin` = `gateway` on a frame that the gateway made itself.
    pub attributes: Attributes,
}

/// Code and description of a CALLERROR or CALLRESULTERROR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorHead<'a> {
    pub code: Cow<'a, str>,
    pub description: Cow<'a, str>,
}

/// Why a text is no frame, and what could be read of it before that showed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Malformed {
    pub problem: Problem,
    /// The number in the place of the message type, if there was one.
    pub message_type: Option<u64>,
    /// The message id, if there was a legal one.
    pub id: Option<String>,
}

/// What is wrong with a text that is no frame. Never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("not JSON, at column {column}")]
    NotJson { column: usize },
    #[error("not an array of message type, message id and what belongs to them, at column {column}")]
    Shape { column: usize },
    #[error("unknown message type {0}")]
    UnknownType(u64),
    #[error("the message id is longer than {MAX_MESSAGE_ID} characters")]
    IdTooLong,
    #[error("the message id is empty")]
    IdEmpty,
    #[error("the payload is not a JSON object")]
    PayloadNotAnObject,
}

impl<'a> Frame<'a> {
    /// Splits the text of one WebSocket message, or says what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut head = Head::default();
        let mut json = serde_json::Deserializer::from_str(text);
        let parsed = json.deserialize_seq(Envelope { head: &mut head }).and_then(|frame| json.end().map(|()| frame));
        let problem = match parsed {
            Ok(frame) => match check(&frame) {
                Ok(()) => return Ok(frame),
                Err(problem) => problem,
            },
            Err(_) if head.unknown_type() => Problem::UnknownType(head.message_type.unwrap_or_default()),
            // serde_json's message may quote the text; the place of the error does not.
            Err(error) if error.is_data() => Problem::Shape { column: error.column() },
            Err(error) => Problem::NotJson { column: error.column() },
        };
        Err(Malformed {
            problem,
            message_type: head.message_type,
            id: head.id.filter(|id| (1..=MAX_MESSAGE_ID).contains(&id.chars().count())).map(Cow::into_owned),
        })
    }

    /// The text of one WebSocket message.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(self.payload.len() + self.id.len() + 96);
        text.push('[');
        text.push(char::from(b'0' + self.kind.number()));
        push_string(&mut text, &self.id);
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

    /// The action, or nothing where none is known: for log lines.
    pub fn action_name(&self) -> &str {
        self.action.as_deref().unwrap_or_default()
    }
}

/// `,"text"`, escaped as JSON wants it.
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

fn check(frame: &Frame<'_>) -> Result<(), Problem> {
    if frame.id.len() > MAX_MESSAGE_ID && frame.id.chars().count() > MAX_MESSAGE_ID {
        return Err(Problem::IdTooLong);
    }
    if frame.id.is_empty() {
        return Err(Problem::IdEmpty);
    }
    if !frame.payload.starts_with('{') {
        return Err(Problem::PayloadNotAnObject);
    }
    Ok(())
}

/// What was read of the envelope so far; it outlives a failure further on, so that an answer can name the message.
#[derive(Default)]
struct Head<'a> {
    message_type: Option<u64>,
    id: Option<Cow<'a, str>>,
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
        let Text(id) = next(&mut parts, 1)?;
        self.head.id = Some(id.clone());
        let Some(kind) = MessageType::from_number(number) else {
            return Err(A::Error::custom("unknown message type"));
        };
        let mut frame =
            Frame { kind, id, action: None, payload: Cow::Borrowed("{}"), error: None, attributes: Attributes::new() };
        let mut place = 2;
        match kind {
            MessageType::Call | MessageType::Send => {
                let Text(action) = next(&mut parts, place)?;
                frame.action = Some(action);
                place += 1;
            }
            MessageType::CallError | MessageType::CallResultError => {
                let Text(code) = next(&mut parts, place)?;
                let Text(description) = next(&mut parts, place + 1)?;
                frame.error = Some(ErrorHead { code, description });
                place += 2;
            }
            MessageType::CallResult => {}
        }
        let payload: &RawValue = next(&mut parts, place)?;
        // `null` and `{}` both say "nothing" (OCPP-J 1.6 section 4.2.1); passing on the object spares everyone the other.
        if payload.get() != "null" {
            frame.payload = Cow::Borrowed(payload.get());
        }
        match parts.next_element::<IgnoredAny>()? {
            None => Ok(frame),
            Some(_) => Err(A::Error::invalid_length(place + 2, &"fewer elements")),
        }
    }
}

fn next<'a, T: serde::Deserialize<'a>, A: SeqAccess<'a>>(parts: &mut A, place: usize) -> Result<T, A::Error> {
    parts.next_element()?.ok_or_else(|| A::Error::invalid_length(place, &"more elements"))
}

/// A string that is borrowed unless it holds an escape. (serde's own `Cow` is always owned.)
struct Text<'a>(Cow<'a, str>);

impl<'a> serde::Deserialize<'a> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'a> Visitor<'a> for TextVisitor {
            type Value = Text<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Malformed {
        Frame::parse(text).expect_err(text)
    }

    #[test]
    fn a_call_is_split_and_its_payload_borrowed_as_it_stands() {
        let text = r#"[2, "19223201" ,"MeterValues",{"b":1.50, "a" : 1e3}]"#;
        let frame = Frame::parse(text).expect("a call");
        assert_eq!(frame.kind, MessageType::Call);
        assert_eq!(frame.action.as_deref(), Some("MeterValues"));
        assert_eq!(frame.payload, r#"{"b":1.50, "a" : 1e3}"#);
        assert!(matches!(frame.payload, Cow::Borrowed(_)) && matches!(frame.id, Cow::Borrowed("19223201")));
    }

    #[test]
    fn every_type_survives_a_round_trip() {
        for text in [
            r#"[2,"a","Heartbeat",{}]"#,
            r#"[3,"a",{"currentTime":"2023-12-01T14:20:39+00:00"}]"#,
            r#"[4,"a","InternalError","no \"luck\"\n",{}]"#,
            r#"[5,"a","FormatViolation","",{"x":null}]"#,
            r#"[6,"a","NotifyPeriodicEventStream",{"id":1}]"#,
        ] {
            assert_eq!(Frame::parse(text).expect(text).encode(), text);
        }
    }

    #[test]
    fn escapes_in_strings_are_decoded() {
        let frame = Frame::parse(r#"[2,"\u0061\"b","Heart\u0062eat",{}]"#).expect("a call");
        assert_eq!((&*frame.id, frame.action_name()), ("a\"b", "Heartbeat"));
    }

    #[test]
    fn null_for_nothing_becomes_an_object() {
        assert_eq!(Frame::parse(r#"[2,"a","Heartbeat",null]"#).expect("a call").payload, "{}");
        assert_eq!(Frame::parse(r#"[4,"a","GenericError","",null]"#).expect("an error").payload, "{}");
    }

    #[test]
    fn what_could_be_read_is_reported() {
        let cut = problem(r#"[2,"id-1","MeterValues",{"connectorId":1,"#);
        assert_eq!((cut.message_type, cut.id.as_deref()), (Some(2), Some("id-1")));
        let three = problem(r#"[2,"id-1","Heartbeat"]"#);
        assert_eq!((three.message_type, three.id.as_deref()), (Some(2), Some("id-1")));
        let numeric = problem(r#"[2,17,"Heartbeat",{}]"#);
        assert_eq!((numeric.message_type, numeric.id), (Some(2), None));
        assert!(matches!(numeric.problem, Problem::Shape { .. }));
    }

    #[test]
    fn wrong_shapes_are_refused() {
        for text in ["", "hello", "[2,", r#"[2,"a","b",{}"#, r#"[2,"a","b",{}]]"#, r#"[2,"a","b",{}] {}"#] {
            assert!(matches!(problem(text).problem, Problem::NotJson { .. }), "{text}");
        }
        for text in [
            "{}",
            "null",
            "[]",
            "[2]",
            r#"[2,"a","b",{},1]"#,
            r#"[3,"a"]"#,
            r#"[4,"a","c","d"]"#,
            r#"["2","a","b",{}]"#,
            r#"[-2,"a","b",{}]"#,
            r#"[2.5,"a","b",{}]"#,
        ] {
            assert!(matches!(problem(text).problem, Problem::Shape { .. }), "{text}");
        }
        for text in [r#"[2,"a","b",[]]"#, r#"[2,"a","b",1]"#, r#"[3,"a","text"]"#] {
            assert_eq!(problem(text).problem, Problem::PayloadNotAnObject, "{text}");
        }
        assert_eq!(problem(r#"[7,"a","b",{}]"#).problem, Problem::UnknownType(7));
        assert_eq!(problem(r#"[7,"a",{"#).problem, Problem::UnknownType(7));
    }

    #[test]
    fn ids_are_limited_in_characters() {
        let of = |id: &str| format!(r#"[2,"{id}","Heartbeat",{{}}]"#);
        assert!(Frame::parse(&of(&"ä".repeat(36))).is_ok());
        let long = problem(&of(&"x".repeat(37)));
        assert_eq!((long.problem, long.id), (Problem::IdTooLong, None));
    }

    #[test]
    fn a_megabyte_of_brackets_neither_overflows_nor_is_quoted() {
        let text = "[".repeat(1 << 20);
        assert!(problem(&text).to_string().len() < 200);
        let text = format!("[2,\"a\",\"b\",{}", "[".repeat(1 << 20));
        assert_eq!(problem(&text).id.as_deref(), Some("a"));
        assert!(!problem(r#"[2,"secret-id-tag" "#).to_string().contains("secret"));
    }
}
