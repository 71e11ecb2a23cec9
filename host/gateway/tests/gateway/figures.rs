//! What the gateway remembers for those who did not watch: figures, refused connections, events and changes.

use crate::admin::{JSON, ask, assert_described, get};
use crate::{Running, result_object};
use ocpp_gateway_testkit::charge_point::ChargePoint;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const TOKEN: &str = "a-token-for-tests-only";

async fn described(gateway: &Running, path: &str, query: &str) -> Value {
    let document = get(gateway, "/api/openapi.json").await.json();
    let answer = get(gateway, &format!("{path}?{query}")).await;
    assert_described(&document, "get", path, &answer);
    answer.json()
}

/// Connects a charge point that is refused.
async fn refused(gateway: &Running, id: &str) {
    let connected = ChargePoint::connect(gateway.ocpp(), &format!("/ocpp/{id}"), &["ocpp1.6"]).await;
    assert!(connected.is_err(), "{id} is accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_show_what_has_happened_in_each_step() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    for id in ["1", "2"] {
        charge_point.send(&format!(r#"[2,"{id}","Heartbeat",{{}}]"#)).await;
        back_end.message().await;
        back_end.publish("ocpp/cs/CP1", result_object(id, "{}")).await;
        charge_point.text().await;
    }
    gateway.until(r#"ocpp_gateway_calls_total{direction="uplink",action="Heartbeat",outcome="result"}"#, 2.0).await;
    let time = SystemTime::now();
    gateway.figures.end_step(Instant::now() + Duration::from_secs(10), time);

    let figures = described(&gateway, "/api/v1/figures", "").await;
    let end = time.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    assert_eq!((&figures["step_seconds"], &figures["times"]), (&json!(10), &json!([end])));
    let series = figures["series"].as_object().expect("series");
    assert!(series.values().all(|numbers| numbers.as_array().is_some_and(|numbers| numbers.len() == 1)), "{figures}");
    let number = |name: &str| series[name][0].as_f64();
    assert_eq!((number("charge_points"), number("broker_connected")), (Some(1.0), Some(1.0)), "{figures}");
    assert_eq!((number("errors"), number("refused")), (Some(0.0), Some(0.0)), "{figures}");
    // Two a step, which is a little longer than ten seconds.
    for name in ["messages_from_charge_points", "calls_answered"] {
        assert!(number(name).is_some_and(|rate| (0.01..=0.2).contains(&rate)), "{name}: {figures}");
    }
    assert!(number("answer_p50_from_charge_points").is_some_and(|time| time > 0.0), "{figures}");
    assert_eq!(number("answer_p99_to_charge_points"), None, "{figures}");
    assert!(number("memory").is_some_and(|bytes| bytes > 1e6), "{figures}");

    let none = described(&gateway, "/api/v1/figures", &format!("after={end}")).await;
    assert_eq!((&none["times"], &none["series"]["connected"]), (&json!([]), &json!([])));
    assert_eq!(described(&gateway, "/api/v1/figures", &format!("after={}", end - 1)).await, figures);
    get(&gateway, "/api/v1/figures?after=yesterday").await.problem(400);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_are_listed_with_reason_and_count() {
    let gateway = Running::start("[ocpp]\nidentities = [\"CP1\"]").await;
    for id in ["CP3", "CP2", "CP2"] {
        refused(&gateway, id).await;
    }
    let refusals = described(&gateway, "/api/v1/refusals", "").await;
    assert_eq!(refusals["total"], 2);
    let latest = &refusals["refusals"][0];
    let shown = [&latest["identity"], &latest["address"], &latest["reason"], &latest["count"], &latest["certificate"]];
    assert_eq!(shown, [&json!("CP2"), &json!("127.0.0.1"), &json!("not_found"), &json!(2), &Value::Null]);
    assert!(latest["text"].as_str().is_some_and(|text| text.starts_with("404: ")), "{latest}");
    assert!(latest["first"].as_str() <= latest["last"].as_str(), "{latest}");

    let one = described(&gateway, "/api/v1/refusals", "limit=1").await;
    assert_eq!((one["refusals"].as_array().map(Vec::len), &one["total"]), (Some(1), &json!(2)));
    for (search, found) in [("cp3", 1), ("127.0.0", 2), ("CP", 2), ("CP1", 0), ("", 2)] {
        let refusals = described(&gateway, "/api/v1/refusals", &format!("search={search}")).await;
        assert_eq!(refusals["total"], found, "{search}");
    }
    for wrong in ["limit=0", "limit=1001", "limit=x"] {
        get(&gateway, &format!("/api/v1/refusals?{wrong}")).await.problem(400);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_events_are_kept_without_a_watcher() {
    let gateway = Running::start("[ocpp]\nidentities = [\"CP1\"]").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    refused(&gateway, "CP2").await;
    charge_point.send(r#"[3,"late",{}]"#).await;
    gateway.until(r#"ocpp_gateway_incidents_total{direction="uplink",cause="unknown_call"}"#, 1.0).await;
    let names = async |query: &str| -> Vec<String> {
        let events = described(&gateway, "/api/v1/events/recent", query).await;
        let events = events["events"].as_array().expect("events").iter();
        events.map(|event| event["event"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names("").await, ["incident", "refused", "connected"]);
    assert_eq!(names("limit=1").await, ["incident"]);
    assert_eq!(names("charge_point=CP1").await, ["incident", "connected"]);
    assert_eq!(names("charge_point=CP2").await, ["refused"]);
    assert_eq!(names("event=connected").await, ["connected"]);
    assert_eq!(names("event=connected&charge_point=CP2").await, Vec::<String>::new());
    let problem = get(&gateway, "/api/v1/events/recent?event=conected").await.problem(400);
    let expected = "no event is named \"conected\": event has to be one of connected, disconnected, refused, incident, \
                    swap, trial";
    assert_eq!(problem, expected);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_listed_with_caller_and_token() {
    let gateway = Running::start(&format!("[admin]\ntoken = \"{TOKEN}\"")).await;
    let authorization = ("Authorization", &*format!("Bearer {TOKEN}"));
    let _charge_point = {
        let connected = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP1", &["ocpp1.6"]).await;
        connected.expect("accepted")
    };
    let kick = async || ask(&gateway, "DELETE", "/api/v1/charge-points/CP1", &[authorization], "").await.status;
    // The response to the handshake arrives before the charge point is registered.
    while kick().await == 404 {
        crate::pause().await;
    }
    let settings = br#"{"component": "builtin:standard", "config": {"mountpoint": "site/"}}"#;
    let replaced =
        ask(&gateway, "PUT", "/api/v1/transforms/standard", &[authorization, JSON], settings.as_slice()).await;
    assert_eq!(replaced.status, 200, "{}", replaced.json());

    let answer = ask(&gateway, "GET", "/api/v1/audit", &[authorization], "").await;
    let document = ask(&gateway, "GET", "/api/openapi.json", &[authorization], "").await.json();
    assert_described(&document, "get", "/api/v1/audit", &answer);
    let lines = answer.json()["lines"].clone();
    let shown = |line: &Value| format!("{} {} by {}", line["what"], line["done"], line["token"]).replace('"', "");
    let lines = lines.as_array().expect("lines");
    let texts: Vec<String> = lines.iter().map(shown).collect();
    assert_eq!(texts, ["transform standard replaced by admin", "charge point CP1 disconnected by admin"]);
    assert!(lines[0]["who"].as_str().is_some_and(|who| who.starts_with("127.0.0.1:")), "{lines:?}");
    assert!(lines[0]["after"].as_str().is_some_and(|hash| hash.starts_with("sha256 ")), "{lines:?}");
    assert_eq!((&lines[1]["before"], &lines[1]["after"]), (&Value::Null, &Value::Null));
    let one = ask(&gateway, "GET", "/api/v1/audit?limit=1", &[authorization], "").await.json();
    assert_eq!(one["lines"].as_array().map(Vec::len), Some(1));
    ask(&gateway, "GET", "/api/v1/audit?limit=0", &[authorization], "").await.problem(400);
    gateway.stop().await;
}

/// The kept audit lines, the latest first.
async fn audit(gateway: &Running) -> Vec<Value> {
    let document = get(gateway, "/api/openapi.json").await.json();
    let answer = get(gateway, "/api/v1/audit").await;
    assert_described(&document, "get", "/api/v1/audit", &answer);
    answer.json()["lines"].as_array().expect("lines").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_lines_of_calls_have_payload_and_outcome_but_no_secrets() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let path = "/api/v1/charge-points/CP1/calls";
    for (payload, answer) in [
        (json!({"key": "AuthorizationKey", "value": "s3cret-key"}), r#"[3,"ID",{"status":"Accepted"}]"#),
        (json!({"key": "HeartbeatInterval", "value": "60"}), r#"[4,"ID","NotSupported","no",{}]"#),
    ] {
        let body = json!({"action": "ChangeConfiguration", "payload": payload}).to_string();
        let answering = async {
            let text = charge_point.text().await;
            let id = text.split('"').nth(1).expect("an id");
            charge_point.send(&answer.replace("ID", id)).await;
        };
        tokio::join!(ask(&gateway, "POST", path, &[JSON], body.as_bytes()), answering);
    }
    let lines = audit(&gateway).await;
    let done = lines.iter().map(|line| line["done"].as_str().expect("a text")).collect::<Vec<_>>();
    assert_eq!(done, ["answered with CALLERROR NotSupported by charge point CP1", "answered by charge point CP1"]);
    let (error, result) = (&lines[0]["call"], &lines[1]["call"]);
    assert_eq!((&result["action"], &result["outcome"]), (&json!("ChangeConfiguration"), &json!("result")));
    assert_eq!(result["payload"], json!(r#"{"key":"AuthorizationKey","value":"***"}"#));
    assert_eq!((&error["outcome"], &error["error_code"]), (&json!("error"), &json!("NotSupported")));
    assert_eq!(error["payload"], json!(r#"{"key":"HeartbeatInterval","value":"60"}"#));
    gateway.stop().await;
}

/// The caller does not wait for the answer.
#[tokio::test(flavor = "multi_thread")]
async fn audit_line_of_a_call_gets_its_outcome_without_the_caller() {
    let gateway = Running::start("[admin]\ntap_payloads = false").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let body = br#"{"action": "Reset", "payload": {"type": "Soft"}}"#;
    let path = "/api/v1/charge-points/CP1/calls";
    let caller = crate::admin::open(gateway.addresses.admin, "POST", path, &[JSON], body).await;
    // A caller that leaves earlier may have asked for nothing yet.
    charge_point.text().await;
    drop(caller);
    let waiting = audit(&gateway).await;
    assert_eq!(
        (&waiting[0]["done"], &waiting[0]["call"]["outcome"]),
        (&json!("queued for charge point CP1"), &Value::Null)
    );
    assert_eq!(waiting[0]["call"]["payload"], Value::Null, "payloads are not shown");
    drop(charge_point);
    let call = loop {
        let call = audit(&gateway).await[0]["call"].clone();
        if !call["outcome"].is_null() {
            break call;
        }
        crate::pause().await;
    };
    assert_eq!(call["outcome"], json!("none"));
    assert!(call["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{call}");
    gateway.stop().await;
}
