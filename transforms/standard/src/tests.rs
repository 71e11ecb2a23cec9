use super::*;
use ocpp_transform::testing::{call, peer};
use ocpp_transform::{ErrorHead, Transform};
use proptest::prelude::*;

fn standard(config: &str) -> Standard {
    Standard::configure(config).expect(config)
}

fn sent(standard: &Standard, frame: Frame) -> (String, String) {
    let mut publishes = standard.to_mqtt(&peer("CP1"), frame).expect("never refused");
    assert_eq!(publishes.len(), 1);
    let publish = publishes.remove(0);
    (publish.topic, String::from_utf8(publish.payload).expect("JSON is UTF-8"))
}

fn received(text: &str) -> Result<Frame, Refusal> {
    let publish = Publish::new("ocpp/cs/CP1", text);
    standard("{}").from_mqtt(&peer("CP1"), publish).map(|mut frames| frames.remove(0))
}

fn error_frame(type_: FrameType, code: &str, description: &str, details: &str) -> Frame {
    Frame {
        error: Some(ErrorHead { code: code.into(), description: description.into() }),
        ..Frame::new(type_, "7", None, details)
    }
}

#[test]
fn defaults_are_those_of_the_contract() {
    let standard = standard("{}");
    assert_eq!(
        sent(&standard, call("1200012677", "BootNotification", r#"{"chargePointVendor":"vendor1"}"#)),
        (
            "ocpp/cp/CP1".into(),
            concat!(
                r#"{"MessageTypeId":2,"UniqueId":"1200012677","Action":"BootNotification","#,
                r#""Payload":{"chargePointVendor":"vendor1"}}"#
            )
            .into()
        )
    );
    assert_eq!(
        sent(&standard, Frame::new(FrameType::CallResult, "7", Some("Reset".into()), r#"{"status":"Accepted"}"#)),
        ("ocpp/cp/CP1/Reply".into(), r#"{"MessageTypeId":3,"UniqueId":"7","Payload":{"status":"Accepted"}}"#.into())
    );
    for (type_, number) in [(FrameType::CallError, 4), (FrameType::CallResultError, 5)] {
        let expected = format!(
            r#"{{"MessageTypeId":{number},"UniqueId":"7","ErrorCode":"NotSupported","ErrorDescription":"no \"luck\"","ErrorDetails":{{"x":1}}}}"#
        );
        let frame = error_frame(type_, "NotSupported", "no \"luck\"", r#"{"x":1}"#);
        assert_eq!(sent(&standard, frame), ("ocpp/cp/CP1/Reply".into(), expected));
    }
    assert_eq!(
        sent(&standard, Frame::new(FrameType::Send, "9", Some("NotifyPeriodicEventStream".into()), "{}")),
        (
            "ocpp/cp/CP1".into(),
            r#"{"MessageTypeId":6,"UniqueId":"9","Action":"NotifyPeriodicEventStream","Payload":{}}"#.into()
        )
    );
    let filters = standard.subscriptions(&peer("CP1"));
    assert_eq!(filters, [TopicFilter { filter: "ocpp/cs/CP1".into(), qos: 1 }]);
    let publish = standard.to_mqtt(&peer("CP1"), call("1", "Heartbeat", "{}")).expect("one publish").remove(0);
    assert_eq!((publish.qos, publish.retain), (1, false));
}

#[test]
fn every_setting_has_its_effect() {
    let standard = standard(
        r#"{"mountpoint": "site/",
            "uplink": {"topic": "up/${clientid}/${action}", "reply_topic": "re/${cid}/${type}/${id}", "error_topic": "err/${cid}",
                       "topic_overrides": {"MeterValues": "meters/${cid}"}, "qos": 2, "retain": true},
            "downlink": {"topic": "down/${cid}", "qos": 0}}"#,
    );
    assert_eq!(sent(&standard, call("1", "Heartbeat", "{}")).0, "site/up/CP1/Heartbeat");
    assert_eq!(sent(&standard, call("1", "MeterValues", "{}")).0, "site/meters/CP1");
    assert_eq!(sent(&standard, Frame::new(FrameType::CallResult, "7", None, "{}")).0, "site/re/CP1/3/7");
    assert_eq!(sent(&standard, error_frame(FrameType::CallError, "X", "", "{}")).0, "site/err/CP1");
    let publish = standard.to_mqtt(&peer("CP1"), call("1", "Heartbeat", "{}")).expect("one publish").remove(0);
    assert_eq!((publish.qos, publish.retain), (2, true));
    assert_eq!(standard.subscriptions(&peer("CP1")), [TopicFilter { filter: "site/down/CP1".into(), qos: 0 }]);
}

#[test]
fn error_of_a_wrong_setting_begins_with_its_key() {
    for (config, key) in [
        (r#"{"mount": "x/"}"#, "mount"),
        (r#"{"mountpoint": "x/#"}"#, "mountpoint"),
        (r#"{"uplink": {"topics": "x"}}"#, "uplink.topics"),
        (r#"{"uplink": {"qos": 3}}"#, "uplink.qos"),
        (r#"{"uplink": {"qos": "1"}}"#, "uplink.qos"),
        (r#"{"uplink": {"retain": 1}}"#, "uplink.retain"),
        (r#"{"uplink": {"topic": "cp/${vendor}"}}"#, "uplink.topic"),
        (r#"{"uplink": {"reply_topic": "cp/${cid"}}"#, "uplink.reply_topic"),
        (r#"{"uplink": {"error_topic": "cp/+/e"}}"#, "uplink.error_topic"),
        (r#"{"uplink": {"topic_overrides": {"MeterValues": "m/#"}}}"#, "uplink.topic_overrides.MeterValues"),
        (r#"{"downlink": {"topic": "cs/${cid}/${action}"}}"#, "downlink.topic"),
        (r#"{"downlink": {"topic": "cs/+"}}"#, "downlink.topic"),
        (r#"{"downlink": {"qos": 300}}"#, "downlink.qos"),
        (r#"{"downlink": "cs/"}"#, "downlink"),
    ] {
        let error = Standard::configure(config).err().expect(config);
        assert!(error.starts_with(key), "{config}: {error}");
    }
    assert!(Standard::configure("not JSON").is_err());
}

#[test]
fn values_from_a_charge_point_cannot_change_the_levels_of_a_topic() {
    let standard = standard(r#"{"uplink": {"topic": "cp/${cid}/${action}/${id}"}}"#);
    for (id, action) in [("1", "a/b"), ("1", "+"), ("#", "Heartbeat"), ("\0", "Heartbeat")] {
        let mut peer = peer("CP1");
        let refusal = standard.to_mqtt(&peer, call(id, action, "{}")).expect_err("a wildcard");
        assert_eq!(refusal.code, "FormationViolation");
        peer.protocol = "ocpp2.0.1".into();
        assert_eq!(standard.to_mqtt(&peer, call(id, action, "{}")).expect_err("a wildcard").code, "FormatViolation");
    }
}

#[test]
fn answer_of_the_tutorial_is_read() {
    let frame = received(
        r#"{"MessageTypeId":3,"UniqueId":"1200012677","Payload":{"currentTime":"2023-12-01T14:20:39+00:00","interval":300,"status":"Accepted"},"Action":"BootNotification"}"#,
    )
    .expect("an answer");
    assert_eq!((frame.type_, frame.id.as_str()), (FrameType::CallResult, "1200012677"));
    assert_eq!(frame.action.as_deref(), Some("BootNotification"));
    assert_eq!(frame.payload, r#"{"currentTime":"2023-12-01T14:20:39+00:00","interval":300,"status":"Accepted"}"#);
}

#[test]
fn missing_optional_members_have_defaults() {
    let reset = received(r#" {"UniqueId":"1","Action":"Reset","MessageTypeId":2,"Comment":[1,{}]} "#).expect("a CALL");
    assert_eq!((reset.action.as_deref(), reset.payload.as_str()), (Some("Reset"), "{}"));
    let answer = received(r#"{"MessageTypeId":3,"UniqueId":"1"}"#).expect("a CALLRESULT");
    assert_eq!((answer.action, answer.payload.as_str()), (None, "{}"));
    let error = received(r#"{"MessageTypeId":4,"UniqueId":"1","ErrorCode":"NotSupported"}"#).expect("a CALLERROR");
    assert_eq!(error.error, Some(ErrorHead { code: "NotSupported".into(), description: String::new() }));
    assert_eq!(error.payload, "{}");
}

#[test]
fn refusal_has_the_fault_and_the_message_id() {
    for (text, fault) in [
        (r#"{"UniqueId":"i\"1"}"#, "MessageTypeId is missing"),
        (r#"{"MessageTypeId":"2","UniqueId":"i\"1"}"#, "MessageTypeId is not a number"),
        (r#"{"MessageTypeId":7,"UniqueId":"i\"1"}"#, "MessageTypeId is not a number from 2 to 6"),
        (r#"{"MessageTypeId":2,"UniqueId":"i\"1"}"#, "Action is missing"),
        (r#"{"MessageTypeId":2,"UniqueId":"i\"1","Action":5}"#, "Action is not a string"),
        (r#"{"MessageTypeId":2,"UniqueId":"i\"1","Action":"Reset","Payload":[]}"#, "Payload is not an object"),
        (r#"{"MessageTypeId":4,"UniqueId":"i\"1"}"#, "ErrorCode is missing"),
        (
            r#"{"MessageTypeId":4,"UniqueId":"i\"1","ErrorCode":"X","ErrorDetails":"y"}"#,
            "ErrorDetails is not an object",
        ),
    ] {
        let refusal = received(text).expect_err(text);
        assert_eq!(refusal.code, "FormationViolation");
        assert!(refusal.description.starts_with(fault), "{text}: {}", refusal.description);
        assert_eq!(refusal.details, r#"{"UniqueId":"i\"1"}"#, "{text}");
    }
}

#[test]
fn message_without_a_message_id_is_refused_without_details() {
    for text in [
        "",
        "[]",
        r#"[2,"1","Reset"]"#,
        "secret",
        "{",
        r#"{"MessageTypeId":3}"#,
        r#"{"MessageTypeId":3,"UniqueId":17}"#,
        "\u{0}",
    ] {
        let refusal = received(text).expect_err(text);
        assert_eq!(refusal.details, "{}");
        assert!(!refusal.description.contains("secret"));
    }
    let not_utf8 = Publish::new("ocpp/cs/CP1", b"{\"UniqueId\":\"\xff\"}".to_vec());
    assert!(standard("{}").from_mqtt(&peer("CP1"), not_utf8).is_err());
}

/// JSON text of an object, with the spaces and number formats that parsing would lose.
fn object_text() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("1.0".to_owned()),
        Just("1e3".to_owned()),
        Just(" null ".to_owned()),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    proptest::collection::vec((any::<String>(), scalar), 0..6).prop_map(|members| {
        let members: Vec<_> =
            members.iter().map(|(key, value)| format!("{} : {value}", serde_json::Value::from(key.as_str()))).collect();
        format!("{{ {} }}", members.join(","))
    })
}

/// Texts that consist mostly of these pieces: any number of them, in any order.
fn mostly(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![9 => prop::sample::select(pieces).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

const TEMPLATE_PIECES: &[&str] = &[
    "${cid}",
    "${clientid}",
    "${action}",
    "${id}",
    "${type}",
    "${vendor}",
    "${",
    "}",
    "$",
    "{",
    "/",
    "+",
    "#",
    "\0",
    "cp",
    "é",
];

const OBJECT_PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "null",
    "2",
    "3",
    "4",
    "6",
    "1e400",
    "\"\\ud800\"",
    "\"x\"",
    "{}",
    "\"MessageTypeId\":",
    "\"UniqueId\":\"1\"",
    "\"Action\":",
    "\"Payload\":{}",
    "\"ErrorCode\":\"e\"",
    "{\"MessageTypeId\":2,\"UniqueId\":\"1\",\"Action\":\"Reset\",\"Payload\":",
    "\u{feff}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any configuration, and any values from a charge point: no broker gets a topic for which it would close the
    /// connection.
    #[test]
    fn every_topic_is_legal(
        mountpoint in mostly(&["ocpp", "/", "$", "+"]),
        template in mostly(TEMPLATE_PIECES),
        id in prop_oneof![any::<String>(), mostly(TEMPLATE_PIECES)],
        action in prop_oneof![any::<String>(), mostly(TEMPLATE_PIECES), Just("x".repeat(70_000))],
    ) {
        let config = serde_json::json!({ "mountpoint": mountpoint, "uplink": { "topic": template } }).to_string();
        let Ok(standard) = Standard::configure(&config) else { return Ok(()) };
        let Ok(publishes) = standard.to_mqtt(&peer("CP1"), call(&id, &action, "{}")) else { return Ok(()) };
        let topic = &publishes[0].topic;
        prop_assert!((1..=65_535).contains(&topic.len()));
        prop_assert_eq!(ocpp_transform::topic::check(topic), Ok(()));
        // Placeholders are filled in once, where the template has them, and not in values.
        let levels = |text: &str| text.matches('/').count();
        prop_assert_eq!(levels(topic), levels(&mountpoint) + levels(&template));
    }

    #[test]
    fn text_similar_to_a_message_is_read_or_refused(text in mostly(OBJECT_PIECES)) {
        match received(&text) {
            Ok(frame) => {
                prop_assert!(frame.payload.starts_with('{'), "{}", text);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&frame.payload).is_ok(), "{}", text);
                let has_action = matches!(frame.type_, FrameType::Call | FrameType::Send);
                prop_assert!(!has_action || frame.action.is_some(), "{}", text);
            }
            Err(refusal) => {
                prop_assert_eq!(refusal.code, "FormationViolation");
                // The text is not quoted, as it may contain data that must not be logged.
                prop_assert!(!refusal.description.contains('"'), "{}", refusal.description);
            }
        }
    }
}

/// Patterns of a message id, and of an action or a code: any text but an empty one.
const ID: &str = "(?s).{1,255}";
const NAME: &str = "(?s).{1,200}";

proptest! {
    #[test]
    fn any_call_survives_the_mapping_in_both_directions(id in ID, action in NAME, payload in object_text()) {
        let (_, text) = sent(&standard("{}"), call(&id, &action, &payload));
        let frame = received(&text).expect("its own message");
        prop_assert_eq!(frame, call(&id, &action, &payload));
    }

    #[test]
    fn any_error_survives_the_mapping_in_both_directions(
        code in NAME,
        description in any::<String>(),
        details in object_text(),
    ) {
        let frame = error_frame(FrameType::CallError, &code, &description, &details);
        let (_, text) = sent(&standard("{}"), frame.clone());
        prop_assert_eq!(received(&text).expect("its own message"), frame);
    }

    #[test]
    fn random_bytes_do_not_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let garbage = Publish::new("ocpp/cs/CP1", text);
        let _ = standard("{}").from_mqtt(&peer("CP1"), garbage);
    }
}

/// All inputs of a kind in `corpus`. (cargo-fuzz needs a nightly compiler; add a file that it finds.)
fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(kind);
    let files = std::fs::read_dir(folder).expect("a folder");
    let inputs: Vec<_> = files.map(|file| std::fs::read(file.expect("readable").path()).expect("readable")).collect();
    assert!(inputs.len() > 10, "{kind}: only {} inputs", inputs.len());
    inputs
}

/// The payload is refused, or its frames can be written and read again.
fn try_payload(payload: Vec<u8>) {
    let frames = standard("{}").from_mqtt(&peer("CP1"), Publish::new("ocpp/cs/CP1", payload));
    for mut frame in frames.into_iter().flatten() {
        if !matches!(frame.type_, FrameType::Call | FrameType::Send) {
            // The action of an answer is not written.
            frame.action = None;
        }
        let (_, text) = sent(&standard("{}"), frame.clone());
        assert_eq!(received(&text).expect("its own message"), frame);
    }
}

/// The template is refused with its key, or any values from a charge point give a topic without wildcards, with as many
/// levels as the template has. (The host refuses an empty topic.)
fn try_template(text: &str, identity: &str, action: &str, id: &str) {
    let config = serde_json::json!({ "mountpoint": "", "uplink": { "topic": text } });
    match Standard::configure(&config.to_string()) {
        Err(fault) => {
            assert!(fault.starts_with("uplink.topic: ") || fault.starts_with("mountpoint: "), "{text}: {fault}")
        }
        Ok(standard) => {
            for publish in standard.to_mqtt(&peer(identity), call(id, action, "{}")).into_iter().flatten() {
                let topic = publish.topic;
                assert!(!topic.contains(['+', '#', '\0']), "{text}: {topic}");
                assert_eq!(topic.matches('/').count(), text.matches('/').count(), "{text}: {topic}");
            }
        }
    }
}

#[test]
fn payloads_of_the_corpus_are_refused_or_survive_the_mapping() {
    corpus("payloads").into_iter().for_each(try_payload);
}

#[test]
fn templates_of_the_corpus_are_refused_or_give_legal_topics() {
    for text in corpus("templates") {
        try_template(&String::from_utf8(text).expect("text"), "CP1", "Heartbeat", "1");
    }
}

fn payload_like_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        ",",
        ":",
        "\"MessageTypeId\":2",
        "\"MessageTypeId\":3",
        "\"MessageTypeId\":4",
        "\"UniqueId\":\"1\"",
        "\"UniqueId\":7",
        "\"Action\":\"Reset\"",
        "\"Payload\":{}",
        "\"Payload\":[",
        "\"ErrorCode\":\"x\"",
        "null",
        "1e9",
        "\"",
        "\\",
        "\"ErrorDetails\":{}",
        "\"ErrorDescription\":null",
        " ",
        "\u{0}",
        "é",
    ]);
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn template_like_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "$",
        "{",
        "}",
        "/",
        "+",
        "#",
        "${cid}",
        "${clientid}",
        "${action}",
        "${id}",
        "${type}",
        "${",
        "cp",
        "\u{0}",
        "é",
        " ",
    ]);
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_panics(text in prop_oneof![payload_like_text(), any::<String>()]) {
        try_payload(text.into_bytes());
    }

    #[test]
    fn no_template_makes_an_illegal_topic(
        text in prop_oneof![template_like_text(), any::<String>()],
        identity in "[^/+#\\pC]{1,10}",
        action in any::<String>(),
        id in any::<String>(),
    ) {
        try_template(&text, &identity, &action, &id);
    }
}

/// A charge point of a listener with this mount point.
fn mounted(mountpoint: &str) -> Peer {
    Peer { attributes: vec![("mountpoint".into(), mountpoint.into())], ..peer("CP1") }
}

#[test]
fn mount_point_of_a_listener_stands_before_all_topics() {
    let standard = standard("{}");
    let topics = |peer: &Peer| {
        let up = standard.to_mqtt(peer, call("1", "Heartbeat", "{}")).expect("mapped");
        [up[0].topic.clone(), standard.subscriptions(peer)[0].filter.clone()]
    };
    assert_eq!(topics(&mounted("tenants/acme/")), ["tenants/acme/ocpp/cp/CP1", "tenants/acme/ocpp/cs/CP1"]);
    assert_eq!(topics(&peer("CP1")), ["ocpp/cp/CP1", "ocpp/cs/CP1"]);
}

#[test]
fn template_says_where_the_mount_point_of_a_listener_stands() {
    let config = r#"{"mountpoint": "ocpp/${mountpoint}", "uplink": {"reply_topic": "r/${cid}"}, "downlink": {"topic": "${cid}"}}"#;
    let standard = standard(config);
    let peer = mounted("acme/");
    let reply = Frame::new(FrameType::CallResult, "7", None, "{}");
    assert_eq!(standard.to_mqtt(&peer, reply).expect("mapped")[0].topic, "ocpp/acme/r/CP1");
    assert_eq!(standard.subscriptions(&peer)[0].filter, "ocpp/acme/CP1");
}
