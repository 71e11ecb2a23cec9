//! The answers of the back end. The form of a message shows its version of OCPP.

use serde_json::{Value, json};
use std::time::SystemTime;

/// Seconds between heartbeats.
const HEARTBEAT_INTERVAL: u32 = 300;

/// Actions whose answer is an empty object.
const ACKNOWLEDGED: [&str; 14] = [
    "ClearedChargingLimit",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "MeterValues",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyReport",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "StatusNotification",
];

/// The state of the back end.
#[derive(Debug, Default)]
pub(crate) struct Csms {
    transactions: u32,
}

/// The back end does not know the action.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotImplemented;

impl Csms {
    /// The payload that answers a CALL.
    pub(crate) fn answer(&mut self, action: &str, payload: &Value) -> Result<Value, NotImplemented> {
        let info = || json!({"status": token_status(payload)});
        Ok(match action {
            "BootNotification" => {
                json!({"currentTime": now(), "interval": HEARTBEAT_INTERVAL, "status": "Accepted"})
            }
            "Heartbeat" => json!({"currentTime": now()}),
            "Authorize" if payload.get("idToken").is_some() => json!({"idTokenInfo": info()}),
            "Authorize" => json!({"idTagInfo": info()}),
            "StartTransaction" => {
                self.transactions += 1;
                json!({"transactionId": self.transactions, "idTagInfo": info()})
            }
            "StopTransaction" if payload.get("idTag").is_some() => json!({"idTagInfo": info()}),
            "StopTransaction" => json!({}),
            "TransactionEvent" if payload.get("idToken").is_some() => json!({"idTokenInfo": info()}),
            "TransactionEvent" => json!({}),
            "DataTransfer" => json!({"status": "Accepted"}),
            _ if ACKNOWLEDGED.contains(&action) => json!({}),
            _ => return Err(NotImplemented),
        })
    }
}

/// Every token is accepted, except those that begin with `BLOCKED`.
fn token_status(payload: &Value) -> &'static str {
    let token = payload.get("idTag").or_else(|| payload.pointer("/idToken/idToken"));
    match token.and_then(Value::as_str) {
        Some(token) if token.starts_with("BLOCKED") => "Blocked",
        Some(_) => "Accepted",
        None => "Invalid",
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_has_the_form_of_the_version() {
        let mut csms = Csms::default();
        let old = csms.answer("Authorize", &json!({"idTag": "TAG"}));
        assert_eq!(old, Ok(json!({"idTagInfo": {"status": "Accepted"}})));
        let new = csms.answer("Authorize", &json!({"idToken": {"idToken": "BLOCKED-1", "type": "Central"}}));
        assert_eq!(new, Ok(json!({"idTokenInfo": {"status": "Blocked"}})));
    }

    #[test]
    fn every_answer_complies_with_the_published_schema() {
        use ocpp_gateway_core::{MessageType, Payload, Schema, Version};
        let (old, new) = (json!({"idTag": "TAG"}), json!({"idToken": {"idToken": "TAG", "type": "Central"}}));
        let others = ["BootNotification", "Heartbeat", "Authorize", "DataTransfer"];
        let transactions = ["StartTransaction", "StopTransaction", "TransactionEvent"];
        for version in Version::ALL {
            let payload = if version == Version::V1_6 { &old } else { &new };
            let mut checked = 0;
            for action in others.into_iter().chain(transactions).chain(ACKNOWLEDGED) {
                // Not every version has all of them.
                let Ok(schema) = Schema::find(version, MessageType::CallResult, action) else { continue };
                let answer = Csms::default().answer(action, payload).expect("answered");
                let violation = schema.violation(version, &Payload::new(&answer.to_string()));
                assert_eq!(violation, None, "{version} {action}: {answer}");
                checked += 1;
            }
            assert!(checked > 10, "{version}: {checked}");
        }
    }

    #[test]
    fn transactions_are_numbered() {
        let mut csms = Csms::default();
        let mut start = || csms.answer("StartTransaction", &json!({"idTag": "TAG"})).expect("answered");
        assert_eq!((start()["transactionId"].clone(), start()["transactionId"].clone()), (json!(1), json!(2)));
    }

    #[test]
    fn other_actions_are_acknowledged_or_not_implemented() {
        let mut csms = Csms::default();
        assert_eq!(csms.answer("NotifyReport", &json!({})), Ok(json!({})));
        assert_eq!(csms.answer("MakeCoffee", &json!({})), Err(NotImplemented));
    }
}
