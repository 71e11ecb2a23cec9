//! What each hook answers, and what errors say.

use super::*;
use ocpp_transform::testing::{call, peer, set_clock, take_log};
use ocpp_transform::{ErrorHead, FrameType, state};

mod compile;
mod documents;
mod numbers;

/// The transform with a program.
fn jq(program: &str) -> Jq {
    configure(program).unwrap_or_else(|error| panic!("{error}"))
}

fn configure(program: &str) -> Result<Jq, String> {
    let program = write::write(&Val::from(program.to_owned())).expect("JSON");
    Jq::configure(&format!("{{\"program\":{program}}}"))
}

fn uplink(program: &str, frame: Frame) -> Vec<FrameAction> {
    Uplink::handle(&jq(program), &peer("CP1"), frame)
}

fn boot() -> Frame {
    call("1", "BootNotification", r#"{"chargePointVendor": "ACME", "chargePointModel":"X"}"#)
}

/// The text of the failure that a call ends with.
fn failure<T>(call: impl FnOnce() -> T) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    *caught.err().expect("a failure").downcast::<String>().expect("a text")
}

fn replaced(actions: Vec<FrameAction>) -> Frame {
    match <[FrameAction; 1]>::try_from(actions) {
        Ok([FrameAction::Replace(frame)]) => frame,
        other => panic!("{other:?}"),
    }
}

#[test]
fn unchanged_frame_passes() {
    for program in
        [".", ".payload |= .", ".payload.chargePointModel = \"X\"", "if .action == \"X\" then empty else . end"]
    {
        assert!(matches!(uplink(&format!("def uplink: {program};"), boot())[..], [FrameAction::Pass]), "{program}");
    }
}

#[test]
fn frame_with_another_id_keeps_its_payload_byte_for_byte() {
    let frame = replaced(uplink("def uplink: .id = \"2\";", boot()));
    assert_eq!((frame.id.as_str(), frame.payload), ("2", boot().payload));
}

