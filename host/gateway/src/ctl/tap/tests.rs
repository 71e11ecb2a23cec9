//! What `ctl tap` prints and writes of a stream of events.

use super::TapArgs;
use crate::ctl::args::{CtlArgs, CtlCommand};
use crate::ctl::error::CtlError;
use crate::ctl::output::Output;
use crate::ctl::test_gateway::{Reply, TestGateway};
use crate::recording::{MqttMessage, StepAction, StepInput};
use crate::transforms::fixture::{self, Fixture};
use clap::Parser;
use clap::error::ErrorKind;
use ocpp_gateway_core::{Attributes, Frame, Identity, Peer, Publish, QoS, Version};
use ocpp_gateway_pipeline::{LoadOptions, TransformHarness, TransformSpec};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[derive(Debug, Parser)]
struct CommandLine {
    #[command(flatten)]
    args: CtlArgs,
}

/// What a run did.
struct Tapped {
    request: String,
    result: Result<(), CtlError>,
    output: String,
    notes: String,
}

fn parsed(url: &str, arguments: &[&str]) -> Result<CtlArgs, clap::Error> {
    let line = ["ctl", "--url", url, "tap"].into_iter().chain(arguments.iter().copied());
    CommandLine::try_parse_from(line).map(|CommandLine { args }| args)
}

fn tapped(arguments: &[&str], reply: Reply) -> Tapped {
    let gateway = TestGateway::start(&[reply]);
    let args = parsed(&gateway.url, arguments).expect("a command line");
    let CtlCommand::Tap(tap) = &args.command else { panic!("{args:?}") };
    let client = args.token.client(&args.url).expect("a client");
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let result = super::watch(&client, tap, &mut Output::new(&mut output, args.json), &mut notes, |_| Ok(()));
    let [request] = &gateway.requests()[..] else { panic!("one request") };
    let [output, notes] = [output, notes].map(|text| String::from_utf8(text).expect("text"));
    Tapped { request: request.clone(), result, output, notes }
}

/// A stream with these events, each named in its data.
fn stream(events: &[Value]) -> String {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["event"].as_str().expect("a name"));
    events.iter().map(event).collect()
}

/// The lines of text of these events.
fn lines(options: &[&str], events: &[Value]) -> Vec<String> {
    let tapped = tapped(&[&["--text"], options].concat(), Reply::events(&stream(events), false));
    assert!(matches!(tapped.result, Err(CtlError::StreamEnded(_))), "{:?}", tapped.result);
    tapped.output.lines().map(str::to_owned).collect()
}

/// `members` over those that a message always has.
fn message(members: Value) -> Value {
    let mut message = json!({"v": 1, "event": "message", "time": "2026-11-30T05:00:00.123456Z", "charge_point": "CP1",
        "version": "ocpp1.6", "direction": "uplink", "time_us": 20.5});
    let all = message.as_object_mut().expect("an object");
    all.extend(members.as_object().expect("an object").clone());
    message
}

fn heartbeat() -> Value {
    message(json!({"exchange": "1.1", "type": "CALL", "action": "Heartbeat", "message_id": "1",
        "frame": "[2,\"1\",\"Heartbeat\",{\"a\": 1}]",
        "published": [{"topic": "ocpp/cp/CP1", "qos": 1, "retain": false, "payload": "{}"}]}))
}

#[test]
fn messages_are_one_line_each() {
    let answer = message(json!({"time": "2026-11-30T05:00:00.140456Z", "direction": "downlink", "exchange": "1.1",
        "type": "CALLRESULT", "action": "Heartbeat", "message_id": "1", "sent": ["[3,\"1\",{\"t\":2}]"],
        "message": {"topic": "ocpp/cs/CP1", "qos": 1, "retain": false, "payload": "{\"x\":3}"}}));
    let not_mapped = message(json!({"direction": "downlink", "not_mapped": "no\nJSON",
        "message": {"topic": "ocpp/cs/CP1", "qos": 1, "retain": false, "payload": "x\u{1b}[2J"}}));
    let rejected = message(json!({"type": "CALL", "action": "Reset", "message_id": "2",
        "answer": {"action": "reject", "code": "NotSupported", "description": "no", "details": "{}"}}));
    let error = message(json!({"type": "CALLERROR", "action": "Reset", "message_id": "3", "origin": "gateway",
        "frame": "[4,\"3\",\"GenericError\",\"late\",{}]"}));
    assert_eq!(
        lines(&[], &[heartbeat(), answer, not_mapped, rejected, error]),
        [
            r#"05:00:00.123 CP1 ▲ CALL Heartbeat 1 → ocpp/cp/CP1 {"a": 1}"#,
            r#"05:00:00.140 CP1 ▼ CALLRESULT Heartbeat 1 +17 ms ← ocpp/cs/CP1 {"t":2}"#,
            r"! 05:00:00.123 CP1 ▼ ← ocpp/cs/CP1 x\u{1b}[2J",
            r"    not mapped no\nJSON",
            "! 05:00:00.123 CP1 ▲ CALL Reset 2",
            "    answered   reject  NotSupported: no",
            "! 05:00:00.123 CP1 ▲ gateway CALLERROR Reset 3 GenericError: late {}",
        ]
    );
}

