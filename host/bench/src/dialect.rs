//! Format of OCPP messages on MQTT, for the gateways and for the floor.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The topics of the standard mapping, which the floor uses too.
pub(crate) const UPLINK: &str = "ocpp/cp/";
pub(crate) const DOWNLINK: &str = "ocpp/cs/";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Objects with `MessageTypeId`, `UniqueId`, …: the gateway's standard mapping, used by the peers too.
    Standard,
    /// The unchanged OCPP-J frame: the floor.
    Raw,
}

/// A message from a charge point.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received<'a> {
    Call {
        id: &'a str,
        action: &'a str,
    },
    Result {
        id: &'a str,
    },
    /// A CALLERROR, or an error that the gateway reports.
    Error {
        id: &'a str,
    },
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(rename = "MessageTypeId")]
    kind: u8,
    #[serde(rename = "UniqueId")]
    id: &'a str,
    #[serde(rename = "Action", default)]
    action: &'a str,
}

impl Dialect {
    pub(crate) fn read(self, payload: &[u8]) -> Result<Received<'_>> {
        match self {
            Dialect::Standard => {
                let Object { kind, id, action } = serde_json::from_slice(payload).context("not a message object")?;
                Ok(match kind {
                    2 => Received::Call { id, action },
                    3 => Received::Result { id },
                    _ => Received::Error { id },
                })
            }
            Dialect::Raw => {
                if let Ok((2, id, action, _)) = serde_json::from_slice::<(u8, &str, &str, &RawValue)>(payload) {
                    return Ok(Received::Call { id, action });
                }
                match serde_json::from_slice::<(u8, &str, &RawValue)>(payload) {
                    Ok((3, id, _)) => Ok(Received::Result { id }),
                    _ => {
                        let frame: Vec<&RawValue> = serde_json::from_slice(payload).context("not a frame")?;
                        let id = frame.get(1).and_then(|id| serde_json::from_str(id.get()).ok()).unwrap_or_default();
                        Ok(Received::Error { id })
                    }
                }
            }
        }
    }

    /// The CALLRESULT to a CALL of this action.
    pub(crate) fn result(self, id: &str, action: &str) -> String {
        let payload = result_payload(action);
        match self {
            Dialect::Standard => format!(r#"{{"MessageTypeId":3,"UniqueId":"{id}","Payload":{payload}}}"#),
            Dialect::Raw => format!(r#"[3,"{id}",{payload}]"#),
        }
    }

    /// A CALL for a charge point.
    pub(crate) fn command(self, id: &str) -> String {
        const ACTION: &str = "TriggerMessage";
        const PAYLOAD: &str = r#"{"requestedMessage":"Heartbeat"}"#;
        match self {
            Dialect::Standard => {
                format!(r#"{{"MessageTypeId":2,"UniqueId":"{id}","Action":"{ACTION}","Payload":{PAYLOAD}}}"#)
            }
            Dialect::Raw => format!(r#"[2,"{id}","{ACTION}",{PAYLOAD}]"#),
        }
    }
}

/// A CALLRESULT payload that is valid by the schemas of OCPP 1.6.
fn result_payload(action: &str) -> &'static str {
    match action {
        "BootNotification" => r#"{"currentTime":"2026-01-01T00:00:00.000Z","interval":300,"status":"Accepted"}"#,
        "Heartbeat" => r#"{"currentTime":"2026-01-01T00:00:00.000Z"}"#,
        "Authorize" | "StopTransaction" => r#"{"idTagInfo":{"status":"Accepted"}}"#,
        "StartTransaction" => r#"{"transactionId":1,"idTagInfo":{"status":"Accepted"}}"#,
        _ => "{}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_in_both_dialects() {
        let read = |dialect: Dialect, text: &'static str| dialect.read(text.as_bytes()).expect("a message");
        let call = Received::Call { id: "7", action: "Heartbeat" };
        assert_eq!(
            read(Dialect::Standard, r#"{"MessageTypeId":2,"UniqueId":"7","Action":"Heartbeat","Payload":{}}"#),
            call
        );
        assert_eq!(read(Dialect::Raw, r#"[2,"7","Heartbeat",{}]"#), call);
        let result = Received::Result { id: "7" };
        assert_eq!(read(Dialect::Standard, r#"{"MessageTypeId":3,"UniqueId":"7","Payload":{}}"#), result);
        assert_eq!(read(Dialect::Raw, r#"[3,"7",{"status":"Accepted"}]"#), result);
        let error = r#"{"MessageTypeId":4,"UniqueId":"7","ErrorCode":"InternalError"}"#;
        assert_eq!(read(Dialect::Standard, error), Received::Error { id: "7" });
        assert_eq!(read(Dialect::Raw, r#"[4,"7","InternalError","",{}]"#), Received::Error { id: "7" });
        assert!(Dialect::Raw.read(error.as_bytes()).is_err());
        assert!(Dialect::Standard.read(b"{").is_err());
    }

    #[test]
    fn answers_and_commands_are_written_in_both_dialects() {
        let object = Dialect::Standard.result("7", "Heartbeat");
        assert!(object.starts_with(r#"{"MessageTypeId":3,"UniqueId":"7","Payload":{"currentTime""#));
        assert_eq!(Dialect::Raw.result("7", "StatusNotification"), r#"[3,"7",{}]"#);
        let command = Dialect::Raw.command("7");
        assert_eq!(
            Dialect::Raw.read(command.as_bytes()).expect("a CALL"),
            Received::Call { id: "7", action: "TriggerMessage" }
        );
    }
}