#[test]
fn changed_frame_is_replaced() {
    let frame = replaced(uplink("def uplink: .payload.chargePointVendor |= ascii_downcase;", boot()));
    assert_eq!(frame.payload, r#"{"chargePointVendor":"acme","chargePointModel":"X"}"#);
    assert_eq!((frame.id.as_str(), frame.action.as_deref()), ("1", Some("BootNotification")));
}

#[test]
fn no_output_drops() {
    assert!(uplink("def uplink: empty;", boot()).is_empty());
}

#[test]
fn outputs_are_actions_in_order() {
    let program = r#"def uplink: {publish: {topic: "audit/\(.charge_point.id)", payload, qos: 0, retain: true}},
        {reply: {status: "Accepted"}}, {reject: {code: "NotSupported", description: "no"}}, {drop: "why"}, .;"#;
    let actions = uplink(program, boot());
    let [
        FrameAction::Publish(message),
        FrameAction::Reply(reply),
        FrameAction::Reject(error),
        FrameAction::Drop(reason),
        FrameAction::Pass,
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!((message.topic.as_str(), message.qos, message.retain), ("audit/CP1", 0, true));
    assert_eq!(message.payload, br#"{"chargePointVendor":"ACME","chargePointModel":"X"}"#);
    assert_eq!(reply, r#"{"status":"Accepted"}"#);
    assert_eq!((error.code.as_str(), error.details.as_str()), ("NotSupported", "{}"));
    assert_eq!(reason, "why");
}

#[test]
fn input_has_charge_point_and_frame() {
    let peer = Peer { attributes: vec![("vendor".into(), "acme".into())], ..peer("CP1") };
    let frame = Frame { attributes: vec![("origin".into(), "gateway".into())], ..boot() };
    let program = "def uplink: {publish: {topic: \"t\", payload: .}};";
    let actions = Uplink::handle(&jq(program), &peer, frame);
    let [FrameAction::Publish(message)] = &actions[..] else { panic!("{actions:?}") };
    let expected = concat!(
        r#"{"charge_point":{"id":"CP1","protocol":"ocpp1.6","attributes":{"vendor":"acme"}},"type":"CALL","id":"1","#,
        r#""action":"BootNotification","payload":{"chargePointVendor":"ACME","chargePointModel":"X"},"#,
        r#""attributes":{"origin":"gateway"}}"#
    );
    assert_eq!(String::from_utf8_lossy(&message.payload), expected);
}

#[test]
fn error_frame_has_its_head() {
    let frame = Frame {
        error: Some(ErrorHead { code: "NotSupported".into(), description: "no".into() }),
        ..Frame::new(FrameType::CallError, "1", None, "{}")
    };
    let frame = replaced(Downlink::handle(
        &jq("def downlink: if .type == \"CALLERROR\" then .error.code = \"NotImplemented\" else . end;"),
        &peer("CP1"),
        frame,
    ));
    let error = frame.error.expect("a head");
    assert_eq!((error.code.as_str(), error.description.as_str()), ("NotImplemented", "no"));
}

#[test]
fn result_can_become_an_error() {
    let frame = Frame::new(FrameType::CallResult, "1", None, r#"{"status":"Faulted"}"#);
    let program = "def uplink: .type = \"CALLERROR\" | .error = {code: \"InternalError\"} | .payload = {};";
    let frame = replaced(uplink(program, frame));
    assert_eq!((frame.type_, frame.payload.as_str()), (FrameType::CallError, "{}"));
    assert_eq!(frame.error.expect("a head").code, "InternalError");
}

fn outbound(program: &str, message: Publish) -> Vec<PublishAction> {
    Outbound::handle(&jq(program), &peer("CP1"), message)
}

#[test]
fn message_can_pass_change_multiply_and_end() {
    let message = || Publish::new("a/b", r#"{"x": 1}"#);
    assert!(matches!(outbound("def outbound: .;", message())[..], [PublishAction::Pass]));
    assert!(outbound("def outbound: empty;", message()).is_empty());
    assert!(
        matches!(&outbound("def outbound: {drop: \"no\"};", message())[..], [PublishAction::Drop(why)] if why == "no")
    );
    let actions = outbound("def outbound: ., (.topic |= \"copy/\" + . | .qos = 0);", message());
    let [PublishAction::Pass, PublishAction::Replace(copy)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((copy.topic.as_str(), copy.qos, &copy.payload[..]), ("copy/a/b", 0, &br#"{"x": 1}"#[..]));
    let actions = Inbound::handle(&jq("def inbound: .payload.x += 1;"), &peer("CP1"), message());
    let [PublishAction::Replace(message)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(message.payload, br#"{"x":2}"#);
}

#[test]
fn payload_that_is_not_json_is_text_or_bytes() {
    let program = "def outbound: if .payload | type == \"string\" then .topic = \"text\" else . end;";
    for payload in [&b"ping"[..], b"NaN", b"# comment", b"", b"\xff\x00", b"b\"x\"", b"[1,]"] {
        let actions = outbound(program, Publish::new("t", payload));
        let [PublishAction::Replace(message)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!((message.topic.as_str(), &message.payload[..]), ("text", payload));
    }
}

#[test]
fn string_is_published_as_it_is() {
    let actions = outbound("def outbound: .payload = \"on\\\"line\";", Publish::new("t", "1"));
    let [PublishAction::Replace(message)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(message.payload, b"on\"line");
}

const MAPPING: &str = r#"
    def subscriptions: "down/\(.charge_point.id)", {filter: "all", qos: 0};
    def to_mqtt: {topic: "up/\(.action)", payload}, {publish: {topic: "copy", payload: "x", qos: 2}};
    def from_mqtt:
        if .payload | type == "object" then {type: "CALL", id: .payload.id, action: "Reset", payload: {type: "Soft"}}
        elif .payload == 1 then {reject: {code: "FormatViolation", description: "no id"}}
        else error("unknown") end;
"#;

#[test]
fn mapping_maps() {
    let (jq, peer) = (jq(MAPPING), peer("CP1"));
    let filters: Vec<_> = jq.subscriptions(&peer).into_iter().map(|filter| (filter.filter, filter.qos)).collect();
    assert_eq!(filters, [("down/CP1".to_owned(), 1), ("all".to_owned(), 0)]);
    let messages = jq.to_mqtt(&peer, boot()).expect("messages");
    let topics: Vec<_> = messages.iter().map(|message| (message.topic.as_str(), message.qos)).collect();
    assert_eq!(topics, [("up/BootNotification", 1), ("copy", 2)]);
    let frames = jq.from_mqtt(&peer, Publish::new("down/CP1", r#"{"id":"7"}"#)).expect("frames");
    let frame = frames.first().expect("a frame");
    assert_eq!((frame.id.as_str(), frame.payload.as_str()), ("7", r#"{"type":"Soft"}"#));
}

#[test]
fn mapping_answers_errors_with_refusals() {
    let (jq, peer) = (jq(MAPPING), peer("CP1"));
    let refusal = jq.from_mqtt(&peer, Publish::new("t", "1")).expect_err("a refusal");
    assert_eq!((refusal.code.as_str(), refusal.description.as_str()), ("FormatViolation", "no id"));
    let refusal = jq.from_mqtt(&peer, Publish::new("t", "2")).expect_err("a refusal");
    assert_eq!(refusal.description, "`from_mqtt` failed for t of CP1: unknown");
    let refusal = self::jq("def to_mqtt: error(\"x\");").to_mqtt(&peer, boot()).expect_err("a refusal");
    assert_eq!(refusal.code, "InternalError");
    assert_eq!(refusal.details, r#"{"UniqueId":"1"}"#);
}

#[test]
fn events_publish() {
    let jq = jq(r#"
        def connected: {publish: {topic: "presence/\(.charge_point.id)", payload: "online", retain: true}};
        def disconnected: {topic: "presence/\(.charge_point.id)", payload: {reason}};
    "#);
    let messages = jq.connected(&peer("CP1"));
    let message = messages.first().expect("a message");
    assert_eq!((message.topic.as_str(), &message.payload[..], message.retain), ("presence/CP1", &b"online"[..], true));
    let messages = jq.disconnected(&peer("CP1"), "timeout");
    assert_eq!(messages.first().expect("a message").payload, br#"{"reason":"timeout"}"#);
}

fn offer(id: &str) -> Offer {
    Offer {
        id: id.into(),
        remote_address: "10.0.0.1:5".into(),
        path: format!("/ocpp/{id}"),
        protocols: vec!["ocpp1.6".into()],
        headers: vec![("user-agent".into(), "acme".into())],
        user: None,
        attributes: Attributes::new(),
    }
}

#[test]
fn first_output_of_admit_decides() {
    let jq = jq(r#"def admit: (select(.id | startswith("X")) | {refuse: {status: 404, reason: "unknown"}}),
        (select(.headers["user-agent"] == "acme" and .user == null) | {accept: {vendor: "acme"}});"#);
    let Decision::Refuse(refusal) = jq.admit(offer("X1")) else { panic!("accepted") };
    assert_eq!((refusal.status, refusal.reason.as_str()), (404, "unknown"));
    let Decision::Accept(acceptance) = jq.admit(offer("CP1")) else { panic!("refused") };
    assert_eq!(acceptance.attributes, [("vendor".to_owned(), "acme".to_owned())]);
    let Decision::Refuse(refusal) = jq.admit(Offer { headers: vec![], ..offer("CP1") }) else { panic!("accepted") };
    assert_eq!(refusal.status, 403);
}

#[test]
fn check_gives_an_error_or_nothing() {
    let jq =
        jq(r#"def check: select(.payload.chargePointVendor == "ACME") | {code: "SecurityError", description: "no"};"#);
    assert_eq!(jq.check(&peer("CP1"), &boot()).expect("an error").code, "SecurityError");
    assert!(jq.check(&peer("CP1"), &call("1", "Heartbeat", "{}")).is_none());
}

#[test]
fn hooks_without_a_filter_change_nothing() {
    let jq = jq("def connected: empty;");
    let message = || Publish::new("t", "x");
    let peer = peer("CP1");
    assert!(matches!(Uplink::handle(&jq, &peer, boot())[..], [FrameAction::Pass]));
    assert!(matches!(Downlink::handle(&jq, &peer, boot())[..], [FrameAction::Pass]));
    assert!(matches!(Outbound::handle(&jq, &peer, message())[..], [PublishAction::Pass]));
    assert!(matches!(Inbound::handle(&jq, &peer, message())[..], [PublishAction::Pass]));
    assert!(matches!(jq.admit(offer("CP1")), Decision::Accept(_)));
    assert!(jq.check(&peer, &boot()).is_none() && jq.disconnected(&peer, "").is_empty());
}

#[test]
fn attributes_name_the_hooks() {
    let jq = jq("def uplink: .; def helper: 1; def to_mqtt: empty;");
    assert_eq!(jq.attributes(), [("hooks".to_owned(), "uplink to_mqtt".to_owned())]);
}

#[test]
fn state_is_kept_and_expires() {
    let program = r#"def uplink: "n/\(.charge_point.id)" as $key | set_state($key; (state($key) // 0) + 1; 60)
        | .id = "\(state($key))";"#;
    let jq = jq(program);
    for expected in ["1", "2"] {
        let frame = call("x", "Heartbeat", "{}");
        assert_eq!(replaced(Uplink::handle(&jq, &peer("CP1"), frame)).id, expected);
    }
    set_clock(61_000);
    assert_eq!(replaced(Uplink::handle(&jq, &peer("CP1"), call("x", "Heartbeat", "{}"))).id, "1");
    uplink("def uplink: set_state(\"n/CP1\"; null);", boot());
    assert_eq!(state::get("n/CP1"), None);
}

#[test]
fn log_passes_its_input_on() {
    assert!(matches!(uplink("def uplink: log(\"warn\");", call("1", "A", "{}"))[..], [FrameAction::Pass]));
    uplink("def uplink: (\"seen \\(.id)\" | log(\"info\")) as $_ | .;", boot());
    let lines: Vec<_> = take_log().into_iter().map(|line| line.message).collect();
    assert!(lines[0].starts_with(r#"{"charge_point":{"id":"CP1""#), "{lines:?}");
    assert_eq!(lines[1], "seen 1");
}

#[test]
fn now_is_the_time_of_the_gateway() {
    set_clock(1_767_323_045_000);
    let actions = uplink("def uplink: {reply: {currentTime: (now | todate)}};", call("1", "Heartbeat", "{}"));
    assert!(
        matches!(&actions[..], [FrameAction::Reply(reply)] if reply == r#"{"currentTime":"2026-01-02T03:04:05Z"}"#)
    );
}

#[test]
fn run_time_error_names_hook_action_and_charge_point() {
    let cases = [
        (".payload.chargePointModel.x", r#"cannot index "X" with "x""#),
        ("error(\"mine\")", "mine"),
        ("1", "an output must be an object, not 1"),
        (
            "{payloads: 1}",
            "an output must be the object of the input, or an object with one of publish, reply, reject and drop, not {\"payloads\":1}",
        ),
        (
            ".paylod = 1",
            "an output has no \"paylod\"; it has charge_point, type, id, action, payload, error, attributes",
        ),
        (".payload = 1", "`payload` of an output must be an object, not 1"),
        (".payload.x = (0/0)", "`payload` of an output is not JSON: JSON has no number NaN"),
        (".type = \"Call\"", "`type` must be CALL, CALLRESULT, CALLERROR, CALLRESULTERROR or SEND, not \"Call\""),
        ("{publish: {topic: \"t\"}}", "a message needs a `payload`; \"\" is an empty one"),
        (
            "{publish: {topic: \"t\", payload: 1, qos: 3}}",
            "`qos` of a message must be a whole number from 0 to 2, not 3",
        ),
        (
            "{publish: {topik: \"t\"}}",
            "a message has no \"topik\"; it has charge_point, topic, payload, qos, retain, properties, attributes",
        ),
        ("set_state(1; 2)", "the key of a state must be a string, not 1"),
        ("set_state(\"k\"; 2; 0)", "the time to live must be seconds, 1 or more, not 0"),
        ("log(\"loud\")", "\"loud\" is no level; there are trace, debug, info, warn, error"),
    ];
    for (program, expected) in cases {
        let error = failure(|| uplink(&format!("def uplink: {program};"), boot()));
        assert_eq!(error, format!("`uplink` failed for BootNotification of CP1: {expected}"), "{program}");
    }
    let error = failure(|| outbound("def outbound: {reply: {}};", Publish::new("a/b", "")));
    assert!(error.starts_with("`outbound` failed for a/b of CP1: `reply` exists only for frames;"), "{error}");
}
