use super::*;
use ocpp_transform::ErrorHead;
use ocpp_transform::testing::{call, peer};
use proptest::prelude::*;

fn mapping(config: &str) -> LegacyTopics {
    LegacyTopics::configure(config).expect(config)
}

fn sent(mapping: &LegacyTopics, frame: Frame) -> Publish {
    let mut publishes = mapping.to_mqtt(&peer("CP1"), frame).expect("a message");
    assert_eq!(publishes.len(), 1);
    publishes.remove(0)
}

fn received(mapping: &LegacyTopics, topic: &str, payload: &str) -> Result<Frame, Refusal> {
    mapping.from_mqtt(&peer("CP1"), Publish::new(topic, payload)).map(|mut frames| frames.remove(0))
}

fn error_frame(type_: FrameType, action: Option<&str>, details: &str) -> Frame {
    let error = Some(ErrorHead { code: "NotSupported".into(), description: "no \"luck\"".into() });
    Frame { error, ..Frame::new(type_, "7", action.map(str::to_owned), details) }
}

const ERROR: &str = r#"{"errorCode":"NotSupported","errorDescription":"no \"luck\"","errorDetails":{ "x": 1.0 }}"#;

#[test]
fn topic_has_type_action_and_id_and_message_has_the_payload_only() {
    let mapping = mapping("{}");
    let answer = |action: Option<&str>| Frame::new(FrameType::CallResult, "7", action.map(str::to_owned), "{ }");
    for (frame, topic, payload) in [
        (call("17", "Heartbeat", r#"{ "a": 1.0 }"#), "ocpp/CP1/up/request/Heartbeat/17", r#"{ "a": 1.0 }"#),
        (answer(Some("Reset")), "ocpp/CP1/up/response/Reset/7", "{ }"),
        (answer(None), "ocpp/CP1/up/response/-/7", "{ }"),
        (answer(Some("")), "ocpp/CP1/up/response/-/7", "{ }"),
        (error_frame(FrameType::CallError, Some("Reset"), r#"{ "x": 1.0 }"#), "ocpp/CP1/up/error/Reset/7", ERROR),
        (error_frame(FrameType::CallResultError, None, r#"{ "x": 1.0 }"#), "ocpp/CP1/up/result-error/-/7", ERROR),
        (Frame::new(FrameType::Send, "9", Some("Notify".into()), "{}"), "ocpp/CP1/up/send/Notify/9", "{}"),
    ] {
        let publish = sent(&mapping, frame);
        assert_eq!((publish.topic.as_str(), String::from_utf8_lossy(&publish.payload).as_ref()), (topic, payload));
        assert_eq!((publish.qos, publish.retain), (1, false));
    }
    assert_eq!(mapping.subscriptions(&peer("CP1")), [TopicFilter { filter: "ocpp/CP1/dn/#".into(), qos: 1 }]);
}

#[test]
fn messages_for_a_charge_point_are_read() {
    let mapping = mapping("{}");
    let frame = received(&mapping, "ocpp/CP1/dn/request/Reset/a-1", r#" { "type": "Soft" } "#);
    assert_eq!(frame, Ok(call("a-1", "Reset", r#"{ "type": "Soft" }"#)));
    for (level, action) in [("Heartbeat", Some("Heartbeat".to_owned())), ("-", None), ("", None)] {
        let frame = received(&mapping, &format!("ocpp/CP1/dn/response/{level}/17"), "{}");
        assert_eq!(frame, Ok(Frame::new(FrameType::CallResult, "17", action, "{}")));
    }
    let frame = received(&mapping, "ocpp/CP1/dn/error/Reset/7", ERROR);
    assert_eq!(frame, Ok(error_frame(FrameType::CallError, Some("Reset"), r#"{ "x": 1.0 }"#)));
    let frame = received(&mapping, "ocpp/CP1/dn/result-error/-/7", r#"{"errorCode":"X","other":[]}"#);
    let error = Some(ErrorHead { code: "X".into(), description: String::new() });
    assert_eq!(frame, Ok(Frame { error, ..Frame::new(FrameType::CallResultError, "7", None, "{}") }));
}

#[test]
fn every_setting_has_its_effect() {
    let mapping = mapping(
        r#"{"mountpoint": "site/", "types": "numbers", "uplink": {"qos": 2, "retain": true}, "downlink": {"qos": 0}}"#,
    );
    let publish = sent(&mapping, call("17", "Heartbeat", "{}"));
    assert_eq!((publish.topic.as_str(), publish.qos, publish.retain), ("site/CP1/up/2/Heartbeat/17", 2, true));
    assert_eq!(mapping.subscriptions(&peer("CP1")), [TopicFilter { filter: "site/CP1/dn/#".into(), qos: 0 }]);
    let frame = received(&mapping, "site/CP1/dn/3/-/17", "{}");
    assert_eq!(frame, Ok(Frame::new(FrameType::CallResult, "17", None, "{}")));
    assert!(received(&mapping, "site/CP1/dn/response/-/17", "{}").is_err());
}

#[test]
fn error_of_a_wrong_setting_begins_with_its_key() {
    for (config, key) in [
        (r#"{"mount": "x/"}"#, "mount"),
        (r#"{"mountpoint": "x/#"}"#, "mountpoint"),
        (r#"{"types": "words"}"#, "types"),
        (r#"{"uplink": {"qos": 3}}"#, "uplink.qos"),
        (r#"{"uplink": {"retain": 1}}"#, "uplink.retain"),
        (r#"{"uplink": {"topic": "x"}}"#, "uplink.topic"),
        (r#"{"downlink": {"qos": "1"}}"#, "downlink.qos"),
        (r#"{"downlink": {"qos": 9}}"#, "downlink.qos"),
    ] {
        let error = LegacyTopics::configure(config).err().expect(config);
        assert!(error.starts_with(key), "{config}: {error}");
    }
    assert!(LegacyTopics::configure("not JSON").is_err());
}

#[test]
fn values_from_a_charge_point_cannot_change_the_levels_of_a_topic() {
    let mapping = mapping("{}");
    let long = "x".repeat(70_000);
    for (id, action) in [
        ("1", "a/b"),
        ("1", "+"),
        ("1", long.as_str()),
        ("#", "Heartbeat"),
        ("", "Heartbeat"),
        ("\0", "Heartbeat"),
        ("\u{7}", "Heartbeat"),
        ("\u{FFFF}", "Heartbeat"),
    ] {
        let mut peer = peer("CP1");
        let refusal = mapping.to_mqtt(&peer, call(id, action, "{}")).expect_err("no level");
        assert_eq!(refusal.code, "FormationViolation");
        peer.protocol = "ocpp2.0.1".into();
        assert_eq!(mapping.to_mqtt(&peer, call(id, action, "{}")).expect_err("no level").code, "FormatViolation");
    }
}

#[test]
fn refusal_has_the_fault_and_the_message_id() {
    let mapping = mapping("{}");
    for (levels, payload, fault) in [
        ("command/Reset/1", "{}", "the topic names no message type"),
        ("2/Reset/1", "{}", "the topic names no message type"),
        ("request/-/1", "{}", "the topic names no action"),
        ("send//1", "{}", "the topic names no action"),
        ("request/Reset/1", "", "the payload is not JSON"),
        ("request/Reset/1", "{secret", "the payload is not JSON"),
        ("response/Reset/1", "[]", "the payload is not a JSON object"),
        ("error/Reset/1", "{}", "the payload is not an object with errorCode"),
        ("error/Reset/1", r#"{"errorCode":""}"#, "the payload is not an object with errorCode"),
        ("error/Reset/1", r#"{"errorCode":"X","errorDetails":"y"}"#, "the payload is not an object with errorCode"),
        ("error/Reset/1", r#"["X","y",{}]"#, "the payload is not a JSON object"),
    ] {
        let refusal = received(&mapping, &format!("ocpp/CP1/dn/{levels}"), payload).expect_err(levels);
        assert_eq!(refusal.code, "FormationViolation");
        assert!(refusal.description.starts_with(fault), "{levels} {payload}: {}", refusal.description);
        assert_eq!(refusal.details, r#"{"UniqueId":"1"}"#);
    }
}

#[test]
fn message_without_a_message_id_is_refused_without_details() {
    let mapping = mapping("{}");
    let long = format!("ocpp/CP1/dn/request/Reset/{}", "x".repeat(256));
    for topic in [
        "ocpp/CP1/dn",
        "ocpp/CP1/dn/request/Reset",
        "ocpp/CP1/dn/request/Reset/1/2",
        "ocpp/CP2/dn/request/Reset/1",
        &long,
    ] {
        let refusal = received(&mapping, topic, "{}").expect_err(topic);
        assert_eq!((refusal.code.as_str(), refusal.details.as_str()), ("FormationViolation", "{}"), "{topic}");
    }
}

proptest! {
    #[test]
    fn any_call_survives_the_mapping_in_both_directions(
        id in "[^/+#\\p{C}]{1,255}",
        action in "[A-Za-z]{1,30}",
        text in any::<String>(),
    ) {
        let mapping = mapping("{}");
        let frame = call(&id, &action, &serde_json::json!({ "text": text }).to_string());
        let Publish { topic, payload, .. } = sent(&mapping, frame.clone());
        let down = Publish::new(topic.replacen("/up/", "/dn/", 1), payload);
        prop_assert_eq!(mapping.from_mqtt(&peer("CP1"), down), Ok(vec![frame]));
    }

    #[test]
    fn random_bytes_do_not_panic(levels in any::<String>(), payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let garbage = Publish::new(format!("ocpp/CP1/dn/{levels}"), payload);
        let _ = mapping("{}").from_mqtt(&peer("CP1"), garbage);
    }
}
