//! Differences between outcomes, in groups.

use super::differences::{self, DifferenceSink, OldAndNew};
use super::groups::{Groups, MAX_GROUPS};
use super::report;
use crate::recording::{NextLine, Reader};
use ocpp_gateway_core::{CallError, Fault, Frame, Publish, QoS};
use ocpp_gateway_pipeline::{Answer, Cause, Failure, GuestFault, NotMapped, TransformIncident, TryOutcome};
use std::time::Duration;

/// A line of a recording with a CALL.
fn call(charge_point: &str, action: &str) -> String {
    let line = serde_json::json!({
        "v": 1, "event": "message", "time": "2026-11-30T05:00:00Z", "charge_point": charge_point,
        "version": "ocpp1.6", "direction": "uplink", "type": "CALL", "action": action,
        "frame": format!(r#"[2,"1","{action}",{{}}]"#),
    });
    line.to_string() + "\n"
}

fn nothing() -> TryOutcome {
    TryOutcome {
        steps: Vec::new(),
        publishes: Vec::new(),
        frames: Vec::new(),
        answer: None,
        not_mapped: None,
        incidents: Vec::new(),
    }
}

fn publish(topic: &str, payload: &str) -> Publish {
    Publish { topic: topic.into(), payload: payload.into(), ..Publish::default() }
}

fn published(publishes: &[Publish]) -> TryOutcome {
    TryOutcome { publishes: publishes.to_vec(), ..nothing() }
}

fn payload(text: &str) -> TryOutcome {
    published(&[publish("a", text)])
}

fn sent(frames: &[&'static str]) -> TryOutcome {
    let frame = |text: &&'static str| Frame::parse(text).expect("a frame").into_owned();
    TryOutcome { frames: frames.iter().map(frame).collect(), ..nothing() }
}

/// By a transform of this name.
fn incident(transform: &str, cause: Cause) -> TryOutcome {
    let incident = TransformIncident { transform: transform.into(), version: "1".into(), cause };
    TryOutcome { incidents: vec![incident], ..nothing() }
}

fn answered(answer: Answer) -> TryOutcome {
    TryOutcome { answer: Some(answer), ..nothing() }
}

/// All differences, as `kind: old → new`.
fn found(old: &TryOutcome, new: &TryOutcome) -> Vec<String> {
    #[derive(Default)]
    struct Found(Vec<String>);
    impl DifferenceSink for Found {
        fn note(&mut self, kind: &str, example: &dyn Fn() -> OldAndNew) {
            let OldAndNew { old, new } = example();
            self.0.push(format!("{kind}: {old} → {new}"));
        }
    }
    let mut found = Found::default();
    if !differences::is_same(old, new) {
        differences::find(old, new, &mut found);
    }
    found.0
}

#[test]
fn payloads_are_compared_as_json_by_value() {
    let old = payload(r#"{"v":1.0,"list":[{"x":"1"},{"x":"2"}],"gone":null}"#);
    assert_eq!(found(&old, &payload(r#"{ "list": [{"x":"1"}, {"x":"2"}], "v": 1, "gone": null }"#)), [""; 0]);
    assert_eq!(
        found(&old, &payload(r#"{"v":1.5,"list":[{"x":"1"},{"x":3}],"more":{}}"#)),
        [
            "payload /gone is missing: null → ",
            "payload /list/*/x: \"2\" → 3",
            "payload /v: 1 → 1.5",
            "payload /more is new:  → {}"
        ]
    );
    assert_eq!(found(&payload("on line"), &payload("{}")), ["payload: on line → {}"]);
    assert_eq!(found(&payload("1"), &payload("[1]")), ["payload: 1 → [1]"]);
}

#[test]
fn topic_qos_and_retain_are_compared() {
    let other = Publish { qos: QoS::ExactlyOnce, retain: true, ..publish("b", "{}") };
    assert_eq!(
        found(&published(&[publish("a", "{}")]), &published(&[other])),
        ["topic: a → b", "qos: 1 → 2", "retain: false → true"]
    );
}

#[test]
fn missing_additional_and_reordered_messages_are_told() {
    let (a, b) = (publish("a", "1"), publish("b", "2"));
    let both = published(&[a.clone(), b.clone()]);
    let only_b = published(std::slice::from_ref(&b));
    assert_eq!(found(&both, &only_b), ["not published any more: a  1 → "]);
    assert_eq!(found(&only_b, &both), ["published in addition:  → a  1"]);
    assert_eq!(found(&both, &published(&[b, a])), ["published in another order: a, b → b, a"]);
    assert_eq!(found(&both, &nothing()).len(), 2);
}

#[test]
fn frames_are_compared_by_their_parts() {
    let old = sent(&[r#"[2,"1","Reset",{"type":"Soft"}]"#, r#"[4,"2","GenericError","",{}]"#]);
    let new = sent(&[r#"[2,"7","Reset",{"type":"Hard"}]"#, r#"[4,"2","InternalError","no",{}]"#]);
    assert_eq!(
        found(&old, &new),
        [
            "frame: message id: 1 → 7",
            "frame /type: \"Soft\" → \"Hard\"",
            "frame: error code: GenericError → InternalError",
            "frame: error description:  → no"
        ]
    );
    assert_eq!(
        found(&old, &sent(&[r#"[2,"1","Reset",{"type":"Soft"}]"#])),
        [r#"not sent any more: [4,"2","GenericError","",{}] → "#]
    );
}

#[test]
fn answers_are_compared() {
    let result = |payload: &str| answered(Answer::Result(payload.into()));
    let error = |code: &'static str| {
        answered(Answer::Error(CallError { code: code.into(), description: "no".into(), details: "{}".into() }))
    };
    assert_eq!(found(&nothing(), &result("{}")), ["answered:  → {}"]);
    assert_eq!(found(&result("{}"), &nothing()), ["no longer answered: {} → "]);
    assert_eq!(found(&result(r#"{"a":1}"#), &result(r#"{"a":2}"#)), ["answer /a: 1 → 2"]);
    assert_eq!(found(&error("A"), &error("B")), ["answer: error code: A → B"]);
    assert_eq!(found(&result("{}"), &error("A")), ["answer of another type: {} → A: no"]);
}

#[test]
fn message_that_is_dropped_rejected_or_fails_has_one_difference() {
    let old = published(&[publish("a", "1"), publish("b", "2")]);
    let with_error = |outcome: TryOutcome| {
        let error = CallError { code: "NotSupported".into(), description: "no".into(), details: "{}".into() };
        TryOutcome { answer: Some(Answer::Error(error)), ..outcome }
    };
    let slow = Failure::Guest(GuestFault::Deadline { limit: Duration::from_secs(1) });
    for (new, difference) in [
        (incident("t", Cause::Dropped("why".into())), "dropped:  → why"),
        (with_error(incident("t", Cause::Rejected("NotSupported: no".into()))), "rejected: NotSupported:  → no"),
        (with_error(incident("t", slow.into())), "fails: took longer than 1s:  → took longer than 1s"),
    ] {
        assert_eq!(found(&old, &new), [difference]);
        assert_eq!(found(&new, &old).len(), 1);
        assert!(found(&new, &old)[0].starts_with("no longer "), "{:?}", found(&new, &old));
    }
    let not_mapped = NotMapped { fault: Fault::NotUnderstood, id: "1".into(), text: "no JSON".into() };
    let not_mapped = TryOutcome { not_mapped: Some(not_mapped), ..nothing() };
    assert_eq!(found(&sent(&[r#"[3,"1",{}]"#]), &not_mapped), ["not mapped:  → no JSON"]);
}

#[test]
fn name_of_the_transform_makes_no_difference_but_the_reason_does() {
    let dropped = |transform: &str, reason: &str| incident(transform, Cause::Dropped(reason.into()));
    assert_eq!(found(&dropped("old", "why"), &dropped("new", "why")), [""; 0]);
    assert_eq!(found(&dropped("old", "why"), &dropped("new", "no")), ["dropped, with another text: why → no"]);
}

/// The groups of messages with these outcomes.
fn groups(outcomes: &[(String, TryOutcome, TryOutcome)]) -> Groups {
    let recording: String = outcomes.iter().map(|(line, ..)| line.as_str()).collect();
    let (mut reader, mut groups) = (Reader::new(recording.as_bytes()), Groups::default());
    for (_, old, new) in outcomes {
        let Ok(NextLine::Message(message)) = reader.next_line() else { panic!("no message: {recording}") };
        groups.note(&message, |sink| differences::find(old, new, sink));
    }
    groups
}

#[test]
fn messages_with_the_same_difference_are_one_group_with_the_first_as_its_example() {
    let groups = groups(&[
        (call("CP1", "Heartbeat"), payload("{}"), payload("{}")),
        (call("CP2", "MeterValues"), payload("[1,2]"), payload("[3,4]")),
        (call("CP3", "MeterValues"), payload("[5]"), payload("[6]")),
        (call("CP4", "Heartbeat"), payload("[1]"), payload("[2]")),
    ]);
    let seen: Vec<_> = groups
        .sorted()
        .into_iter()
        .map(|(key, group)| {
            let OldAndNew { old, new } = &group.example;
            format!("{} {} {}: {old} {new}", group.count, key.action, group.charge_point)
        })
        .collect();
    // Two places of one message count once.
    assert_eq!(seen, ["2 MeterValues CP2: 1 3", "1 Heartbeat CP4: 1 2"]);
    assert_eq!((groups.different(), groups.others()), (3, 0));
}

#[test]
fn report_for_people_has_count_place_and_example_of_each_group() {
    let long = format!(r#"{{"same":1,"text":"{}"}}"#, "x".repeat(100));
    let groups = groups(&[
        (call("CP1", "MeterValues"), payload("[1]"), payload("[\"1\"]")),
        (call("CP2", "Reset"), payload("{}"), published(&[publish("a", "{}"), publish("b\u{7f}", &long)])),
        (call("CP3", "Long"), payload(&format!("[{long}]")), payload("[{\"same\":1,\"text\":1}]")),
    ]);
    let text = report::text(7, &groups, &["odd".into()]);
    for part in [
        "1 × uplink CALL MeterValues: payload /*\n    first in line 1, charge point CP1\n    1 → \"1\"\n",
        "published in addition\n    first in line 2, charge point CP2\n    NEW: b\\u{7f}  {",
        "payload /*/text\n    first in line 3",
        "    - \"xxx",
        "    + 1\n",
        "7 messages replayed, 3 of them come out differently\nnote: odd\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let none = report::text(7, &Groups::default(), &[]);
    assert_eq!(none, "7 messages replayed: no differences\n");
}

#[test]
fn report_for_programs_has_the_same_as_json() {
    let groups = groups(&[(call("CP1", "MeterValues"), payload("[1]"), payload("[2]"))]);
    let json = report::json(1, &groups, &["odd".into()]).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let wanted = serde_json::json!({
        "messages": 1,
        "different": 1,
        "groups": [{
            "direction": "uplink",
            "type": "CALL",
            "action": "MeterValues",
            "difference": "payload /*",
            "count": 1,
            "example": {"line": 1, "charge_point": "CP1", "old": "1", "new": "2"},
        }],
        "other_differences": 0,
        "notes": ["odd"],
    });
    assert_eq!(json, wanted);
}

#[test]
fn groups_are_bounded_and_the_rest_is_counted() {
    let members = |range: std::ops::Range<usize>| {
        let members: Vec<_> = range.map(|number| format!("\"{number}\":1")).collect();
        payload(&format!("{{{}}}", members.join(",")))
    };
    let groups = groups(&[(call("CP1", "DataTransfer"), payload("{}"), members(0..MAX_GROUPS + 10))]);
    assert_eq!((groups.sorted().len(), groups.different(), groups.others()), (MAX_GROUPS, 1, 10));
    let text = report::text(1, &groups, &[]);
    assert!(text.contains("10 × other differences"), "{text}");
}
