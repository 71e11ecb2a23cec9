//! The CALLs that a charge point sends, in the form of each version.

use crate::frame::Call;
use crate::version::Version;
use serde_json::{Value, json};
use std::time::SystemTime;

/// The one connector, and the one EVSE it belongs to.
pub(crate) const CONNECTOR: u32 = 1;

/// The transaction id. In OCPP 1.6 the back end chooses it (a number), in 2.x the charge point (a text).
pub(crate) type TransactionId = Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Available,
    Preparing,
    Charging,
    Finishing,
    Unavailable,
}

impl Status {
    pub(crate) fn name(self, version: Version) -> &'static str {
        match self {
            Status::Available => "Available",
            Status::Unavailable => "Unavailable",
            _ if !version.is_1_6() => "Occupied",
            Status::Preparing => "Preparing",
            Status::Charging => "Charging",
            Status::Finishing => "Finishing",
        }
    }
}

/// Why a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    Local,
    Remote,
    SoftReset,
    HardReset,
    Unlock,
    Deauthorized,
}

impl StopReason {
    fn name(self, version: Version) -> &'static str {
        match self {
            StopReason::Local => "Local",
            StopReason::Remote => "Remote",
            StopReason::Deauthorized => "DeAuthorized",
            StopReason::SoftReset | StopReason::HardReset if !version.is_1_6() => "ImmediateReset",
            StopReason::SoftReset => "SoftReset",
            StopReason::HardReset => "HardReset",
            StopReason::Unlock if !version.is_1_6() => "Other",
            StopReason::Unlock => "UnlockCommand",
        }
    }

    /// `triggerReason` of a TransactionEvent (OCPP 2.x).
    fn trigger(self) -> &'static str {
        match self {
            StopReason::Local => "StopAuthorized",
            StopReason::Remote => "RemoteStop",
            StopReason::SoftReset | StopReason::HardReset => "ResetCommand",
            StopReason::Unlock => "UnlockCommand",
            StopReason::Deauthorized => "Deauthorized",
        }
    }
}

/// The data of a charging session that messages need.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transaction {
    pub(crate) token: String,
    /// In OCPP 1.6 unknown until StartTransaction is answered.
    pub(crate) id: Option<TransactionId>,
    /// Numbers the TransactionEvents of OCPP 2.x.
    pub(crate) sequence: u32,
    /// The id of the RequestStartTransaction that started it.
    pub(crate) remote_start_id: Option<i64>,
}

pub(crate) fn boot(version: Version) -> Call {
    let (vendor, model, firmware) = ("Example", "Simulator", env!("CARGO_PKG_VERSION"));
    let payload = if version.is_1_6() {
        json!({"chargePointVendor": vendor, "chargePointModel": model, "firmwareVersion": firmware})
    } else {
        json!({
            "reason": "PowerUp",
            "chargingStation": {"vendorName": vendor, "model": model, "firmwareVersion": firmware},
        })
    };
    Call { action: "BootNotification", payload }
}

pub(crate) fn heartbeat() -> Call {
    Call { action: "Heartbeat", payload: json!({}) }
}

pub(crate) fn status(version: Version, status: Status) -> Call {
    let name = status.name(version);
    let payload = if version.is_1_6() {
        json!({"connectorId": CONNECTOR, "errorCode": "NoError", "status": name, "timestamp": timestamp()})
    } else {
        json!({"timestamp": timestamp(), "connectorStatus": name, "evseId": CONNECTOR, "connectorId": CONNECTOR})
    };
    Call { action: "StatusNotification", payload }
}

pub(crate) fn authorize(version: Version, token: &str) -> Call {
    let payload = if version.is_1_6() { json!({"idTag": token}) } else { json!({"idToken": id_token(token)}) };
    Call { action: "Authorize", payload }
}

pub(crate) fn start(version: Version, transaction: &Transaction, meter_wh: u32) -> Call {
    if version.is_1_6() {
        let payload = json!({
            "connectorId": CONNECTOR, "idTag": transaction.token, "meterStart": meter_wh, "timestamp": timestamp(),
        });
        return Call { action: "StartTransaction", payload };
    }
    let trigger = if transaction.remote_start_id.is_some() { "RemoteStart" } else { "Authorized" };
    let mut event = transaction_event(transaction, "Started", trigger, "Transaction.Begin", meter_wh);
    event["transactionInfo"]["chargingState"] = json!("Charging");
    event["idToken"] = id_token(&transaction.token);
    event["evse"] = json!({"id": CONNECTOR, "connectorId": CONNECTOR});
    if let Some(id) = transaction.remote_start_id {
        event["transactionInfo"]["remoteStartId"] = json!(id);
    }
    Call { action: "TransactionEvent", payload: event }
}

/// Meter values, of a transaction or of the idle connector.
pub(crate) fn meter_values(version: Version, transaction: Option<&Transaction>, meter_wh: u32) -> Call {
    if let Some(transaction) = transaction
        && !version.is_1_6()
    {
        let payload = transaction_event(transaction, "Updated", "MeterValuePeriodic", "Sample.Periodic", meter_wh);
        return Call { action: "TransactionEvent", payload };
    }
    let context = if transaction.is_some() { "Sample.Periodic" } else { "Trigger" };
    let place = if version.is_1_6() { "connectorId" } else { "evseId" };
    let mut payload = json!({place: CONNECTOR, "meterValue": [meter_value(version, context, meter_wh)]});
    if let Some(id) = transaction.and_then(|transaction| transaction.id.as_ref()) {
        payload["transactionId"] = id.clone();
    }
    Call { action: "MeterValues", payload }
}

pub(crate) fn stop(version: Version, transaction: &Transaction, reason: StopReason, meter_wh: u32) -> Call {
    if version.is_1_6() {
        let payload = json!({
            "transactionId": transaction.id, "idTag": transaction.token, "meterStop": meter_wh,
            "timestamp": timestamp(), "reason": reason.name(version),
        });
        return Call { action: "StopTransaction", payload };
    }
    let mut event = transaction_event(transaction, "Ended", reason.trigger(), "Transaction.End", meter_wh);
    event["transactionInfo"]["stoppedReason"] = json!(reason.name(version));
    Call { action: "TransactionEvent", payload: event }
}

fn transaction_event(transaction: &Transaction, event: &str, trigger: &str, context: &str, meter_wh: u32) -> Value {
    json!({
        "eventType": event,
        "timestamp": timestamp(),
        "triggerReason": trigger,
        "seqNo": transaction.sequence,
        "transactionInfo": {"transactionId": transaction.id},
        "meterValue": [meter_value(Version::V2_0_1, context, meter_wh)],
    })
}

/// One sample of the energy register; OCPP 1.6 writes the number as a text.
fn meter_value(version: Version, context: &str, meter_wh: u32) -> Value {
    let measurand = "Energy.Active.Import.Register";
    let sample = if version.is_1_6() {
        json!({"value": meter_wh.to_string(), "context": context, "measurand": measurand, "unit": "Wh"})
    } else {
        json!({"value": meter_wh, "context": context, "measurand": measurand, "unitOfMeasure": {"unit": "Wh"}})
    };
    json!({"timestamp": timestamp(), "sampledValue": [sample]})
}

fn id_token(token: &str) -> Value {
    json!({"idToken": token, "type": "ISO14443"})
}

fn timestamp() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests;
