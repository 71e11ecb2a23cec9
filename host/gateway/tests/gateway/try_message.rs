//! What the transforms would make of a message: nothing of it is sent.

use crate::Running;
use crate::admin::{JSON, ask};
use ocpp_gateway_testkit::guest;
use serde_json::{Value, json};
use std::fs;

const TRANSFORMS: &str = "[[transforms]]\nname = \"heartbeat\"\ncomponent = \"builtin:local-heartbeat\"\n";
const PAGE: &str = "/api/v1/try";

async fn tried(gateway: &Running, request: Value) -> Value {
    let answer = ask(gateway, "POST", PAGE, &[JSON], request.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

fn frame(text: &str) -> Value {
    json!({"charge_point": {"id": "CP1"}, "frame": text})
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_has_each_stage_and_nothing_is_sent() {
    let gateway = Running::start(TRANSFORMS).await;
    let mut back_end = gateway.back_end().await;
    let call = r#"[2,"1","MeterValues",{"value":1.50}]"#;
    let trace = tried(&gateway, frame(call)).await;
    let steps = trace["steps"].as_array().expect("steps");
    let hooks: Vec<_> = steps.iter().map(|step| (&step["transform"], &step["hook"])).collect();
    assert_eq!(hooks, [(&json!("heartbeat"), &json!("uplink")), (&json!("standard"), &json!("mapping"))]);
    assert_eq!((&steps[0]["input"]["frame"], &steps[0]["actions"]), (&json!(call), &json!([{"action": "pass"}])));
    assert!(steps.iter().all(|step| step["time_us"].as_f64().is_some_and(|time| time > 0.0)), "{trace}");
    assert_eq!(trace["published"][0]["topic"], "ocpp/cp/CP1");
    assert!(trace["published"][0]["payload"].as_str().is_some_and(|payload| payload.contains("1.50")), "{trace}");

    // State is written to a copy: the first Heartbeat is always the first, which is forwarded.
    for _ in 0..2 {
        let heartbeat = tried(&gateway, frame(r#"[2,"1","Heartbeat",{}]"#)).await;
        assert_eq!((&heartbeat["answer"], &heartbeat["published"][0]["topic"]), (&Value::Null, &json!("ocpp/cp/CP1")));
    }
    let message = json!({"topic": "ocpp/cs/CP1", "payload": {"MessageTypeId": 2, "UniqueId": "7", "Action": "Reset", "Payload": {}}});
    let down =
        tried(&gateway, json!({"charge_point": {"id": "CP1", "version": "ocpp2.0.1"}, "message": message})).await;
    assert_eq!(down["sent"], json!([r#"[2,"7","Reset",{}]"#]));
    let broken = json!({"topic": "ocpp/cs/CP1", "payload": "nonsense"});
    let refused = tried(&gateway, json!({"charge_point": {"id": "CP1"}, "message": broken})).await;
    assert!(refused["not_mapped"].is_string(), "{refused}");

    // The first message that a back end receives is of a charge point.
    let mut charge_point = gateway.charge_point("CP2").await;
    charge_point.send(call).await;
    assert!(back_end.expect_on("ocpp/cp/CP2").await.contains("MeterValues"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn candidate_is_tried_in_its_place_and_does_not_stay() {
    let gateway = Running::start(TRANSFORMS).await;
    let call = r#"[2,"1","StatusNotification",{"info":""}]"#;
    let with = |candidate: Value| {
        let mut request = frame(call);
        request["candidate"] = candidate;
        request
    };
    let mapping = json!({"name": "standard", "component": "builtin:standard", "config": {"mountpoint": "site/"}});
    let trace = tried(&gateway, with(mapping)).await;
    assert_eq!(trace["published"][0]["topic"], "site/cp/CP1");
    let program = json!({"component": "builtin:jq", "limits": {"time": "1s"}, "before": "heartbeat",
                         "config": {"program": "def uplink: (\"seen\" | log(\"info\")) as $_ | .payload.info = \"x\";"}});
    let trace = tried(&gateway, with(program)).await;
    let first = &trace["steps"][0];
    assert_eq!(first["transform"], "candidate");
    assert_eq!(first["actions"][0]["frame"], r#"[2,"1","StatusNotification",{"info":"x"}]"#);
    assert!(first["log"][0]["text"].as_str().is_some_and(|text| text.contains("seen")), "{trace}");
    let bad = ask(&gateway, "POST", PAGE, &[JSON], with(json!({"component": "builtin:redcat"})).to_string()).await;
    assert!(bad.problem(422).contains("builtin:redact"));
    for request in [
        json!({"charge_point": {"id": "CP1"}}),
        json!({"charge_point": {"id": ""}, "frame": call}),
        json!({"charge_point": {"id": "CP1", "version": "ocpp9"}, "frame": call}),
        json!({"charge_point": {"id": "CP1"}, "frame": "[2"}),
        json!({"charge_point": {"id": "CP1"}, "frame": call, "colour": "red"}),
        json!({"charge_point": {"id": "CP1"}, "message": {"topic": "a", "qos": 3}}),
    ] {
        ask(&gateway, "POST", PAGE, &[JSON], request.to_string()).await.problem(400);
    }
    assert_eq!(tried(&gateway, frame(call)).await["published"][0]["topic"], "ocpp/cp/CP1");
    gateway.stop().await;
}

/// Candidates that pass the samples of their load, and fail on this message: their limits hold, and the gateway goes on.
#[tokio::test(flavor = "multi_thread")]
async fn candidate_with_a_fault_hurts_only_its_trial() {
    let gateway = Running::start("").await;
    let (hook, other) = (r#"def uplink: if .action == "Boom" then "#, " else . end;");
    for (fault, expected) in
        [(r#"error("no such luck")"#, ""), ("def f: f; f", "took longer than 1s"), ("[range(1000000000)]", "memory")]
    {
        let program = format!("{hook}{fault}{other}");
        let mut request = frame(r#"[2,"1","Boom",{}]"#);
        request["candidate"] =
            json!({"component": "builtin:jq", "limits": {"time": "1s"}, "config": {"program": program}});
        let trace = tried(&gateway, request).await;
        let failure = trace["steps"][0]["failure"].as_str().unwrap_or_else(|| panic!("{fault}: {trace}"));
        assert!(failure.contains(expected), "{fault}: {failure}");
        assert_eq!(trace["answer"]["action"], "reject", "{trace}");
        assert!(trace["incidents"][0].as_str().is_some_and(|text| text.contains("candidate")), "{trace}");
    }
    // One that lacks every hook of the message is passed by.
    let mut request = frame(r#"[2,"1","Heartbeat",{}]"#);
    request["candidate"] = json!({"component": "builtin:jq", "limits": {"time": "1s"},
                                  "config": {"program": "def downlink: .;"}});
    let trace = tried(&gateway, request).await;
    assert_eq!(trace["steps"].as_array().map(Vec::len), Some(1), "{trace}");
    gateway.stop().await;
}

/// With the component of the candidate in the request.
#[tokio::test(flavor = "multi_thread")]
async fn candidate_can_be_sent_with_the_message() {
    let gateway = Running::start("").await;
    let component = fs::read(guest::build("every_hook", env!("CARGO_TARGET_TMPDIR"))).expect("a component");
    // It does something else for this charge point only.
    let mut request = json!({"charge_point": {"id": "BAD1"}, "frame": r#"[2,"1","Heartbeat",{}]"#});
    request["candidate"] = json!({"config": {"hook": "uplink", "does": "reply"}});
    let mut body = b"--x\r\nContent-Disposition: form-data; name=\"settings\"\r\n\r\n".to_vec();
    body.extend_from_slice(request.to_string().as_bytes());
    body.extend_from_slice(b"\r\n--x\r\nContent-Disposition: form-data; name=\"component\"\r\n\r\n");
    body.extend_from_slice(&component);
    body.extend_from_slice(b"\r\n--x--\r\n");
    let multipart = ("Content-Type", "multipart/form-data; boundary=x");
    let trace = ask(&gateway, "POST", PAGE, &[multipart], &body).await.json();
    assert_eq!(trace["answer"], json!({"action": "reply", "payload": r#"{"from":"the edge"}"#}), "{trace}");
    assert_eq!(crate::admin::get(&gateway, "/api/v1/transforms").await.json().as_array().map(Vec::len), Some(1));
    gateway.stop().await;
}
