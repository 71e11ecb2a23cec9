//! `/api/v1/problems`: what is wrong, in sentences.

use crate::Running;
use crate::admin::{ask, assert_described, get};
use crate::security::tls;
use crate::transforms::transform;
use ocpp_gateway_testkit::authority::Authority;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use serde_json::{Value, json};
use std::net::TcpListener;

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
    assert_says(&problems[0], "1 time");
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
    assert_says(&problems[1], "Transform uplink failed 1 time in the last five minutes");
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
