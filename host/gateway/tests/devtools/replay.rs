//! `transform test --recording` and `transform diff`.

use super::{command, expect_code, transform};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::process::{Output, Stdio};
use tempfile::TempDir;

/// A line of a recording: a frame of a charge point at this time.
fn uplink(time: &str, charge_point: &str, frame: &str) -> Value {
    let parts: Value = serde_json::from_str(frame).expect("JSON");
    let (message_type, action) = match parts[0].as_u64() {
        Some(2) => ("CALL", parts[2].clone()),
        _ => ("CALLRESULT", "Reset".into()),
    };
    json!({
        "v": 1, "event": "message", "time": format!("2026-11-30T{time}Z"), "charge_point": charge_point,
        "version": "ocpp1.6", "direction": "uplink", "type": message_type, "action": action, "frame": frame,
        "time_us": 1.5,
    })
}

/// A line of a recording: an answer of a back end to a Heartbeat, in the format of the standard mapping.
fn answer(time: &str, payload: &str) -> Value {
    json!({
        "v": 1, "event": "message", "time": format!("2026-11-30T{time}Z"), "charge_point": "CP1", "version": "ocpp1.6",
        "direction": "downlink", "type": "CALLRESULT", "action": "Heartbeat", "unanswered": {"1": "Heartbeat"},
        "message": {"topic": "ocpp/cs/CP1", "qos": 1, "retain": false, "payload": payload}, "time_us": 1.5,
    })
}

const HEARTBEAT: &str = r#"[2,"1","Heartbeat",{}]"#;
const METER_VALUES: &str =
    r#"[2,"2","MeterValues",{"connectorId":1,"meterValue":[{"sampledValue":[{"value":"1"},{"value":"2"}]}]}]"#;
const ANSWER: &str = r#"{"MessageTypeId":3,"UniqueId":"1","Payload":{"currentTime":"2026-11-30T05:00:00Z"}}"#;

fn recording(lines: &[Value]) -> String {
    lines.iter().map(|line| line.to_string() + "\n").collect()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    files.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).expect("written"));
    dir
}

/// The numbers in the row of the summary that begins with these words.
#[track_caller]
fn row(output: &str, words: &[&str]) -> Vec<u64> {
    let rows = output.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row.starts_with(words)).unwrap_or_else(|| panic!("{words:?}: {output}"));
    row[words.len()..].iter().map(|number| number.parse().expect("a number")).collect()
}

#[test]
fn recording_passes_the_transform_and_the_standard_mapping() {
    let day = recording(&[
        json!({"v": 1, "event": "started", "time": "2026-11-30T05:00:00Z", "gateway": "0.1.0"}),
        uplink("05:00:00", "CP1", HEARTBEAT),
        answer("05:00:01", ANSWER),
        answer("05:00:02", "no JSON"),
        uplink("05:00:03", "CP2", METER_VALUES),
        json!({"v": 1, "event": "missed", "time": "2026-11-30T05:00:04Z", "missed": 3}),
    ]);
    let dir = folder(&[("day.jsonl", &day)]);
    let output = expect_code(0, &transform(dir.path(), &["test", "builtin:standard", "--recording", "day.jsonl"]));
    assert_eq!(row(&output, &["uplink", "CALL"]), [2, 2, 0, 0, 0, 0, 0]);
    assert_eq!(row(&output, &["downlink", "CALLRESULT"]), [2, 0, 1, 0, 0, 1, 0]);
    assert_eq!(row(&output, &["total"]), [4, 2, 1, 0, 0, 1, 0]);
    for part in ["4 messages replayed", "a second", "misses 3 messages"] {
        assert!(output.contains(part), "{part}: {output}");
    }
}