#[test]
fn other_events_are_one_line_each() {
    let time = "2026-11-30T05:00:01.000001Z";
    let events = [
        json!({"v": 1, "event": "started", "time": time, "gateway": "0.1.0", "payload": false, "trace": false}),
        json!({"v": 1, "event": "sent", "time": time, "charge_point": "CP1", "version": "ocpp1.6", "exchange": "7",
            "direction": "downlink", "type": "CALL", "action": "Reset", "message_id": "op", "frame": "[2,\"op\",\"Reset\",{}]"}),
        json!({"v": 1, "event": "received", "time": "2026-11-30T05:00:01.000401Z", "charge_point": "CP1", "version": "ocpp1.6",
            "exchange": "7", "direction": "uplink", "type": "CALLRESULT", "action": "Reset", "message_id": "op"}),
        json!({"v": 1, "event": "received", "time": time, "charge_point": "CP1", "version": "ocpp1.6",
            "direction": "uplink", "frame": "no frame"}),
        json!({"v": 1, "event": "connected", "time": time, "charge_point": "CP1", "version": "ocpp1.6", "address": "a:1"}),
        json!({"v": 1, "event": "incident", "time": time, "charge_point": "CP1", "cause": "dropped", "text": "a b"}),
        json!({"v": 1, "event": "refused", "time": time, "address": "a:1", "reason": "unauthorized", "text": "401: x"}),
        json!({"v": 1, "event": "swap", "time": time, "outcome": "failed", "transforms": []}),
        json!({"v": 1, "event": "trial", "time": time, "transform": "q", "outcome": "started"}),
        json!({"v": 1, "event": "trial", "time": time, "transform": "q", "outcome": "failed", "reason": "a b"}),
        json!({"v": 1, "event": "missed", "time": time, "missed": 7}),
        json!({"v": 1, "event": "later", "time": time, "x": 1}),
    ];
    assert_eq!(
        lines(&[], &events),
        [
            "05:00:01.000 watching gateway 0.1.0, without payloads",
            "05:00:01.000 CP1 ▼ sent CALL Reset op {}",
            "05:00:01.000 CP1 ▲ received CALLRESULT Reset op +0.4 ms",
            "! 05:00:01.000 CP1 ▲ received no frame",
            "05:00:01.000 CP1 connected address=a:1 version=ocpp1.6",
            "! 05:00:01.000 CP1 incident cause=dropped a b",
            "! 05:00:01.000 refused address=a:1 reason=unauthorized 401: x",
            "! 05:00:01.000 swap outcome=failed",
            "05:00:01.000 trial outcome=started transform=q",
            "! 05:00:01.000 trial outcome=failed reason=\"a b\" transform=q",
            "! 05:00:01.000 missed 7 lines",
            "05:00:01.000 later x=1",
        ]
    );
}

#[test]
fn trace_is_below_its_message() {
    let mut traced = heartbeat();
    traced["steps"] = json!([step("standard", "mapping", json!({"frame": "[2]"}), json!([{"action": "pass"}]), None)]);
    let expected =
        ["    1. standard, mapping, 3 µs", "       in    [2]", "       out   pass", "    published  ocpp/cp/CP1  {}"];
    assert_eq!(lines(&["--trace"], &[traced])[1..], expected);
}

fn step(transform: &str, hook: &str, input: Value, actions: Value, failure: Option<&str>) -> Value {
    json!({"transform": transform, "version": {"component": "c", "version": "1", "sha256": "00"}, "hook": hook,
        "input": input, "actions": actions, "failure": failure, "time_us": 3.0, "log": []})
}

#[test]
fn json_is_printed_as_the_gateway_sent_it() {
    let odd =
        r#"{"v":1, "event":"message","time": "2026-11-30T05:00:00.123456Z","later":1.50,"charge_point":"Ü\u001b"}"#;
    let text = format!("event: message\ndata: {odd}\n\n:\n\nevent: x\ndata: no JSON\n\n");
    let tapped = tapped(&[], Reply::events(&text, false));
    assert_eq!(tapped.output, format!("{odd}\nno JSON\n"));
    assert_eq!(tapped.notes, "1 message from 1 charge point; 0 missed\n");
}

