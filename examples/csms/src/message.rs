//! Messages as the gateway's standard mapping puts them on MQTT: objects with `MessageTypeId`, `UniqueId`, ….

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;

/// Payloads keep their original text.
pub(crate) type Payload = Box<RawValue>;

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    Call {
        action: String,
        payload: Payload,
    },
    /// Gets no answer (OCPP 2.1).
    Send {
        action: String,
        payload: Payload,
    },
    Result {
        payload: Payload,
    },
    Error {
        code: String,
        description: String,
        details: Payload,
    },
}

/// The JSON object. Which fields it has depends on the message type.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[serde(default)]
struct Wire {
    message_type_id: u8,
    unique_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_details: Option<Payload>,
}

impl Message {
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let wire: Wire = serde_json::from_slice(text).context("not an object with MessageTypeId and UniqueId")?;
        let action = wire.action.context("no Action");
        let payload = wire.payload.context("no Payload");
        let body = match wire.message_type_id {
            2 => Body::Call { action: action?, payload: payload? },
            3 => Body::Result { payload: payload? },
            4 => Body::Error {
                code: wire.error_code.context("no ErrorCode")?,
                description: wire.error_description.unwrap_or_default(),
                details: wire.error_details.context("no ErrorDetails")?,
            },
            6 => Body::Send { action: action?, payload: payload? },
            other => bail!("unknown MessageTypeId {other}"),
        };
        Ok(Message { id: wire.unique_id, body })
    }

    pub(crate) fn encode(self) -> Result<String> {
        let wire = Wire { unique_id: self.id, ..Wire::default() };
        let wire = match self.body {
            Body::Call { action, payload } => {
                Wire { message_type_id: 2, action: Some(action), payload: Some(payload), ..wire }
            }
            Body::Send { action, payload } => {
                Wire { message_type_id: 6, action: Some(action), payload: Some(payload), ..wire }
            }
            Body::Result { payload } => Wire { message_type_id: 3, payload: Some(payload), ..wire },
            Body::Error { code, description, details } => Wire {
                message_type_id: 4,
                error_code: Some(code),
                error_description: Some(description),
                error_details: Some(details),
                ..wire
            },
        };
        Ok(serde_json::to_string(&wire)?)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Call { action, payload } => write!(out, "CALL   {action} {payload}"),
            Body::Send { action, payload } => write!(out, "SEND   {action} {payload}"),
            Body::Result { payload } => write!(out, "RESULT {payload}"),
            Body::Error { code, description, details } => write!(out, "ERROR  {code} {description} {details}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed_messages_are_encoded_unchanged() {
        for text in [
            r#"{"MessageTypeId":2,"UniqueId":"1","Action":"Reset","Payload":{"type": 1.0e1}}"#,
            r#"{"MessageTypeId":3,"UniqueId":"1","Payload":{"b":1,"a":2}}"#,
            r#"{"MessageTypeId":4,"UniqueId":"1","ErrorCode":"GenericError","ErrorDescription":"","ErrorDetails":{}}"#,
            r#"{"MessageTypeId":6,"UniqueId":"1","Action":"NotifyPeriodicEventStream","Payload":{}}"#,
        ] {
            let message = Message::parse(text.as_bytes()).expect(text);
            assert_eq!(message.encode().expect(text), text);
        }
    }

    #[test]
    fn errors_name_what_a_message_lacks() {
        let problem = |text: &str| Message::parse(text.as_bytes()).expect_err(text).to_string();
        assert_eq!(problem(r#"{"MessageTypeId":2,"UniqueId":"1","Payload":{}}"#), "no Action");
        assert_eq!(problem(r#"{"MessageTypeId":9,"UniqueId":"1"}"#), "unknown MessageTypeId 9");
        assert_eq!(problem("["), "not an object with MessageTypeId and UniqueId");
    }
}
