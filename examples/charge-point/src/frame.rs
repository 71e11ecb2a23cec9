//! OCPP-J messages: JSON arrays on a WebSocket, and one line each on the terminal.

use serde_json::{Value, json};
use std::fmt;

/// A CALL that has no id yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) action: &'static str,
    pub(crate) payload: Value,
}

/// A message on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    Call { id: String, action: String, payload: Value },
    Result { id: String, payload: Value },
    Error { id: String, error: CallError },
}

/// Code and description of a CALLERROR. Its details are not used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallError {
    pub(crate) code: String,
    pub(crate) description: String,
}

impl CallError {
    pub(crate) fn new(code: &str, description: impl Into<String>) -> Self {
        CallError { code: code.to_owned(), description: description.into() }
    }
}

impl Frame {
    /// `None` for text that is not JSON, for other JSON, and for message types that a charge point does not use.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let elements: Vec<Value> = serde_json::from_str(text).ok()?;
        let text = |index: usize| Some(elements.get(index)?.as_str()?.to_owned());
        let id = text(1)?;
        match elements.first()?.as_u64()? {
            2 => Some(Frame::Call { id, action: text(2)?, payload: elements.get(3)?.clone() }),
            3 => Some(Frame::Result { id, payload: elements.get(2)?.clone() }),
            4 => Some(Frame::Error { id, error: CallError { code: text(2)?, description: text(3)? } }),
            _ => None,
        }
    }

    pub(crate) fn encode(&self) -> String {
        let elements = match self {
            Frame::Call { id, action, payload } => json!([2, id, action, payload]),
            Frame::Result { id, payload } => json!([3, id, payload]),
            Frame::Error { id, error } => json!([4, id, error.code, error.description, {}]),
        };
        elements.to_string()
    }
}

/// Characters of a payload that are shown.
const SHOWN: usize = 160;

impl fmt::Display for Frame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Call { action, payload, .. } => write!(out, "CALL   {action} {}", shortened(payload)),
            Frame::Result { payload, .. } => write!(out, "RESULT {}", shortened(payload)),
            Frame::Error { error, .. } => write!(out, "ERROR  {error}"),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.code, self.description)
    }
}

fn shortened(payload: &Value) -> String {
    let mut text = payload.to_string();
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_frames_are_parsed_again() {
        for frame in [
            Frame::Call { id: "1".into(), action: "Heartbeat".into(), payload: json!({}) },
            Frame::Result { id: "1".into(), payload: json!({"status": "Accepted"}) },
            Frame::Error { id: "1".into(), error: CallError::new("NotImplemented", "no") },
        ] {
            assert_eq!(Frame::parse(&frame.encode()), Some(frame));
        }
    }

    #[test]
    fn texts_other_than_messages_are_ignored() {
        for text in ["", "[", "{}", "[]", "[2]", r#"[2,"1"]"#, r#"[2,1,"Reset",{}]"#, r#"[9,"1","Reset",{}]"#] {
            assert_eq!(Frame::parse(text), None, "{text}");
        }
    }

    #[test]
    fn long_payload_is_cut_at_a_character() {
        let long = shortened(&json!("é".repeat(500)));
        assert_eq!(long.chars().count(), SHOWN + 1);
    }
}
