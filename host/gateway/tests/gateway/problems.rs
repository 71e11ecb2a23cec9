//! `/api/v1/problems`: what is wrong, in sentences.

use crate::admin::{ask, assert_described, get};
use crate::security::tls;
use crate::transforms::transform;
use crate::{Running, result_object};
use ocpp_gateway_testkit::authority::Authority;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

/// The problems, which the OpenAPI document describes.
pub(crate) async fn problems(gateway: &Running) -> Vec<Value> {
    let document = get(gateway, "/api/openapi.json").await.json();
    let answer = get(gateway, "/api/v1/problems").await;
    assert_described(&document, "get", "/api/v1/problems", &answer);
    answer.json()["problems"].as_array().expect("problems").clone()
}

/// Each problem as `severity kind subject`.
fn summary(problems: &[Value]) -> Vec<String> {
    let line = |it: &Value| format!("{} {} {}", it["severity"], it["kind"], it["subject"]).replace('"', "");
    problems.iter().map(line).collect()
}

#[track_caller]
pub(crate) fn assert_says(problem: &Value, part: &str) {
    assert!(problem["text"].as_str().is_some_and(|text| text.contains(part)), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_without_a_problem_lists_none() {
    let gateway = Running::start("").await;
    let _charge_point = gateway.charge_point("CP1").await;
    assert_eq!(problems(&gateway).await, Vec::<Value>::new());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_that_is_away_is_the_first_problem_as_in_readyz() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let gateway = Running::start_unready(&format!("[mqtt]\nurl = \"mqtt://{unused}\"")).await;
    // Until the first attempt has failed.
    let why = loop {
        let readiness = get(&gateway, "/readyz").await.json();
        let why = readiness["not_ready"][0]["why"].as_str().expect("a reason").to_owned();
        if why != "not connected yet" {
            break why;
        }
        crate::pause().await;
    };
    let problems = problems(&gateway).await;
    assert_eq!(summary(&problems), ["error broker null"]);
    assert_says(&problems[0], &why);
    assert!(problems[0]["since"].is_string(), "{problems:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_and_limits_in_force_are_warnings() {
    let gateway = Running::start("[ocpp]\nmax_connections = 1").await;
    let _charge_point = gateway.charge_point("CP1").await;
    let refused = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP2", &["ocpp1.6"]).await;
    assert!(refused.is_err(), "accepted");
    let problems = problems(&gateway).await;
    assert_eq!(summary(&problems), ["warning refusals null", "warning limit max_connections"]);
    assert_says(&problems[0], "1 connection was refused in the last 10 minutes as unavailable");
    assert_says(&problems[1], "in force 1 time");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_no_back_end_takes_is_an_error() {
    let gateway = Running::start("[mqtt]\nwait_for_back_end = \"0s\"\n").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert!(charge_point.text().await.contains("no back end"));
    let problems = problems(&gateway).await;
    assert_eq!(summary(&problems), ["error back_end null"]);
    assert_says(&problems[0], "topics of CP1: 1 CALL found no subscriber");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_waits_for_a_back_end_counts_once_and_is_over_when_one_subscribes() {
    let gateway = Running::start("[mqtt]\nwait_for_back_end = \"1h\"\n").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    // It was published again.
    gateway.until(r#"ocpp_gateway_mqtt_no_subscriber_total{type="CALL"}"#, 3.0).await;
    charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
    let missing = problems(&gateway).await;
    assert_eq!(summary(&missing), ["error back_end null"]);
    assert_says(&missing[0], "topics of CP1: 1 CALL found no subscriber");
    let mut back_end = gateway.back_end().await;
    for id in ["1", "2"] {
        back_end.expect_on("ocpp/cp/CP1").await;
        back_end.publish("ocpp/cs/CP1", result_object(id, "{}")).await;
        charge_point.text().await;
    }
    until_none(&gateway).await;
    gateway.stop().await;
}

/// The CALL was given up, and the charge point connects again.
#[tokio::test(flavor = "multi_thread")]
async fn missing_back_end_is_over_with_the_next_call_that_finds_one() {
    let gateway = Running::start("[mqtt]\nwait_for_back_end = \"0s\"\n").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    charge_point.text().await;
    drop(charge_point);
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    assert_eq!(summary(&problems(&gateway).await), ["error back_end null"]);
    charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    until_none(&gateway).await;
    gateway.stop().await;
}

async fn until_none(gateway: &Running) {
    while !problems(gateway).await.is_empty() {
        crate::pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faulted_connectors_are_a_warning_while_their_charge_point_is_connected() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let status = |connector: u32, status: &str| {
        format!(
            r#"[2,"s","StatusNotification",{{"connectorId":{connector},"errorCode":"NoError","status":"{status}"}}]"#
        )
    };
    let text = async |texts: usize| loop {
        let problems = problems(&gateway).await;
        if problems.len() == texts {
            break problems.first().map(|it| it["text"].as_str().expect("a text").to_owned());
        }
        crate::pause().await;
    };
    let mut first = gateway.charge_point("CP1").await;
    first.send(&status(1, "Faulted")).await;
    let shown = text(1).await.expect("a problem");
    assert!(shown.starts_with("1 connector of CP1 reports Faulted."), "{shown}");
    assert_eq!(summary(&problems(&gateway).await), ["warning connector null"]);
    back_end.expect_on("ocpp/cp/CP1").await;
    drop(first);
    assert_eq!(text(0).await, None);
    // What is known of it outlasts its connection.
    let mut first = gateway.charge_point("CP1").await;
    assert!(text(1).await.is_some_and(|text| text.starts_with("1 connector of CP1 ")));
    first.send(&status(1, "Available")).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    assert_eq!(text(0).await, None);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_is_over_once_the_charge_point_has_connected() {
    let gateway = Running::start("[ocpp]\nmax_connections = 1").await;
    let first = gateway.charge_point("CP1").await;
    assert!(ChargePoint::connect(gateway.ocpp(), "/ocpp/CP2", &["ocpp1.6"]).await.is_err(), "accepted");
    let refused = async || get(&gateway, "/api/v1/refusals").await.json()["total"].clone();
    assert_eq!(refused().await, json!(1));
    drop(first);
    gateway.until("ocpp_gateway_connections", 0.0).await;
    let _second = gateway.charge_point("CP2").await;
    assert_eq!(refused().await, json!(0));
    assert_eq!(summary(&problems(&gateway).await), ["warning limit max_connections"]);
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="unavailable"}"#).await, 1.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_that_sends_nothing_is_no_problem_with_tls_either() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Running::start(&tls(&Authority::new(folder.path(), "ca").server(), "")).await;
    drop(TcpStream::connect(gateway.ocpp()).expect("connected"));
    gateway.until(r#"ocpp_gateway_refused_total{reason="tls"}"#, 1.0).await;
    assert_eq!(problems(&gateway).await, Vec::<Value>::new());
    // One that sends something else than TLS is one.
    TcpStream::connect(gateway.ocpp()).expect("connected").write_all(b"GET / HTTP/1.1\r\n\r\n").expect("written");
    gateway.until(r#"ocpp_gateway_refused_total{reason="tls"}"#, 2.0).await;
    assert_eq!(summary(&problems(&gateway).await), ["warning refusals null"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transform_that_fails_or_was_not_replaced_is_a_warning() {
    let gateway = Running::start(&transform("uplink", "panic", "")).await;
    let mut charge_point = gateway.charge_point("BAD1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert!(charge_point.text().await.contains("InternalError"));
    assert_eq!(ask(&gateway, "PUT", "/api/v1/transforms/standard", &[], "no component").await.status, 422);
    let problems = problems(&gateway).await;
    assert_eq!(summary(&problems), ["warning transform standard", "warning transform uplink"]);
    assert_says(&problems[0], "The latest change of transform standard failed");
    assert_says(&problems[0], "not WebAssembly");
    assert_says(&problems[1], "Transform uplink failed 1 time in the last five minutes, the last time with: trapped: ");
    assert_says(&problems[1], "or upload a version that works.");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_that_has_ended_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path(), "ca");
    let gateway = Running::start(&tls(&authority.expired("server"), "")).await;
    let problems = problems(&gateway).await;
    assert_eq!(summary(&problems), ["error certificate ocpp.tls.cert"]);
    assert_says(&problems[0], "has ended on 2021-01-01");
    assert_eq!(problems[0]["since"], json!("2021-01-01T00:00:00.000Z"));
    gateway.stop().await;
}
