//! The commands of trials.

use super::{CHANGED, carried, files};
use crate::ctl::error::CtlError;
use crate::ctl::test_gateway::Reply;
use clap::Parser as _;
use serde_json::{Value, json};

/// A trial in this mode, with these members in place of its own.
fn trial(mode: &str, others: Value) -> Value {
    let version = |component: &str, sha256: &str| json!({"component": component, "version": "0.1", "sha256": sha256});
    let mut trial = json!({"transform": "a", "mode": mode, "percent": null, "charge_points": null, "state": "running",
        "reason": null, "started_at": "T1", "ended_at": null, "live": version("builtin:standard", "0123456789abcdef"),
        "candidate": version("upload", "fedcba9876543210"), "connected": 400, "selected": 400, "kept": true,
        "warnings": [], "dry_run": false, "shadow": null, "canary": null, "of_a_newer_gateway": [1]});
    let Value::Object(others) = others else { panic!("{others}") };
    trial.as_object_mut().expect("an object").extend(others);
    trial
}

fn shadow(differences: usize) -> Value {
    let message = |topic: &str| {
        json!({"actions": [{"action": "message",
        "message": {"topic": topic, "qos": 1, "retain": false, "payload": "{}"}}], "failure": null, "log": []})
    };
    let difference = json!({"time": "T3", "charge_point": "CP\n1", "hook": "to-mqtt", "input": {"frame": "[2]"},
        "live": message("a"), "candidate": message("b")});
    json!({"messages": 1000, "equal": 990, "different": 8, "failed": 2, "skipped": 5, "candidate_us": 12.51,
        "live_us": 10.0, "differences": vec![difference; differences]})
}

/// What is shown of a trial.
fn shown(arguments: &[&str], trial: &Value) -> String {
    let shown = carried(&[&["trial"], arguments].concat(), &[Reply::json(200, &trial.to_string())]);
    shown.result.expect("shown");
    shown.output
}

/// The request of a start.
fn started(arguments: &[&str]) -> (String, String, String) {
    let reply = Reply::json(201, &trial("shadow", json!({})).to_string());
    let carried = carried(&[&["trial", "start"], arguments].concat(), &[reply]);
    carried.result.as_ref().expect("started");
    let (line, head, body) = carried.request();
    (line.to_owned(), head, body.to_owned())
}

#[test]
fn start_sends_the_candidate_as_put_does_and_who_takes_part() {
    let (_folder, path) = files(&[("a.wasm", "\0asm"), ("a.jq", "def uplink: .;"), ("a.wasm.minisig", "signed\n")]);
    let (line, head, body) = started(&["a b", &path("a.wasm"), "--shadow"]);
    assert_eq!((&*line, &*body), ("POST /api/v1/transforms/a%20b/trial?mode=shadow", "\0asm"));
    assert!(head.contains("minisign-signature: c2lnbmvkcg=="), "the head is in lower case: {head}");

    let all =
        ["--percent", "10", "--charge-points", "ACME-*", "--allow-fewer-hooks", "--dry-run", "--match-actions", "X"];
    let (line, _, body) = started(&[&["a", &*path("a.jq"), "--canary"], &all[..]].concat());
    let query = "mode=canary&percent=10&charge_points=ACME-%2A&allow_fewer_hooks=true&dry_run=true";
    assert_eq!(line, format!("POST /api/v1/transforms/a/trial?{query}"));
    let expected =
        json!({"component": "builtin:jq", "config": {"program": "def uplink: .;"}, "match": {"actions": ["X"]}});
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);
}

#[test]
fn start_needs_one_mode_and_a_candidate() {
    for modes in [&[][..], &["--shadow", "--canary"]] {
        let line = [&["ctl", "trial", "start", "a", "--component", "builtin:jq"], modes].concat();
        assert!(super::CommandLine::try_parse_from(line).is_err(), "{modes:?}");
    }
    let nothing = carried(&["trial", "start", "a", "--shadow"], &[]);
    assert!(matches!(nothing.result, Err(CtlError::Usage(_))), "{:?}", nothing.result);
}

#[test]
fn other_commands_have_their_pages() {
    let reply = trial("canary", json!({})).to_string();
    for (arguments, answer, line) in [
        (&["show", "a/b"][..], &*reply, "GET /api/v1/transforms/a%2Fb/trial"),
        (&["end", "a"], &reply, "DELETE /api/v1/transforms/a/trial"),
        (&["promote", "a"], CHANGED, "POST /api/v1/transforms/a/trial/promote"),
    ] {
        let carried = carried(&[&["trial"], arguments].concat(), &[Reply::json(200, answer)]);
        carried.result.as_ref().expect("done");
        assert_eq!(carried.request().0, line);
    }
}