#[test]
fn options_are_parameters_of_the_request() {
    let options = ["CP*", "--action", "Reset", "--type", "call", "--direction", "UPLINK", "--topic", "a/#", "--trace"];
    let tapped = tapped(&options, Reply::events("", false));
    let line = tapped.request.lines().next().expect("a line");
    let query = "charge_point=CP%2A&action=Reset&type=CALL&direction=uplink&topic=a%2F%23&payload=true&trace=true";
    assert_eq!(line, format!("GET /api/v1/messages?{query} HTTP/1.1"));
}

#[test]
fn request_for_no_payload_has_no_parameters() {
    let tapped = tapped(&["--no-payload"], Reply::events("", false));
    assert!(tapped.request.starts_with("GET /api/v1/messages HTTP/1.1"), "{}", tapped.request);
}

#[test]
fn idle_stream_ends_after_the_chosen_time() {
    let tapped = tapped(&["--for", "300ms"], Reply::events(&stream(&[heartbeat()]), true));
    tapped.result.expect("the chosen end");
    assert_eq!(tapped.output.lines().count(), 1);
    assert_eq!(tapped.notes, "1 message from 1 charge point; 0 missed\n");
}

#[test]
fn stream_ends_after_the_chosen_number_of_messages() {
    let connected = json!({"v": 1, "event": "connected", "charge_point": "CP1"});
    let events = stream(&[heartbeat(), connected, heartbeat(), heartbeat()]);
    let tapped = tapped(&["--count", "2"], Reply::events(&events, true));
    tapped.result.expect("the chosen end");
    assert_eq!(tapped.output.lines().count(), 3);
}

#[test]
fn early_end_of_the_stream_is_a_failure_and_keeps_what_was_printed() {
    let cut = stream(&[heartbeat()]) + "event: message\ndata: {\"v\"";
    let tapped = tapped(&["--for", "1h"], Reply::events(&cut, false));
    assert_eq!(tapped.output, heartbeat().to_string() + "\n");
    let error = tapped.result.expect_err("an early end").to_string();
    assert!(error.contains("the gateway has ended the stream"), "{error}");
}

#[test]
fn missed_lines_are_reported_at_once_and_in_the_end() {
    let missed = |number: u64| json!({"v": 1, "event": "missed", "missed": number});
    let tapped = tapped(&[], Reply::events(&stream(&[missed(1200), heartbeat(), missed(34)]), false));
    let notes: Vec<_> = tapped.notes.lines().collect();
    assert!(notes[0].starts_with("missed 1,200 lines: ") && notes[1].starts_with("missed 34 lines: "), "{notes:?}");
    assert_eq!(notes[2..], ["1 message from 1 charge point; 1,234 missed"]);
}

#[test]
fn refused_payloads_name_the_option_that_does_without() {
    let refusal = || Reply::problem(403, "this gateway shows no payloads");
    let error = tapped(&[], refusal()).result.expect_err("refused").to_string();
    assert!(error.contains("this gateway shows no payloads (403") && error.contains("--no-payload"), "{error}");
    let folder = tempfile::tempdir().expect("a folder");
    for options in [&["--no-payload"][..], &["--fixtures", &folder.path().display().to_string()]] {
        let error = tapped(options, refusal()).result.expect_err("refused").to_string();
        assert!(!error.contains("--no-payload"), "{error}");
    }
    let error = tapped(&[], Reply::problem(503, "too many watchers")).result.expect_err("refused").to_string();
    assert!(error.starts_with("too many watchers (503") && !error.contains("--no-payload"), "{error}");
}

#[test]
fn unusable_options_are_refused() {
    for (options, text) in [
        (&["--for", "10"][..], "time unit needed"),
        (&["--type", "RESULT"], "CALLRESULT"),
        (&["--direction", "up"], "uplink"),
        (&["--count", "0"], "--count"),
        (&["--no-payload", "--trace"], "cannot be used with"),
        (&["--per-kind", "2"], "--fixtures"),
    ] {
        let error = parsed("http://127.0.0.1", options).expect_err(text);
        assert!(error.kind() != ErrorKind::UnknownArgument && error.to_string().contains(text), "{error}");
    }
    let args = parsed("http://127.0.0.1", &["--text", "--json"]).expect("a command line");
    let CtlCommand::Tap(tap) = &args.command else { panic!("{args:?}") };
    let client = args.token.client(&args.url).expect("a client");
    let result = super::run(&client, tap, &mut Output::new(Vec::new(), args.json));
    assert!(matches!(result, Err(CtlError::Usage(_))), "{result:?}");
}