#[test]
fn state_expires_by_the_recorded_time() {
    let day: Vec<_> = ["05:00:00", "05:59:59.999", "06:00:00", "06:00:01"]
        .map(|time| uplink(time, "CP1", HEARTBEAT))
        .into_iter()
        .chain([uplink("06:00:02", "CP2", HEARTBEAT)])
        .collect();
    let config = "forward_every_s = 3600";
    let dir = folder(&[("day.jsonl", &recording(&day)), ("hour.toml", config), ("none.toml", "forward_every_s = 0")]);
    let test = ["test", "builtin:local-heartbeat", "--recording", "day.jsonl", "--config", "hour.toml"];
    let output = expect_code(0, &transform(dir.path(), &test));
    // Forwarded: the first, that after an hour, and that of another charge point.
    assert_eq!(row(&output, &["uplink", "CALL"]), [5, 3, 0, 2, 0, 0, 0]);

    let heartbeat = "builtin:local-heartbeat";
    let configs = ["--old-config", "hour.toml", "--new-config", "none.toml", "--json"];
    let diff = [&["diff", heartbeat, heartbeat, "--recording", "day.jsonl"][..], &configs].concat();
    let output = transform(dir.path(), &diff);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["messages"], &report["different"]), (&json!(5), &json!(3)));
    let group = |difference: &str| {
        let groups = report["groups"].as_array().into_iter().flatten();
        groups.into_iter().find(|group| group["difference"] == difference).cloned().unwrap_or_default()
    };
    let answered = group("answered");
    assert_eq!((&answered["count"], &answered["example"]["line"]), (&json!(3), &json!(1)), "{report}");
    assert_eq!(answered["example"]["new"], r#"{"currentTime":"2026-11-30T05:00:00.000Z"}"#);
    assert_eq!(group("not published any more")["count"], 3);
}