#[test]
fn start_says_what_is_on_trial_and_how_to_see_more() {
    let mut answer =
        trial("shadow", json!({"percent": 10, "charge_points": "ACME-*", "selected": 40, "shadow": shadow(0)}));
    let expected = [
        "transform        a",
        "mode             shadow",
        "takes part       10 % of the charge points that match ACME-*: 40 of 400 connected",
        "state            running since T1",
        "live             builtin:standard, version 0.1, sha256 0123456789ab",
        "candidate        upload, version 0.1, sha256 fedcba987654",
        "after a restart  it goes on",
        "`ocpp-gateway ctl trial show a` shows how it goes.",
    ];
    let start = ["start", "a", "--component", "builtin:jq", "--shadow"];
    assert_eq!(shown(&start, &answer).lines().collect::<Vec<_>>(), expected);
    let least = json!({"transform": "a", "connected": 3, "selected": 2, "warnings": [], "dry_run": true});
    let expected = "transform   a\ntakes part  2 of 3 connected charge points\nA dry run: no trial has been started.\n";
    assert_eq!(shown(&start, &least), expected);
    answer["dry_run"] = true.into();
    let dry_run = shown(&start, &answer);
    assert!(
        dry_run.ends_with("\nA dry run: no trial has been started.\n") && !dry_run.contains("\nstate"),
        "{dry_run}"
    );
}

#[test]
fn shadow_is_shown_with_its_figures_and_differences() {
    let answer = trial("shadow", json!({"shadow": shadow(3)}));
    let figures = "\
        messages       1000\nequal          990\ndifferent      8\nfailed         2\nskipped        5\n\
        time per call  candidate 12.5 µs, live 10.0 µs, ratio 1.25\n\n";
    let number = "10 differences; the first 3 are kept";
    let without = shown(&["show", "a"], &answer);
    let end = format!("\n\n{figures}{number}: `ocpp-gateway ctl trial show a --differences` shows them.\n");
    assert!(without.ends_with(&end), "{without}");
    let with = shown(&["show", "a", "--differences"], &answer);
    let last = "3. T3 CP\\n1, to-mqtt\n   in         [2]\n   live       a  {}\n   candidate  b  {}\n";
    assert!(with.contains(figures) && with.contains("\n\n2. T3"), "{with}");
    assert!(with.ends_with(&format!("\n\n{last}\n{number}.\n")), "{with}");

    let new = json!({"messages": 0, "equal": 0, "different": 0, "failed": 0, "skipped": 0, "candidate_us": null,
        "live_us": null, "differences": []});
    let without = shown(&["show", "a"], &trial("shadow", json!({"shadow": new})));
    assert!(without.ends_with("candidate -, live -\n\nNo differences.\n"), "{without}");
}

#[test]
fn canary_is_shown_beside_the_others() {
    let figures = |calls: u64, answer_ms: Value| {
        json!({"charge_points": 40, "calls": calls, "failures": 0, "call_us": 12.5, "answered": 4000, "errors": 3,
            "unanswered": 0, "answer_ms": answer_ms, "incidents": 1})
    };
    let canary =
        json!({"candidate": figures(9000, json!({"p50": 8.1, "p99": 40.2})), "others": figures(81000, Value::Null)});
    let ended = json!({"state": "ended", "reason": "it fails", "ended_at": "T2", "percent": 10, "canary": canary});
    let ended = trial("canary", ended);
    let with_differences = shown(&["show", "a", "--differences"], &ended);
    assert!(with_differences.contains("\n\nA canary has no differences"), "{with_differences}");
    let shown = shown(&["show", "a"], &ended);
    for line in [
        "takes part  10 % of the charge points: 400 of 400 connected",
        "state       ended at T2",
        "reason      it fails",
        "                              CANDIDATE  OTHERS",
        "calls of the transform        9000       81000",
        "time per call                 12.5 µs    12.5 µs",
        "time to the answer, p99       40.2 ms    -",
        "incidents                     1          1",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line:?} in\n{shown}");
    }
    assert!(!shown.contains("restart") && !shown.contains("differences"), "{shown}");
}

#[test]
fn json_is_the_answer_of_the_api() {
    let answer = trial("shadow", json!({"shadow": shadow(1)}));
    for arguments in [&["show", "a", "--differences", "--json"][..], &["end", "a", "--json"]] {
        assert_eq!(serde_json::from_str::<Value>(&shown(arguments, &answer)).expect("JSON"), answer);
    }
}

#[test]
fn refusal_is_the_error_of_the_command() {
    let refusal = [Reply::problem(409, "it has ended: it fails")];
    let error = carried(&["trial", "promote", "a"], &refusal).error();
    assert!(error.contains("it has ended: it fails (409"), "{error}");
}