// ---- fixtures -------------------------------------------------------------------------------------------------------

fn peer() -> Peer {
    let identity = Identity::new("CP1", 255).expect("valid");
    let attributes = Attributes::from_iter([("vendor".to_owned(), "ac\"me".to_owned())]);
    Peer { identity, version: Version::V1_6, connection: 1, attributes }
}

fn builtin(name: &str, config: &str, options: LoadOptions) -> TransformHarness {
    let source = format!("builtin:{name}").parse().expect("a source");
    let spec = TransformSpec { name: name.into(), source, config: config.into(), ..TransformSpec::standard() };
    TransformHarness::load(&spec, options).expect("it loads")
}

/// A message that `standard` has really mapped, in both directions.
fn mapped(standard: &TransformHarness, frame: &str) -> [Value; 2] {
    let frame = Frame::parse(frame).expect("a frame");
    let published = standard.to_mqtt(&peer(), &frame).expect("mapped");
    let actions = published.into_iter().map(|publish| message_action(StepInput::Message(publish.into())));
    let uplink = [("mapping", json!({"frame": frame.encode()}), actions.collect::<Value>())];
    let payload = r#"{"MessageTypeId":2,"UniqueId":"7","Action":"Reset","Payload":{"type":"Soft"}}"#;
    let reset = Publish { qos: QoS::AtLeastOnce, ..publish("ocpp/cs/CP1", payload) };
    let frames = standard.from_mqtt(&peer(), &reset).expect("mapped");
    let actions = frames.iter().map(|frame| message_action(StepInput::Frame(frame.encode())));
    let input = json!({"message": MqttMessage::from(reset.clone())});
    let downlink = [("mapping", input, actions.collect::<Value>())];
    let steps = |steps: [(&str, Value, Value); 1]| {
        steps.map(|(hook, input, actions)| step("standard", hook, input, actions, None)).to_vec()
    };
    let (uplink, downlink) = (steps(uplink), steps(downlink));
    let attributes = json!({"vendor": "ac\"me"});
    [
        message(json!({"type": frame.kind.name(), "action": "Heartbeat", "message_id": "1", "attributes": attributes,
            "steps": uplink})),
        message(json!({"direction": "downlink", "type": "CALL", "action": "Reset", "message_id": "7",
            "attributes": attributes, "steps": downlink})),
    ]
}

fn message_action(content: StepInput) -> Value {
    serde_json::to_value(StepAction::Message { content }).expect("JSON")
}

fn publish(topic: &str, payload: &str) -> Publish {
    let (properties, attributes) = (Attributes::default(), Attributes::default());
    Publish { topic: topic.into(), payload: payload.into(), qos: QoS::default(), retain: false, properties, attributes }
}

fn written(events: &[Value], options: &[&str], dir: &Path) -> Tapped {
    let dir = dir.display().to_string();
    tapped(&[&["--fixtures", &dir], options].concat(), Reply::events(&stream(events), false))
}

/// The names of the files of a transform, in order.
fn names(dir: &Path) -> Vec<String> {
    let files = fixture::files(dir).expect("files");
    files.iter().map(|file| file.file_name().expect("a name").to_string_lossy().into_owned()).collect()
}

