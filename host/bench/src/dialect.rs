//! How an OCPP message looks on MQTT, for the gateway and for the floor.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The topics of the standard mapping, which the floor uses too.
pub(crate) const UPLINK: &str = "ocpp/cp/";
pub(crate) const DOWNLINK: &str = "ocpp/cs/";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Objects with `MessageTypeId`, `UniqueId`, …: the gateway's standard mapping.
    Standard,
    /// The OCPP-J frame as it stands: the floor.
    Raw,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(rename = "UniqueId")]
    id: &'a str,
}

impl Dialect {
    /// The message id of a CALL.
    pub(crate) fn message_id(self, payload: &[u8]) -> Result<&str> {
        match self {
            Dialect::Standard => Ok(serde_json::from_slice::<Call<'_>>(payload).context("not a CALL object")?.id),
            Dialect::Raw => {
                let (_, id, _, _): (u8, &str, &str, &RawValue) =
                    serde_json::from_slice(payload).context("not a CALL")?;
                Ok(id)
            }
        }
    }

    /// The CALLRESULT of a Heartbeat.
    pub(crate) fn heartbeat_result(self, id: &str) -> String {
        const PAYLOAD: &str = r#"{"currentTime":"2026-01-01T00:00:00.000Z"}"#;
        match self {
            Dialect::Standard => format!(r#"{{"MessageTypeId":3,"UniqueId":"{id}","Payload":{PAYLOAD}}}"#),
            Dialect::Raw => format!(r#"[3,"{id}",{PAYLOAD}]"#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_read_and_answered_in_both_dialects() {
        let object = br#"{"MessageTypeId":2,"UniqueId":"7","Action":"Heartbeat","Payload":{}}"#;
        assert_eq!(Dialect::Standard.message_id(object).expect("a CALL"), "7");
        assert!(
            Dialect::Standard.heartbeat_result("7").starts_with(r#"{"MessageTypeId":3,"UniqueId":"7","Payload":{"#)
        );

        let frame = br#"[2,"7","Heartbeat",{}]"#;
        assert_eq!(Dialect::Raw.message_id(frame).expect("a CALL"), "7");
        assert!(Dialect::Raw.heartbeat_result("7").starts_with(r#"[3,"7",{"#));

        assert!(Dialect::Raw.message_id(object).is_err());
        assert!(Dialect::Standard.message_id(b"{").is_err());
    }
}
