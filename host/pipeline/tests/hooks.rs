//! A transform with every hook (`guest-sdk/tests/guests/every_hook.rs`), one of which misbehaves: `on_error` decides
//! how the message is handled, and the next message is not affected.

mod common;

use common::{frame, log_of, peer, spec};
use ocpp_gateway_core::{Attributes, Decision, Offer, Publish};
use ocpp_gateway_pipeline::{
    Answer, Cause, DownlinkOutcome, Failure, GuestFault, IllegalOutput, Limits, LoadError, LoadFault, LoadOptions,
    Message, NotMapped, OnError, Pipeline, TransformIncident, TransformSpec, UplinkOutcome, Validation,
    ValidationPoint,
};
use ocpp_gateway_testkit::guest;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// The events for which transforms are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Admission,
    Connected,
    Disconnected,
    /// A CALL from the charge point.
    Call,
    /// A CALLRESULT from the charge point.
    CallResult,
    /// A CALL from a back end.
    BackEndCall,
    /// A CALLRESULT from a back end.
    BackEndResult,
}
use Occasion::*;

/// The outcome where a hook fails: with `on_error` = reject, bypass and drop.
const OUTCOMES: [(&str, Occasion, [&str; 3]); 13] = [
    ("admission", Admission, ["refused: 503", "let in", "refused: 503"]),
    ("events", Connected, ["", "", ""]),
    ("events", Disconnected, ["", "", ""]),
    ("validation", Call, ["answered: InternalError", "published: Heartbeat", ""]),
    ("validation", CallResult, ["published: InternalError", "published: Accepted", ""]),
    ("validation", BackEndCall, ["published: InternalError", "sent: Reset", ""]),
    ("uplink", Call, ["answered: InternalError", "published: Heartbeat", ""]),
    ("uplink", CallResult, ["published: InternalError", "published: Accepted", ""]),
    ("outbound", Call, ["answered: InternalError", "published: Heartbeat", ""]),
    ("inbound", BackEndCall, ["not mapped: internal", "sent: Reset", ""]),
    ("inbound", BackEndResult, ["not mapped: internal", "sent: currentTime", ""]),
    ("downlink", BackEndCall, ["published: InternalError", "sent: Reset", ""]),
    ("downlink", BackEndResult, ["sent: InternalError", "sent: currentTime", ""]),
];

/// The first occasion for a hook, and its outcome: without a failure, and where a failure rejects it.
fn occasion(hook: &str) -> (Occasion, &'static str, &'static str) {
    let outcome = OUTCOMES.iter().find(|(of, ..)| *of == hook).expect("a hook");
    let (_, occasion, [rejected, normal, _]) = *outcome;
    (occasion, normal, rejected)
}

/// A transform whose `hook` misbehaves for charge points that are named `BAD…`; `does` says how.
fn misbehaving(hook: &str, does: &str) -> TransformSpec {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| guest::build("every_hook", env!("CARGO_TARGET_TMPDIR")));
    TransformSpec { config: json!({ "hook": hook, "does": does }).to_string(), ..spec(path.clone()) }
}

fn load(specs: Vec<TransformSpec>) -> Pipeline {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    Pipeline::load_in(specs, LoadOptions { cache: Some(cache), ..LoadOptions::default() }).expect("it loads")
}

