use super::*;
use ocpp_transform::testing::{self, call, peer};
use proptest::prelude::*;
use serde_json::{Value, json};

fn telemetry(config: &str) -> FlatTelemetry {
    FlatTelemetry::configure(config).expect(config)
}

/// Handles a CALL: returns the messages as topic and JSON, and the last action.
fn handled(telemetry: &FlatTelemetry, action: &str, payload: &str) -> (Vec<(String, Value)>, FrameAction) {
    let mut actions = telemetry.handle(&peer("CP1"), call("1", action, payload));
    let last = actions.pop().expect("an action for the frame");
    let messages = actions.into_iter().map(|action| match action {
        FrameAction::Publish(message) => (message.topic.clone(), message.read_payload().expect("JSON")),
        action => panic!("not at the end: {action:?}"),
    });
    (messages.collect(), last)
}

/// A MeterValues of 1.6 with the texts of these sampled values.
fn meter_values(sampled: &[String]) -> String {
    format!(r#"{{"connectorId":1,"meterValue":[{{"timestamp":"T","sampledValue":[{}]}}]}}"#, sampled.join(","))
}

fn values(count: usize) -> Vec<String> {
    (0..count).map(|value| format!(r#"{{"value":"{value}"}}"#)).collect()
}

#[test]
fn a_sample_becomes_an_object_with_the_defaults_of_the_specification() {
    let payload =
        r#"{"connectorId":1,"transactionId":7,"meterValue":[{"timestamp":"T","sampledValue":[{"value":"1234.50"}]}]}"#;
    let actions = telemetry("{}").handle(&peer("CP1"), call("1", "MeterValues", payload));
    let [FrameAction::Publish(message), FrameAction::Pass] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(message.topic, "telemetry/CP1/Energy.Active.Import.Register");
    assert_eq!((message.qos, message.retain), (1, false));
    assert_eq!(
        String::from_utf8_lossy(&message.payload),
        concat!(
            r#"{"chargePoint":"CP1","evseId":null,"connectorId":1,"transactionId":7,"timestamp":"T","#,
            r#""measurand":"Energy.Active.Import.Register","phase":null,"location":"Outlet","#,
            r#""context":"Sample.Periodic","value":1234.50,"unit":"Wh"}"#
        )
    );
}

#[test]
fn all_members_of_a_sample_are_kept() {
    let payload = meter_values(&[r#"{"value":"230.1","context":"Sample.Clock","format":"Raw","measurand":"Voltage",
        "phase":"L1-N","location":"Inlet","unit":"V"}"#
        .to_owned()]);
    let topics = r#"{"topic": "${cid}/${connector}/${evse}/${measurand}/${phase}/${unit}/${context}", "qos": 0, "retain": true}"#;
    let telemetry = telemetry(topics);
    let (messages, last) = handled(&telemetry, "MeterValues", &payload);
    assert_eq!(last, FrameAction::Pass);
    assert_eq!(
        messages,
        [(
            "CP1/1/-/Voltage/L1-N/V/Sample.Clock".to_owned(),
            json!({"chargePoint": "CP1", "evseId": null, "connectorId": 1, "transactionId": null, "timestamp": "T",
                   "measurand": "Voltage", "phase": "L1-N", "location": "Inlet", "context": "Sample.Clock",
                   "value": 230.1, "unit": "V"})
        )]
    );
    let actions = telemetry.handle(&peer("CP1"), call("1", "MeterValues", &payload));
    let [FrameAction::Publish(message), _] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!((message.qos, message.retain), (0, true));
}

#[test]
fn a_unit_is_assumed_for_energy_only() {
    let payload = meter_values(&[
        r#"{"value":"1","measurand":"Energy.Reactive.Export.Interval"}"#.into(),
        r#"{"value":"1","measurand":"SoC"}"#.into(),
        r#"{"value":"1","unit":"kWh"}"#.into(),
        r#"{"value":"1","measurand":null,"unit":null,"phase":null,"context":null,"location":null,"format":null}"#
            .into(),
    ]);
    let (messages, _) = handled(&telemetry("{}"), "MeterValues", &payload);
    let units: Vec<_> = messages.iter().map(|(_, sample)| sample["unit"].clone()).collect();
    assert_eq!(units, [json!("Wh"), Value::Null, json!("kWh"), json!("Wh")]);
}

#[test]
fn transaction_data_of_a_stop_transaction_are_published() {
    let payload = r#"{"transactionId":7,"meterStop":20,"timestamp":"T2","transactionData":[
        {"timestamp":"T1","sampledValue":[{"value":"10","context":"Transaction.Begin"}]},
        {"timestamp":"T2","sampledValue":[{"value":"20","context":"Transaction.End"}]}]}"#;
    let (messages, last) = handled(&telemetry(r#"{"then": "reply"}"#), "StopTransaction", payload);
    assert_eq!(last, FrameAction::Pass, "a transaction is never ended here");
    let seen: Vec<_> = messages
        .iter()
        .map(|(_, sample)| (sample["timestamp"].clone(), sample["value"].clone(), sample["transactionId"].clone()))
        .collect();
    assert_eq!(seen, [(json!("T1"), json!(10), json!(7)), (json!("T2"), json!(20), json!(7))]);
}

#[test]
fn evses_and_multipliers_of_2_x_are_read() {
    let (messages, last) = handled(
        &telemetry("{}"),
        "TransactionEvent",
        r#"{"eventType":"Updated","seqNo":3,"timestamp":"T","transactionInfo":{"transactionId":"tx-1"},
            "evse":{"id":2,"connectorId":1},"meterValue":[{"timestamp":"T","sampledValue":[
              {"value":12.50,"measurand":"Power.Active.Import","unitOfMeasure":{"unit":"W","multiplier":3},
               "signedMeterValue":{"signedMeterData":"…"}}]}]}"#,
    );
    assert_eq!(last, FrameAction::Pass);
    let (topic, sample) = &messages[0];
    assert_eq!(topic, "telemetry/CP1/Power.Active.Import");
    assert_eq!((&sample["evseId"], &sample["connectorId"]), (&json!(2), &json!(1)));
    assert_eq!((&sample["transactionId"], &sample["unit"]), (&json!("tx-1"), &json!("W")));
    assert_eq!(sample["value"].as_f64(), Some(12500.0));
    let (messages, _) = handled(
        &telemetry("{}"),
        "MeterValues",
        r#"{"evseId":2,"meterValue":[{"timestamp":"T","sampledValue":[{"value":1,"unitOfMeasure":{}}]}]}"#,
    );
    assert_eq!((&messages[0].1["evseId"], &messages[0].1["unit"]), (&json!(2), &json!("Wh")));
}

#[test]
fn samples_over_max_messages_go_as_one_array() {
    let telemetry = telemetry(r#"{"max_messages": 3, "batch_topic": "batch/${cid}/${connector}"}"#);
    let (messages, _) = handled(&telemetry, "MeterValues", &meter_values(&values(3)));
    assert_eq!(messages.len(), 3);
    let (messages, last) = handled(&telemetry, "MeterValues", &meter_values(&values(4)));
    assert_eq!(last, FrameAction::Pass);
    let [(topic, Value::Array(samples))] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(topic, "batch/CP1/1");
    assert_eq!(samples.iter().map(|sample| sample["value"].clone()).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn samples_over_max_bytes_are_left_out_and_counted() {
    let room_for_two = r#"{"max_bytes": 500, "then": "reply"}"#;
    let (messages, last) = handled(&telemetry(room_for_two), "MeterValues", &meter_values(&values(5)));
    assert_eq!(messages.len(), 2);
    assert_eq!(last, FrameAction::Pass, "the back end gets the frame, as it is not all published");
    assert_eq!(testing::counter("samples_left_out"), 3);
}

#[test]
fn frame_is_answered_only_if_all_of_it_is_published() {
    let telemetry = telemetry(r#"{"then": "reply"}"#);
    let complete = meter_values(&values(2));
    assert_eq!(handled(&telemetry, "MeterValues", &complete).1, FrameAction::Reply("{}".into()));
    let nothing_in_it = r#"{"connectorId":1,"meterValue":[]}"#;
    assert_eq!(handled(&telemetry, "MeterValues", nothing_in_it).1, FrameAction::Reply("{}".into()));
    for left_out in [r#"{"value":"c2lnbmVk","format":"SignedData"}"#, r#"{"value":"12,5"}"#, r#"{"value":null}"#] {
        let payload = meter_values(&[r#"{"value":"1"}"#.into(), left_out.into()]);
        let (messages, last) = handled(&telemetry, "MeterValues", &payload);
        assert_eq!((messages.len(), last), (1, FrameAction::Pass), "{left_out}");
    }
    assert_eq!(testing::counter("samples_left_out"), 3);
}

#[test]
fn frame_with_a_signature_is_never_answered() {
    let telemetry = telemetry(r#"{"then": "reply"}"#);
    for (signed, expected) in [
        (r#"{"signedMeterData":"AP","signingMethod":"","encodingMethod":"OCMF","publicKey":""}"#, FrameAction::Pass),
        ("null", FrameAction::Reply("{}".into())),
    ] {
        let payload = format!(
            r#"{{"evseId":1,"meterValue":[{{"timestamp":"T","sampledValue":[
                {{"value":1}},{{"value":2,"signedMeterValue":{signed}}}]}}]}}"#
        );
        let (messages, last) = handled(&telemetry, "MeterValues", &payload);
        assert_eq!((messages.len(), last), (2, expected), "{signed}");
    }
    assert_eq!(testing::counter("samples_left_out"), 0, "the values in the clear are published");
}

#[test]
fn unreadable_meter_values_pass_and_are_not_quoted() {
    let telemetry = telemetry(r#"{"then": "reply"}"#);
    for payload in [
        r#"{"meterValue":"secret"}"#,
        r#"{"meterValue":[{"timestamp":"T"}]}"#,
        r#"{"meterValue":[{"sampledValue":[{}]}]}"#,
    ] {
        assert_eq!(handled(&telemetry, "MeterValues", payload), (vec![], FrameAction::Pass), "{payload}");
    }
    assert_eq!(testing::counter("meter_values_unreadable"), 3);
    assert!(testing::take_log().iter().all(|line| !format!("{line:?}").contains("secret")));
}

#[test]
fn other_frames_pass() {
    let telemetry = telemetry(r#"{"then": "reply"}"#);
    let samples = meter_values(&values(1));
    assert_eq!(handled(&telemetry, "Heartbeat", "{}"), (vec![], FrameAction::Pass));
    assert_eq!(handled(&telemetry, "DataTransfer", &samples), (vec![], FrameAction::Pass));
    let answer = Frame::new(FrameType::CallResult, "1", Some("MeterValues".into()), samples);
    assert_eq!(telemetry.handle(&peer("CP1"), answer), [FrameAction::Pass]);
    assert_eq!(
        handled(&telemetry, "StopTransaction", r#"{"transactionId":7,"meterStop":1}"#),
        (vec![], FrameAction::Pass)
    );
}

#[test]
fn error_of_a_wrong_setting_begins_with_its_key() {
    for (config, key) in [
        (r#"{"topics": "x"}"#, "topics"),
        (r#"{"topic": ""}"#, "topic"),
        (r#"{"topic": "t/#"}"#, "topic"),
        (r#"{"topic": "t/${action}"}"#, "topic"),
        (r#"{"batch_topic": "t/${measurand}"}"#, "batch_topic"),
        (r#"{"batch_topic": "t/+"}"#, "batch_topic"),
        (r#"{"max_messages": -1}"#, "max_messages"),
        (r#"{"max_bytes": "1 MB"}"#, "max_bytes"),
        (r#"{"qos": 3}"#, "qos"),
        (r#"{"retain": 1}"#, "retain"),
        (r#"{"then": "drop"}"#, "then"),
    ] {
        let error = FlatTelemetry::configure(config).err().expect(config);
        assert!(error.starts_with(key), "{config}: {error}");
    }
    assert!(FlatTelemetry::configure("not JSON").is_err());
}

proptest! {
    #[test]
    fn any_names_from_a_charge_point_give_legal_topics(names in proptest::collection::vec(any::<String>(), 5)) {
        let sampled = json!({"value": "1", "measurand": names[0], "phase": names[1], "unit": names[2], "context": names[3]});
        let payload = json!({"connectorId": names[4], "meterValue": [{"sampledValue": [sampled]}]}).to_string();
        let telemetry = telemetry(r#"{"topic": "${connector}/${measurand}/${phase}/${unit}/${context}"}"#);
        let (messages, _) = handled(&telemetry, "MeterValues", &payload);
        let (topic, sample) = &messages[0];
        prop_assert_eq!(topic.split('/').count(), 5);
        prop_assert!(topic.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'+' | b'#')));
        prop_assert_eq!(sample["measurand"].as_str(), Some(names[0].as_str()));
    }
}