#[test]
fn failures_are_grouped_and_end_with_exit_code_1() {
    let program = r#"def uplink: if .payload.connectorId == 77 then error("odd value") else . end;"#;
    let odd = METER_VALUES.replace(r#""connectorId":1"#, r#""connectorId":77"#);
    let lines =
        [uplink("05:00:00", "CP1", HEARTBEAT), uplink("05:00:01", "CP2", &odd), uplink("05:00:02", "CP3", &odd)];
    // More than stop a hook of a gateway.
    let many: Vec<_> = lines.iter().chain(std::iter::repeat_n(&lines[1], 50)).cloned().collect();
    let dir = folder(&[("day.jsonl", &recording(&many)), ("odd.jq", program), ("good.jq", "def uplink: .;")]);
    let output = expect_code(1, &transform(dir.path(), &["test", "odd.jq", "--recording", "day.jsonl"]));
    assert_eq!(row(&output, &["uplink", "CALL"])[6], 52, "{output}");
    for part in ["52 × FAILED  uplink, transform odd: ", "first in line 2, charge point CP2, CALL MeterValues"] {
        assert!(output.contains(part), "{part}: {output}");
    }
    let output = expect_code(1, &transform(dir.path(), &["diff", "good.jq", "odd.jq", "--recording", "day.jsonl"]));
    assert!(output.contains("52 × uplink CALL MeterValues: fails: "), "{output}");
    assert!(output.contains("53 messages replayed, 52 of them come out differently"), "{output}");
}

#[test]
fn diff_shows_which_messages_come_out_differently() {
    let program = r#"
        def uplink: if .action == "MeterValues" then .payload.meterValue[].sampledValue[].value |= tonumber end;
    "#;
    let day = [uplink("05:00:00", "CP1", HEARTBEAT), uplink("05:00:01", "CP2", METER_VALUES)];
    let dir = folder(&[("day.jsonl", &recording(&day)), ("new.jq", program)]);
    let diff = |old: &str, new: &str| transform(dir.path(), &["diff", old, new, "--recording", "day.jsonl"]);
    let output = expect_code(1, &diff("builtin:standard", "new.jq"));
    let group = "1 × uplink CALL MeterValues: payload /Payload/meterValue/*/sampledValue/*/value\n    \
                 first in line 2, charge point CP2\n    \"1\" → 1\n";
    assert!(output.starts_with(group), "{output}");
    assert!(output.ends_with("2 messages replayed, 1 of them comes out differently\n"), "{output}");
    let output = expect_code(0, &diff("new.jq", "new.jq"));
    assert_eq!(output, "2 messages replayed: no differences\n");
}

#[test]
fn answers_have_the_action_of_the_call_that_was_open() {
    let program = r#"def downlink: if .action == "Heartbeat" then .payload.seen = true else . end;"#;
    let mut without_call = answer("05:00:01", ANSWER);
    without_call["unanswered"] = json!({"2": "Heartbeat"});
    let day = [answer("05:00:00", ANSWER), without_call];
    let dir = folder(&[("day.jsonl", &recording(&day)), ("new.jq", program)]);
    let diff = ["diff", "builtin:standard", "new.jq", "--recording", "day.jsonl"];
    let output = expect_code(1, &transform(dir.path(), &diff));
    let group =
        "1 × downlink CALLRESULT Heartbeat: frame /seen is new\n    first in line 1, charge point CP1\n    NEW: true";
    assert!(output.starts_with(group), "{output}");
}

#[test]
fn error_reports_of_the_gateway_pass_the_mapping_only() {
    let mut report = uplink("05:00:00", "CP1", r#"[4,"1","GenericError","no answer",{}]"#);
    (report["type"], report["origin"]) = ("CALLERROR".into(), "gateway".into());
    let day = [uplink("05:00:00", "CP1", HEARTBEAT), report];
    let dir = folder(&[("day.jsonl", &recording(&day)), ("drop.jq", r#"def uplink: {"drop": "all"};"#)]);
    let output = expect_code(0, &transform(dir.path(), &["test", "drop.jq", "--recording", "day.jsonl"]));
    assert_eq!(row(&output, &["uplink", "CALL"]), [1, 0, 0, 0, 1, 0, 0]);
    assert_eq!(row(&output, &["uplink", "CALLERROR"]), [1, 1, 0, 0, 0, 0, 0]);
}

/// Runs a command with a recording as its standard input.
fn with_input(arguments: &[&str], input: &str) -> Output {
    let dir = tempfile::tempdir().expect("a folder");
    let mut command = command(dir.path());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().expect("the program runs");
    // A program that gives up reads no more.
    let _ = program.stdin.take().expect("an input").write_all(input.as_bytes());
    program.wait_with_output().expect("it ends")
}

#[test]
fn recording_is_read_from_standard_input() {
    let day = recording(&[uplink("05:00:00", "CP1", HEARTBEAT)]);
    let output = expect_code(0, &with_input(&["test", "builtin:standard", "--recording", "-"], &day));
    assert_eq!(row(&output, &["uplink", "CALL"]), [1, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn cut_and_newer_lines_are_noted_and_unreadable_ones_end_with_exit_code_1() {
    let line = recording(&[uplink("05:00:00", "CP1", HEARTBEAT)]);
    let test = |input: &str| with_input(&["test", "builtin:standard", "--recording", "-"], input);
    let newer = line.replace(r#""v":1"#, r#""v":2"#);
    let output = expect_code(0, &test(&format!("{line}{newer}{}", &line[..100])));
    assert!(output.contains("note: the recording is cut in its last line, line 3"), "{output}");
    assert!(output.contains("note: skipped 1 line of a newer format") && output.contains("version 2"), "{output}");
    // That a text is not a frame is found only when it is replayed.
    for bad in ["garbage\n", &line.replace("[2,", "[9,")] {
        let output = expect_code(1, &test(&format!("{line}{bad}{line}")));
        assert!(output.contains("note: cannot read 1 line, from line 2 on: "), "{output}");
        assert_eq!(row(&output, &["uplink", "CALL"])[0], 2);
    }
}

#[test]
fn diff_that_cannot_read_everything_ends_with_exit_code_2() {
    let line = recording(&[uplink("05:00:00", "CP1", HEARTBEAT)]);
    let diff = ["diff", "builtin:standard", "builtin:standard", "--recording"];
    let diff = |recording: &str, input: &str| with_input(&[&diff[..], &[recording]].concat(), input);
    let output = expect_code(2, &diff("-", &format!("{line}garbage\n")));
    assert!(output.contains("no differences") && output.contains("not all lines"), "{output}");
    let output = expect_code(2, &diff("nowhere.jsonl", ""));
    assert!(output.contains("nowhere.jsonl"), "{output}");
    let output = expect_code(2, &diff("-", ""));
    assert!(output.contains("standard input: it is empty"), "{output}");
}

#[test]
fn recording_that_cannot_be_replayed_says_what_to_do() {
    let mut line = uplink("05:00:00", "CP1", HEARTBEAT);
    line["frame"] = Value::Null;
    let dir = folder(&[("day.jsonl", &recording(&[line])), ("bad.toml", "mountpont = \"x\"")]);
    let output = expect_code(1, &transform(dir.path(), &["test", "builtin:standard", "--recording", "day.jsonl"]));
    assert!(output.contains("day.jsonl: ") && output.contains("without --no-payload"), "{output}");
    fs::write(dir.path().join("day.jsonl"), recording(&[uplink("05:00:00", "CP1", HEARTBEAT)])).expect("written");
    let test = ["test", "builtin:standard", "--recording", "day.jsonl", "--config", "bad.toml"];
    let output = expect_code(78, &transform(dir.path(), &test));
    assert!(output.contains("mountpont"), "{output}");
    let output = expect_code(2, &transform(dir.path(), &[&test[..], &["--fixtures", "."]].concat()));
    assert!(output.contains("cannot be used with"), "{output}");
}
