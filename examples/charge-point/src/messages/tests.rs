use super::*;
use crate::settings::Settings;
use crate::station::Station;
use ocpp_gateway_core::{MessageType, Payload, Schema};

const VERSIONS: [Version; 3] = [Version::V1_6, Version::V2_0_1, Version::V2_1];

/// Validates a payload against the published schema.
fn complies(version: Version, kind: MessageType, action: &str, payload: &Value) {
    let protocol = version.subprotocol().parse().expect("a version");
    let schema = Schema::find(protocol, kind, action).unwrap_or_else(|fault| panic!("{action}: {fault:?}"));
    let violation = schema.violation(protocol, &Payload::new(&payload.to_string()));
    assert_eq!(violation, None, "{} {action}: {payload}", version.subprotocol());
}

#[test]
fn every_call_complies_with_its_schema() {
    for version in VERSIONS {
        let id = if version.is_1_6() { json!(17) } else { json!("4c4a2a5e") };
        let transaction = Transaction { token: "TAG".into(), id: Some(id), sequence: 3, remote_start_id: Some(5) };
        let statuses = [Status::Available, Status::Preparing, Status::Charging, Status::Finishing, Status::Unavailable];
        let reasons = [
            StopReason::Local,
            StopReason::Remote,
            StopReason::SoftReset,
            StopReason::HardReset,
            StopReason::Unlock,
            StopReason::Deauthorized,
        ];
        let mut calls = vec![
            boot(version),
            heartbeat(),
            authorize(version, "TAG"),
            start(version, &transaction, 0),
            start(version, &Transaction { remote_start_id: None, ..transaction.clone() }, 0),
            meter_values(version, Some(&transaction), 250),
            meter_values(version, None, 250),
        ];
        calls.extend(statuses.map(|of| status(version, of)));
        calls.extend(reasons.map(|reason| stop(version, &transaction, reason, 500)));
        for Call { action, payload } in calls {
            complies(version, MessageType::Call, action, &payload);
        }
    }
}

#[test]
fn every_answer_complies_with_its_schema() {
    let token = json!({"idToken": "TAG", "type": "ISO14443"});
    let variable = json!({"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}});
    let unknown = json!({"component": {"name": "Door"}, "variable": {"name": "Open"}});
    let mut set = variable.clone();
    set["attributeValue"] = json!("17");
    let old = [
        ("GetConfiguration", json!({})),
        ("GetConfiguration", json!({"key": ["HeartbeatInterval", "Colour"]})),
        ("ChangeConfiguration", json!({"key": "HeartbeatInterval", "value": "17"})),
        ("ChangeConfiguration", json!({"key": "Colour", "value": "red"})),
        ("RemoteStartTransaction", json!({"idTag": "TAG"})),
        ("RemoteStopTransaction", json!({"transactionId": 1})),
        ("ChangeAvailability", json!({"connectorId": 1, "type": "Inoperative"})),
        ("TriggerMessage", json!({"requestedMessage": "Heartbeat"})),
        ("UnlockConnector", json!({"connectorId": 1})),
        ("Reset", json!({"type": "Soft"})),
    ];
    let new = [
        ("GetVariables", json!({"getVariableData": [variable, unknown]})),
        ("SetVariables", json!({"setVariableData": [set]})),
        ("RequestStartTransaction", json!({"idToken": token, "remoteStartId": 5})),
        ("RequestStopTransaction", json!({"transactionId": "another"})),
        ("ChangeAvailability", json!({"operationalStatus": "Inoperative"})),
        ("TriggerMessage", json!({"requestedMessage": "Heartbeat"})),
        ("UnlockConnector", json!({"evseId": 1, "connectorId": 1})),
        ("Reset", json!({"type": "Immediate"})),
    ];
    for version in VERSIONS {
        let commands = if version.is_1_6() { old.as_slice() } else { new.as_slice() };
        for (action, command) in commands {
            // The command has to comply, too.
            complies(version, MessageType::Call, action, command);
            let mut station = Station::new(version, Settings::default());
            let answer = station.command(action, command).unwrap_or_else(|error| panic!("{action}: {error:?}"));
            complies(version, MessageType::CallResult, action, &answer);
        }
    }
}