#[test]
fn written_fixtures_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let standard = builtin("standard", "{}", LoadOptions::default());
    let calls = mapped(&standard, r#"[2,"1","Heartbeat",{"it's":"a \"quote\""}]"#);
    let [answer, _] = mapped(&standard, r#"[3,"1",{"currentTime":"T"}]"#);
    written(&[&calls[..], &[answer]].concat(), &[], folder.path());
    let dir = folder.path().join("standard");
    let expected =
        ["from-mqtt-call-reset-1.toml", "to-mqtt-call-heartbeat-1.toml", "to-mqtt-callresult-heartbeat-1.toml"];
    assert_eq!(names(&dir), expected);
    for file in fixture::files(&dir).expect("files") {
        let fixture = Fixture::read(&file).expect("a fixture");
        assert_eq!(fixture.peer(), peer());
        fixture.check(&standard).unwrap_or_else(|fault| panic!("{fault}"));
    }
    let text = fs::read_to_string(dir.join(expected[2])).expect("a file");
    assert!(text.contains("\naction = \"Heartbeat\"\n"), "{text}");
}

#[test]
fn fixture_has_the_time_of_its_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let actions = json!([{"action": "reply", "payload": r#"{"currentTime":"2026-11-30T05:00:00.123Z"}"#}]);
    let steps = [step("local-heartbeat", "uplink", json!({"frame": r#"[2,"1","Heartbeat",{}]"#}), actions, None)];
    let mut answered = heartbeat();
    answered["steps"] = steps.to_vec().into();
    written(&[answered], &[], folder.path());
    let file = folder.path().join("local-heartbeat/uplink-call-heartbeat-1.toml");
    let text = fs::read_to_string(&file).expect("a file");
    assert_eq!(
        text,
        r#"about = "CALL Heartbeat from CP1, as recorded at 2026-11-30T05:00:00.123456Z."
clock = "2026-11-30T05:00:00.123456Z"
peer = { id = "CP1", protocol = "ocpp1.6" }

[[step]]
hook = "uplink"
frame = '[2,"1","Heartbeat",{}]'
expect = [
    { reply = '{"currentTime":"2026-11-30T05:00:00.123Z"}' },
]
"#
    );
    let fixture = Fixture::read(&file).expect("a fixture");
    let options = LoadOptions { clock: fixture.clock(), ..LoadOptions::default() };
    let transform = builtin("local-heartbeat", r#"{"forward_every_s":0}"#, options);
    fixture.check(&transform).unwrap_or_else(|fault| panic!("{fault}"));
}

#[test]
fn every_action_is_read_back_as_a_fixture() {
    let frame = json!({"frame": r#"[2,"1","Heartbeat",{}]"#});
    let content = json!({"topic": "a'\"b", "qos": 2, "retain": true, "payload": "on\nline"});
    let message_input = json!({"message": content});
    let steps = [
        step(
            "a",
            "uplink",
            frame.clone(),
            json!([{"action": "publish", "message": content}, {"action": "pass"}]),
            None,
        ),
        step("a", "downlink", frame.clone(), json!([{"action": "message", "frame": r#"[2,"1","Reset",{}]"#}]), None),
        step("a", "validation", frame.clone(), json!([{"action": "pass"}]), None),
        step("a", "outbound", message_input.clone(), json!([{"action": "message", "message": content}]), None),
        step("a", "inbound", message_input, json!([{"action": "drop", "reason": "why"}]), None),
        step(
            "b",
            "uplink",
            frame,
            json!([{"action": "reject", "code": "c", "description": "d", "details": "{}"}]),
            None,
        ),
    ];
    let mut traced = heartbeat();
    traced["steps"] = steps.to_vec().into();
    let folder = tempfile::tempdir().expect("a folder");
    let tapped = written(&[traced], &[], folder.path());
    assert!(tapped.notes.contains("6 fixtures in "), "{}", tapped.notes);
    assert_eq!((names(&folder.path().join("a")).len(), names(&folder.path().join("b")).len()), (5, 1));
}

#[test]
fn fixtures_are_few_of_a_kind_and_replace_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let frame = || json!({"frame": r#"[2,"1","Heartbeat",{}]"#});
    let mut traced = heartbeat();
    let bytes = json!({"message": {"topic": "a", "qos": 1, "retain": false, "payload_base64": "/w=="}});
    traced["steps"] = json!([
        step("a/b", "uplink", frame(), json!([{"action": "pass"}]), None),
        step("a/b", "uplink", frame(), json!([]), Some("trapped")),
        step("a/b", "outbound", bytes, json!([{"action": "pass"}]), None),
    ]);
    let dir = folder.path().join("a%2Fb");
    fs::create_dir(&dir).expect("a folder");
    fs::write(dir.join("uplink-call-heartbeat-2.toml"), "mine").expect("written");
    let tapped = written(&[traced.clone(), traced.clone(), traced], &["--per-kind", "2"], folder.path());
    let numbers = [1, 2, 3].map(|number| format!("uplink-call-heartbeat-{number}.toml"));
    assert_eq!(names(&dir), numbers);
    assert_eq!(fs::read_to_string(dir.join(&numbers[1])).expect("a file"), "mine");
    let summary = tapped.notes.lines().last().expect("a summary");
    assert!(
        summary.starts_with("2 fixtures in ")
            && summary.contains("3 calls that failed")
            && summary.contains("3 calls with content"),
        "{summary}"
    );
}

#[test]
fn folder_that_cannot_be_made_is_a_failure_before_the_request() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().join("x").display().to_string();
    let args = parsed("http://127.0.0.1:1", &["--fixtures", &path]).expect("a command line");
    let CtlCommand::Tap(tap) = &args.command else { panic!("{args:?}") };
    let tap: &TapArgs = tap;
    let client = args.token.client(&args.url).expect("a client");
    let result = super::run(&client, tap, &mut Output::new(Vec::new(), false));
    assert!(matches!(result, Err(CtlError::File { .. })), "{result:?}");
}