/// The outcome of an occasion, in words, and the causes of its incidents.
fn outcome_of(pipeline: &Pipeline, id: &str, occasion: Occasion) -> (String, Vec<Cause>) {
    let (words, incidents) = match occasion {
        Admission => {
            let (decision, incidents) = pipeline.admit(&offer(id));
            (vec![decided(&decision)], incidents)
        }
        Connected => uplinked(pipeline.connected(&pipeline.newest(), &peer(id))),
        Disconnected => uplinked(pipeline.disconnected(&pipeline.newest(), &peer(id), "gone")),
        Call => uplinked(pipeline.uplink(&pipeline.newest(), &peer(id), &frame(r#"[2,"1","Heartbeat",{}]"#))),
        CallResult => {
            uplinked(pipeline.uplink(&pipeline.newest(), &peer(id), &frame(r#"[3,"7",{"status":"Accepted"}]"#)))
        }
        BackEndCall => {
            from_back_end(pipeline, id, r#"{"MessageTypeId":2,"UniqueId":"7","Action":"Reset","Payload":{}}"#)
        }
        BackEndResult => {
            from_back_end(pipeline, id, r#"{"MessageTypeId":3,"UniqueId":"1","Payload":{"currentTime":"now"}}"#)
        }
    };
    for TransformIncident { transform, .. } in &incidents {
        assert_eq!(&**transform, "under test");
    }
    (words.join(", "), incidents.into_iter().map(|incident| incident.cause).collect())
}

fn offer(id: &str) -> Offer {
    Offer {
        identity: peer(id).identity,
        remote_address: "127.0.0.1:1".into(),
        path: format!("/ocpp/{id}"),
        protocols: vec!["ocpp1.6".into()],
        headers: Attributes::new(),
        user: None,
        attributes: Attributes::new(),
    }
}

fn decided(decision: &Decision) -> String {
    match decision {
        Decision::Accept(attributes) if attributes.is_empty() => "let in".into(),
        Decision::Accept(attributes) => format!("let in: {attributes:?}"),
        Decision::Refuse { status, .. } => format!("refused: {status}"),
    }
}

fn uplinked(
    UplinkOutcome { publishes, answer, incidents, .. }: UplinkOutcome,
) -> (Vec<String>, Vec<TransformIncident>) {
    let answered = answer.map(|answer| match answer {
        Answer::Result(payload) => format!("answered: {payload}"),
        Answer::Error(error) | Answer::ResultError(error) => format!("answered: {}", error.code),
    });
    (published(&publishes).chain(answered).collect(), incidents)
}

fn from_back_end(pipeline: &Pipeline, id: &str, text: &str) -> (Vec<String>, Vec<TransformIncident>) {
    let publish = Publish { topic: format!("ocpp/cs/{id}"), payload: text.into(), ..Publish::default() };
    let DownlinkOutcome { frames, publishes, not_mapped, incidents, .. } =
        pipeline.downlink(&pipeline.newest(), &peer(id), &Message::from(&publish), Default::default());
    let sent = frames.iter().map(|frame| format!("sent: {}", gist(&frame.encode())));
    let not_mapped = not_mapped.map(|NotMapped { fault, .. }| format!("not mapped: {}", fault.name()));
    (published(&publishes).chain(sent).chain(not_mapped).collect(), incidents)
}

fn published(publishes: &[Publish]) -> impl Iterator<Item = String> {
    publishes.iter().map(|publish| format!("published: {}", gist(&String::from_utf8_lossy(&publish.payload))))
}

/// The error code, the action or the word of a payload that a text has; the whole text if it has none of these.
fn gist(text: &str) -> String {
    let words = ["InternalError", "SecurityError", "Heartbeat", "Reset", "Accepted", "currentTime", "the edge"];
    words.into_iter().find(|word| text.contains(word)).unwrap_or(text).to_owned()
}

fn fault(causes: &[Cause]) -> &GuestFault {
    match causes {
        [Cause::Failed(Failure::Guest(fault))] => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn on_error_decides_how_a_failed_message_is_handled() {
    for (hook, occasion, outcomes) in OUTCOMES {
        for (on_error, outcome) in [OnError::Reject, OnError::Bypass, OnError::Drop].into_iter().zip(outcomes) {
            for does in ["panic", "loop"] {
                let case = format!("{hook}, {occasion:?}, {does}, {on_error:?}");
                let pipeline = load(vec![TransformSpec { on_error, ..misbehaving(hook, does) }]);
                let (words, causes) = outcome_of(&pipeline, "BAD1", occasion);
                assert_eq!(words, outcome, "{case}");
                match fault(&causes) {
                    GuestFault::Trap(backtrace) => {
                        assert!(does == "panic" && backtrace.contains("every_hook"), "{case}")
                    }
                    GuestFault::Deadline { limit } => {
                        assert!(does == "loop" && *limit == Duration::from_millis(20), "{case}")
                    }
                    other => panic!("{case}: {other}"),
                }
                let [_, normal, _] = outcomes;
                assert_eq!(
                    outcome_of(&pipeline, "GOOD1", occasion),
                    (normal.to_owned(), vec![]),
                    "{case}: a fresh instance"
                );
            }
        }
    }
}

#[test]
fn transform_with_a_hook_that_fails_on_samples_is_not_loaded() {
    for hook in ["uplink", "downlink", "outbound", "inbound", "admission", "events", "validation"] {
        for does in ["panic", "loop"] {
            let config = json!({ "hook": hook, "does": does, "to": "" }).to_string();
            let errors = Pipeline::load(vec![TransformSpec { config, ..misbehaving(hook, does) }]);
            let errors = errors.err().unwrap_or_else(|| panic!("{hook}, {does}: it loads"));
            let [LoadError { fault: LoadFault::Sample(Failure::Guest(fault)), .. }] = &errors[..] else {
                panic!("{hook}, {does}: {errors:?}")
            };
            assert_eq!(matches!(fault, GuestFault::Trap(_)), does == "panic", "{hook}: {fault}");
        }
    }
}

#[test]
fn costly_schema_is_refused_and_costly_payload_is_a_failure() {
    for (does, reason) in [
        ("double forty times", "cannot be used: more than 64 levels"),
        ("double with each level", "validating a payload may take more than"),
    ] {
        let errors = Pipeline::load(vec![misbehaving("", does)]).err().unwrap_or_else(|| panic!("{does}: it loads"));
        let [LoadError { fault: fault @ LoadFault::Schema(_), .. }] = &errors[..] else { panic!("{does}: {errors:?}") };
        assert!(fault.to_string().contains(reason), "{does}: {fault}");
    }
    let nested = r#"{"next":"#.repeat(60) + "{}" + &"}".repeat(60);
    let call = format!(r#"[2,"1","DataTransfer",{nested}]"#);
    for (on_error, outcome) in
        [(OnError::Reject, "answered"), (OnError::Bypass, "published"), (OnError::Drop, "nothing")]
    {
        let does = misbehaving("", "double with each level of the payload");
        let pipeline = load(vec![TransformSpec { on_error, ..does }]);
        let of = |id: &str, call: &str| uplinked(pipeline.uplink(&pipeline.newest(), &peer(id), &frame(call)));
        let harmless = || of("CP2", r#"[2,"1","DataTransfer",{"next":{}}]"#);
        assert_eq!(harmless().1, []);
        // After ten failures it is stopped.
        for _ in 0..10 {
            let (words, incidents) = of("CP1", &call);
            assert!(words.first().map_or("nothing", String::as_str).starts_with(outcome), "{on_error:?}: {words:?}");
            let causes: Vec<_> = incidents.into_iter().map(|incident| incident.cause).collect();
            assert!(matches!(fault(&causes), GuestFault::Schema(_)), "{causes:?}");
        }
        assert_eq!(pipeline.transforms()[0].stopped_charge_points, 1);
        assert_eq!(harmless().1, []);
    }
}

#[test]
fn a_frame_is_answered_under_the_id_that_its_sender_knows() {
    let renaming = TransformSpec { name: "renaming".into(), ..misbehaving("downlink", "rename") };
    let call = r#"{"MessageTypeId":2,"UniqueId":"7","Action":"Reset","Payload":{}}"#;
    // The one that is named last is called first downlink.
    for (does, about) in [("reject", "ErrorCode"), ("panic", "ErrorCode"), ("reply", "the edge")] {
        let after = TransformSpec { name: "after".into(), ..misbehaving("downlink", does) };
        let pipeline = load(vec![after, renaming.clone()]);
        let publish = Publish { topic: "ocpp/cs/BAD1".into(), payload: call.into(), ..Publish::default() };
        let DownlinkOutcome { publishes, frames, .. } =
            pipeline.downlink(&pipeline.newest(), &peer("BAD1"), &Message::from(&publish), Default::default());
        let [answer] = &publishes[..] else { panic!("{does}: {publishes:?}") };
        let answer = String::from_utf8_lossy(&answer.payload);
        assert!(
            frames.is_empty() && answer.contains(r#""UniqueId":"7""#) && answer.contains(about),
            "{does}: {answer}"
        );
    }

    // The charge point gets the new id, and the session knows the other one.
    let pipeline = load(vec![renaming]);
    let publish = Publish { topic: "ocpp/cs/BAD1".into(), payload: call.into(), ..Publish::default() };
    let DownlinkOutcome { frames, .. } =
        pipeline.downlink(&pipeline.newest(), &peer("BAD1"), &Message::from(&publish), Default::default());
    assert_eq!((&*frames[0].id, frames[0].back_end_id()), ("new-7", Some("7")));

    // A stage may fail on the charge point's answer before another one restores its id.
    let pipeline = load(vec![misbehaving("uplink", "panic")]);
    let mut result = frame(r#"[3,"new-7",{"status":"Accepted"}]"#);
    result.attributes.push(("back-end-message-id".into(), "7".into()));
    let UplinkOutcome { publishes, .. } = pipeline.uplink(&pipeline.newest(), &peer("BAD1"), &result);
    let error = String::from_utf8_lossy(&publishes[0].payload);
    assert!(error.contains(r#""UniqueId":"7","ErrorCode":"InternalError""#), "{error}");
}

#[test]
fn rejected_message_discards_the_other_messages_of_its_frame() {
    // One frame becomes two messages, and the next stage fails on the second.
    let twice = TransformSpec { name: "twice".into(), ..misbehaving("outbound", "publish twice") };
    let breaking = TransformSpec { name: "breaking".into(), ..misbehaving("outbound", "panic on the second") };
    let pipeline = load(vec![twice.clone(), breaking.clone()]);
    let UplinkOutcome { publishes, answer, .. } =
        pipeline.uplink(&pipeline.newest(), &peer("BAD1"), &frame(r#"[2,"1","Heartbeat",{}]"#));
    assert_eq!(publishes, []);
    assert!(matches!(answer, Some(Answer::Error(error)) if error.code == "InternalError"));

    // A message that a stage publishes beside a frame is not part of it.
    let extra = TransformSpec { name: "extra".into(), ..misbehaving("uplink", "publish a second") };
    let pipeline = load(vec![extra, breaking]);
    let call = frame(r#"[2,"1","Heartbeat",{}]"#);
    let UplinkOutcome { publishes, answer, incidents, .. } = pipeline.uplink(&pipeline.newest(), &peer("BAD1"), &call);
    assert_eq!((publishes.len(), answer, incidents.len()), (1, None, 1));
}

/// Such a CALL gets no answer, so it must not stay open.
#[test]
fn frame_is_dropped_if_no_answer_to_it_is_possible() {
    for (hook, does, on_error, is_dropped) in [
        ("uplink", "pass", OnError::Reject, false),
        ("uplink", "drop", OnError::Reject, true),
        ("uplink", "nothing", OnError::Reject, true),
        ("uplink", "reply", OnError::Reject, false),
        ("uplink", "reject", OnError::Reject, false),
        ("uplink", "panic", OnError::Reject, false),
        ("uplink", "panic", OnError::Bypass, false),
        ("uplink", "panic", OnError::Drop, true),
        ("outbound", "drop", OnError::Reject, true),
        ("outbound", "panic", OnError::Drop, true),
        ("outbound", "publish twice", OnError::Reject, false),
    ] {
        let pipeline = load(vec![TransformSpec { on_error, ..misbehaving(hook, does) }]);
        let uplink = pipeline.uplink(&pipeline.newest(), &peer("BAD1"), &frame(r#"[2,"1","Heartbeat",{}]"#));
        assert_eq!(uplink.is_dropped, is_dropped, "{hook} {does} {on_error:?}: {uplink:?}");
    }
}

#[test]
fn message_of_the_mapping_is_distinguished_from_extra_messages() {
    let extra = TransformSpec { name: "extra".into(), ..misbehaving("uplink", "publish a second") };
    let twice = TransformSpec { name: "twice".into(), ..misbehaving("outbound", "publish twice") };
    for (transforms, count, mapped) in
        [(vec![], 1, Some("ocpp/cp/BAD1")), (vec![extra], 2, Some("ocpp/cp/BAD1")), (vec![twice], 2, None)]
    {
        let pipeline = load(transforms);
        let UplinkOutcome { publishes, mapped: index, .. } =
            pipeline.uplink(&pipeline.newest(), &peer("BAD1"), &frame(r#"[2,"1","Heartbeat",{}]"#));
        let topic = index.map(|index| publishes[index].topic.as_str());
        assert_eq!((publishes.len(), topic), (count, mapped), "{publishes:?}");
    }
}

#[test]
fn log_lines_of_a_hook_name_the_transform_and_the_charge_point() {
    for (hook, occasion, [_, normal, _]) in OUTCOMES {
        for (does, said) in [("panic", "no such luck"), ("log", "odd")] {
            let pipeline = load(vec![misbehaving(hook, does)]);
            let log = log_of(|| {
                let (words, causes) = outcome_of(&pipeline, "BAD1", occasion);
                assert!(does == "panic" || (words == normal && causes.is_empty()), "{hook}: {words} {causes:?}");
            });
            let lines: Vec<_> = log.lines().filter(|line| line.contains(said)).collect();
            assert_eq!(lines.len(), 1, "{hook}: {log}");
            let action = if occasion == Call { "Heartbeat" } else { "" };
            for part in ["under test", "BAD1", "version", action] {
                assert!(lines[0].contains(part), "{hook}: no {part} in {}", lines[0]);
            }
        }
    }
}

#[test]
fn illegal_answers_of_a_hook_are_failures() {
    use IllegalOutput::*;
    let publishing = ["uplink", "downlink", "outbound", "inbound", "events"].as_slice();
    let framing = ["uplink", "downlink"].as_slice();
    for (hooks, does, illegal) in [
        (publishing, "publish with a wildcard", TopicCharacter('#')),
        (publishing, "publish with a NUL", TopicCharacter('\0')),
        (publishing, "publish without a topic", EmptyTopic),
        (publishing, "publish with a long topic", LongTopic(70_000)),
        (publishing, "publish with many attributes", TooManyAttributes { count: 129, limit: 128 }),
        (framing, "replace with many attributes", TooManyAttributes { count: 129, limit: 128 }),
        (&["admission"], "accept with 12000 attributes", TooManyAttributes { count: 12_000, limit: 128 }),
        (framing, "replace with a list", Payload),
        (framing, "replace without an id", MessageId(0)),
        (framing, "replace without an action", NoAction),
        (framing, "reply with a list", Payload),
        (&["uplink", "downlink", "validation"], "reject without a code", NoErrorCode),
        (&["admission"], "refuse with 200", Status(200)),
    ] {
        for hook in hooks {
            let (occasion, normal, rejected) = occasion(hook);
            let pipeline = load(vec![misbehaving(hook, does)]);
            let (words, causes) = outcome_of(&pipeline, "BAD1", occasion);
            assert_eq!(
                (words.as_str(), fault(&causes)),
                (rejected, &GuestFault::Output(illegal.clone())),
                "{hook}: {does}"
            );
            assert_eq!(outcome_of(&pipeline, "GOOD1", occasion), (normal.to_owned(), vec![]), "{hook}: {does}");
        }
    }
}

#[test]
fn outbound_transforms_see_the_origin_of_a_message_as_attributes() {
    let first = TransformSpec { name: "first".into(), ..misbehaving("outbound", "replace with the attributes") };
    let second = TransformSpec { name: "second".into(), ..misbehaving("outbound", "replace with the attributes") };
    let call = frame(r#"[2,"17","Heartbeat",{}]"#);
    let attributes = |specs: &[&TransformSpec]| {
        let pipeline = load(specs.iter().map(|spec| (*spec).clone()).collect());
        let publishes = pipeline.uplink(&pipeline.newest(), &peer("BAD1"), &call).publishes;
        String::from_utf8(publishes[0].payload.clone()).expect("text")
    };
    let own = r#"("charge-point", "BAD1"), ("message-id", "17")"#;
    let kind = r#"("type", "CALL")"#;
    assert_eq!(attributes(&[&first]), format!(r#"[("action", "Heartbeat"), {own}, {kind}]"#));
    // A second stage sees what the first one has set, but not in the place of the gateway's own.
    let seen = attributes(&[&first, &second]);
    assert_eq!(seen, format!(r#"[("action", "Heartbeat"), {own}, ("own", "1"), {kind}]"#));
}

#[test]
fn errors_of_a_hook_are_cut_to_the_lengths_of_the_specification() {
    let pipeline = load(vec![misbehaving("uplink", "reject at length")]);
    let UplinkOutcome { answer, .. } =
        pipeline.uplink(&pipeline.newest(), &peer("BAD1"), &frame(r#"[2,"1","Heartbeat",{}]"#));
    let Some(Answer::Error(error)) = answer else { panic!("{answer:?}") };
    assert_eq!((&*error.code, &*error.description), (&*"é".repeat(50), &*"ä".repeat(255)));

    let pipeline = load(vec![misbehaving("admission", "refuse at length")]);
    let (decision, _) = pipeline.admit(&offer("BAD1"));
    assert_eq!(decision, Decision::Refuse { status: 403, reason: "ä".repeat(255) });
}

#[test]
fn metrics_with_many_labels_are_refused_and_the_message_goes_on() {
    let pipeline = load(vec![misbehaving("uplink", "count with many labels")]);
    assert_eq!(outcome_of(&pipeline, "BAD1", Call), ("published: Heartbeat".to_owned(), vec![]));
    let status = pipeline.transforms().remove(0);
    assert_eq!((status.readings, status.readings_refused), (vec![], 1));
    // A spare instance for each thread was configured.
    let pipeline = load(vec![misbehaving("", "count with many labels while configured")]);
    let status = pipeline.transforms().remove(0);
    assert!(status.readings.is_empty() && status.readings_refused > 0, "{status:?}");
}

#[test]
fn decisions_of_a_hook_are_not_failures() {
    let (security, rule) = ("rejected: SecurityError: not today", "breaks a rule: SecurityError: not today");
    let (nothing, no_reason) = ("dropped: answered with an empty list", "dropped: no reason");
    for (hook, occasion, does, outcome, cause) in [
        ("uplink", Call, "reply", "answered: {\"from\":\"the edge\"}", ""),
        ("uplink", CallResult, "reply", "", "dropped: replied to a CALLRESULT, which is never answered"),
        ("uplink", Call, "reject", "answered: SecurityError", security),
        ("uplink", CallResult, "reject", "published: SecurityError", security),
        ("uplink", Call, "drop", "", no_reason),
        ("uplink", Call, "nothing", "", nothing),
        ("uplink", Call, "publish the attributes", "published: [], published: Heartbeat", ""),
        ("downlink", BackEndCall, "reply", "published: the edge", ""),
        ("downlink", BackEndResult, "reply", "", "dropped: replied to a CALLRESULT, which is never answered"),
        ("downlink", BackEndCall, "reject", "published: SecurityError", security),
        ("downlink", BackEndResult, "reject", "sent: SecurityError", security),
        ("downlink", BackEndCall, "drop", "", no_reason),
        ("downlink", BackEndCall, "nothing", "", nothing),
        ("downlink", BackEndCall, "publish the attributes", "published: [], sent: Reset", ""),
        ("outbound", Call, "drop", "", no_reason),
        ("outbound", Call, "nothing", "", nothing),
        ("outbound", Call, "publish the attributes", "published: []", ""),
        ("inbound", BackEndCall, "drop", "", no_reason),
        ("inbound", BackEndCall, "nothing", "", nothing),
        ("inbound", BackEndCall, "publish the attributes", "not mapped: not_understood", ""),
        ("validation", Call, "reject", "answered: SecurityError", rule),
        ("validation", CallResult, "reject", "published: SecurityError", rule),
        ("validation", BackEndCall, "reject", "published: SecurityError", rule),
        ("validation", BackEndResult, "reject", "sent: SecurityError", rule),
        ("events", Connected, "publish the attributes", "published: []", ""),
        ("events", Disconnected, "publish the attributes", "published: []", ""),
        ("admission", Admission, "refuse", "refused: 403", ""),
        ("admission", Admission, "name the vendor", "let in: [(\"vendor\", \"acme\")]", ""),
    ] {
        let pipeline = load(vec![misbehaving(hook, does)]);
        let (words, causes) = outcome_of(&pipeline, "BAD1", occasion);
        let causes = causes.iter().map(Cause::to_string).collect::<Vec<_>>().join(", ");
        assert_eq!((words.as_str(), causes.as_str()), (outcome, cause), "{hook}, {occasion:?}: {does}");
        assert_eq!(pipeline.transforms()[0].failures, 0, "{hook}, {occasion:?}: {does}");
    }
}

#[test]
fn frames_of_charge_points_are_validated_at_the_configured_point() {
    use ValidationPoint::{AfterTransforms, Arrival};
    let (right, quirk, violation) = ("{}", r#"{"quirk":1}"#, "answered: FormationViolation");
    for (does, payload, at, outcome) in [
        ("mend", quirk, AfterTransforms, "published: Heartbeat"),
        ("mend", quirk, Arrival, violation),
        ("spoil", right, AfterTransforms, violation),
        ("spoil", right, Arrival, "published: Heartbeat"),
        ("reply", quirk, AfterTransforms, r#"answered: {"from":"the edge"}"#),
        ("reply", quirk, Arrival, violation),
        ("pass", quirk, AfterTransforms, violation),
        ("pass", quirk, Arrival, violation),
    ] {
        let options = LoadOptions {
            cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
            validation: Validation { at, uplink: true, ..Validation::default() },
            ..LoadOptions::default()
        };
        let pipeline = Pipeline::load_in(vec![misbehaving("uplink", does)], options).expect("it loads");
        let call = format!(r#"[2,"1","Heartbeat",{payload}]"#);
        let (words, incidents) = uplinked(pipeline.uplink(&pipeline.newest(), &peer("BAD1"), &frame(&call)));
        assert_eq!(words, [outcome], "{does} {payload} {at:?}");
        assert_eq!(incidents.len(), usize::from(outcome == violation), "{does} {payload} {at:?}: {incidents:?}");
    }
}

#[test]
fn state_of_a_transform_is_limited_and_takes_no_room_from_others() {
    let limits = Limits { time: Some(Duration::from_secs(30)), ..Limits::default() };
    let many =
        TransformSpec { limits: Limits { state_keys: 100, ..limits }, ..misbehaving("uplink", "keep many values") };
    let large = TransformSpec {
        name: "beside it".into(),
        limits: Limits { state_bytes: 10 * (5 + 1_000) + 999, ..limits },
        ..misbehaving("uplink", "keep large values")
    };
    let huge = TransformSpec {
        name: "behind it".into(),
        limits: Limits { state_bytes: 5 + 2_000_000 - 1, ..limits },
        ..misbehaving("uplink", "keep a huge value")
    };
    let roomy = TransformSpec {
        name: "at the end".into(),
        limits: Limits { state_bytes: 5 + 2_000_000, ..limits },
        ..huge.clone()
    };
    let pipeline = load(vec![many, large, huge, roomy]);
    let kept = "published: 100 kept, published: 10 kept, published: 0 kept, published: 1 kept, published: Heartbeat";
    // The second time, every value replaces itself.
    for _ in 0..2 {
        assert_eq!(outcome_of(&pipeline, "BAD1", Call), (kept.to_owned(), vec![]));
    }
    assert_eq!(outcome_of(&pipeline, "GOOD1", Call), ("published: Heartbeat".to_owned(), vec![]));
}

#[test]
fn hook_that_fails_repeatedly_for_a_charge_point_is_stopped_for_it() {
    for (hook, occasion, [_, normal, _]) in OUTCOMES {
        let pipeline = load(vec![TransformSpec { on_error: OnError::Bypass, ..misbehaving(hook, "panic") }]);
        assert_eq!(outcome_of(&pipeline, "GOOD1", occasion), (normal.to_owned(), vec![]), "{hook}");
        let log = log_of(|| {
            for _ in 0..10 {
                let (words, causes) = outcome_of(&pipeline, "BAD1", occasion);
                assert!(words == normal && matches!(fault(&causes), GuestFault::Trap(_)), "{hook}: {words} {causes:?}");
            }
        });
        assert_eq!(log.matches("fails for most messages of a charge point").count(), 1, "{hook}: {log}");
        let (words, causes) = outcome_of(&pipeline, "BAD1", occasion);
        assert!(
            words == normal && matches!(fault(&causes), GuestFault::Stopped { for_all: false, .. }),
            "{hook}: {words} {causes:?}"
        );
        assert_eq!(outcome_of(&pipeline, "GOOD1", occasion), (normal.to_owned(), vec![]), "{hook}");
        let status = pipeline.transforms().remove(0);
        assert_eq!((status.failures, status.stopped, status.stopped_charge_points), (10, false, 1), "{hook}");
    }
}
