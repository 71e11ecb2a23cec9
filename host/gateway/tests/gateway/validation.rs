//! Payloads that are held against the published schemas: who is told what, in which version, and what goes on.

use crate::secrets::ConfiguredProgram;
use crate::transforms::transform;
use crate::{Running, call_object, configuration, result_object};
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::ChargePoint;

const BOTH: &str = "[validation]\nmode = \"both\"";

const VERSIONS: [&str; 3] = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"];

/// What a wrong type is called in all versions.
const WRONG_TYPE: &str = "TypeConstraintViolation";

/// A gateway, its charge point `CP1` with this version, and its back end.
async fn set_up(toml: &str, version: &str) -> (Running, ChargePoint, BackEnd) {
    let gateway = Running::start(toml).await;
    let back_end = gateway.back_end().await;
    let charge_point = gateway.charge_point_of("CP1", version).await;
    (gateway, charge_point, back_end)
}

async fn incidents(gateway: &Running, direction: &str, cause: &str) -> f64 {
    gateway.metric(&format!(r#"ocpp_gateway_incidents_total{{direction="{direction}",cause="{cause}"}}"#)).await
}

/// A command that every version has, as it has to be.
fn reset(version: &str) -> &'static str {
    if version == "ocpp1.6" { r#"{"type":"Soft"}"# } else { r#"{"type":"Immediate"}"# }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_point_is_told_what_is_wrong_with_its_call() {
    for (version, action, payload, code, field) in [
        ("ocpp1.6", "Authorize", r#"{}"#, "OccurenceConstraintViolation", "idTag"),
        ("ocpp1.6", "Authorize", r#"{"idTag":"A","more":1}"#, "FormationViolation", "more"),
        ("ocpp1.6", "Authorize", r#"{"idTag":1}"#, WRONG_TYPE, "idTag"),
        ("ocpp1.6", "Authorize", r#"{"idTag":"secret-secret-secret-secret"}"#, "PropertyConstraintViolation", "idTag"),
        ("ocpp2.0.1", "Authorize", r#"{}"#, "OccurrenceConstraintViolation", "idToken"),
        ("ocpp2.0.1", "Heartbeat", r#"{"more":1}"#, "FormatViolation", "more"),
        ("ocpp2.1", "Authorize", r#"{"idToken":{"idToken":1,"type":"x"}}"#, WRONG_TYPE, "idToken.idToken"),
        ("ocpp2.1", "Heartbeat", r#"{"customData":{}}"#, "OccurrenceConstraintViolation", "customData"),
    ] {
        let (gateway, mut charge_point, mut back_end) = set_up(BOTH, version).await;
        charge_point.send(&format!(r#"[2,"1","{action}",{payload}]"#)).await;
        let answer = charge_point.text().await;
        let expected = format!(r#"[4,"1","{code}","#);
        assert!(answer.starts_with(&expected) && answer.contains(field), "{version} {payload}: {answer}");
        assert!(!answer.contains("secret"), "{answer}");
        assert_eq!(incidents(&gateway, "uplink", "violation").await, 1.0);
        // Nobody else has heard of it, and the line is free.
        charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
        assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("2", "Heartbeat", "{}"));
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_is_told_what_is_wrong_with_its_call() {
    for version in VERSIONS {
        let (gateway, mut charge_point, mut back_end) = set_up(BOTH, version).await;
        back_end.publish("ocpp/cs/CP1", call_object("1", "Reset", r#"{"type":7}"#)).await;
        let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
        let expected = format!(r#"{{"MessageTypeId":4,"UniqueId":"1","ErrorCode":"{WRONG_TYPE}","#);
        assert!(report.starts_with(&expected) && report.contains("type: "), "{version}: {report}");
        assert_eq!(incidents(&gateway, "downlink", "violation").await, 1.0);
        // The charge point has not heard of it.
        back_end.publish("ocpp/cs/CP1", call_object("2", "Reset", reset(version))).await;
        assert_eq!(charge_point.text().await, format!(r#"[2,"2","Reset",{}]"#, reset(version)));
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_of_a_charge_point_becomes_an_error_for_the_back_end() {
    for version in VERSIONS {
        let (gateway, mut charge_point, mut back_end) = set_up(BOTH, version).await;
        for id in ["1", "2"] {
            back_end.publish("ocpp/cs/CP1", call_object(id, "Reset", reset(version))).await;
            charge_point.text().await;
            charge_point.send(&format!(r#"[3,"{id}",{{"status":7}}]"#)).await;
            let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
            let expected = format!(r#"{{"MessageTypeId":4,"UniqueId":"{id}","ErrorCode":"{WRONG_TYPE}","#);
            assert!(report.starts_with(&expected) && report.contains("status: "), "{version}: {report}");
            if version == "ocpp2.1" {
                let answer = charge_point.text().await;
                assert!(answer.starts_with(&format!(r#"[5,"{id}","{WRONG_TYPE}","status: "#)), "{answer}");
            }
        }
        back_end.publish("ocpp/cs/CP1", call_object("3", "Reset", reset(version))).await;
        assert!(charge_point.text().await.starts_with(r#"[2,"3","#), "{version}: nothing else was said");
        charge_point.send(r#"[3,"3",{"status":"Accepted"}]"#).await;
        assert_eq!(
            back_end.expect_on("ocpp/cp/CP1/Reply").await,
            result_object("3", r#"{"status":"Accepted"}"#),
            "{version}"
        );
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_of_a_back_end_becomes_an_error_for_both() {
    for version in VERSIONS {
        let (gateway, mut charge_point, mut back_end) = set_up(BOTH, version).await;
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        back_end.expect_on("ocpp/cp/CP1").await;
        back_end.publish("ocpp/cs/CP1", result_object("1", r#"{"currentTime":"noon"}"#)).await;
        // It is not the charge point that has sent something wrong.
        let answer = charge_point.text().await;
        let expected = r#"[4,"1","InternalError","the answer to this CALL is not valid: currentTime: "#;
        assert!(answer.starts_with(expected), "{version}: {answer}");
        let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
        let kind = if version == "ocpp2.1" { 5 } else { 4 };
        let expected = format!(r#"{{"MessageTypeId":{kind},"UniqueId":"1","ErrorCode":"PropertyConstraintViolation","#);
        assert!(report.starts_with(&expected) && report.contains("currentTime: "), "{version}: {report}");
        assert!(!answer.contains("noon") && !report.contains("noon"), "{answer} {report}");
        assert_eq!(incidents(&gateway, "downlink", "violation").await, 1.0);

        charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
        back_end.expect_on("ocpp/cp/CP1").await;
        let right = r#"{"currentTime":"2026-01-01T12:00:00Z"}"#;
        back_end.publish("ocpp/cs/CP1", result_object("2", right)).await;
        assert_eq!(charge_point.text().await, format!(r#"[3,"2",{right}]"#));
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_checked_for_what_was_asked_whatever_it_says_of_itself() {
    let (gateway, mut charge_point, mut back_end) = set_up(BOTH, "ocpp1.6").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    let answer = r#"{"MessageTypeId":3,"UniqueId":"1","Action":"MeterValues","Payload":{}}"#;
    back_end.publish("ocpp/cs/CP1", answer).await;
    let answer = charge_point.text().await;
    assert!(answer.starts_with(r#"[4,"1","InternalError","#) && answer.contains("currentTime"), "{answer}");
    back_end.expect_on("ocpp/cp/CP1/Reply").await;
    // One that nobody waits for is reported as that, and held against nothing.
    back_end.publish("ocpp/cs/CP1", answer_to_nobody()).await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"7","ErrorCode":"GenericError""#), "{report}");
    assert_eq!(incidents(&gateway, "downlink", "violation").await, 1.0);
    gateway.stop().await;
}

fn answer_to_nobody() -> &'static str {
    r#"{"MessageTypeId":3,"UniqueId":"7","Action":"Heartbeat","Payload":{"currentTime":1}}"#
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_looks_its_way_only() {
    for (mode, up, down) in [("off", false, false), ("uplink", true, false), ("downlink", false, true)] {
        let (gateway, mut charge_point, mut back_end) =
            set_up(&format!("[validation]\nmode = {mode:?}"), "ocpp1.6").await;
        charge_point.send(r#"[2,"1","Heartbeat",{"more":1}]"#).await;
        if up {
            assert!(charge_point.text().await.starts_with(r#"[4,"1","FormationViolation","#), "{mode}");
            charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        }
        assert!(back_end.expect_on("ocpp/cp/CP1").await.contains(r#""UniqueId":"1""#), "{mode}");
        back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
        let answer = charge_point.text().await;
        assert_eq!(answer == r#"[3,"1",{}]"#, !down, "{mode}: {answer}");
        assert_eq!(incidents(&gateway, "uplink", "violation").await, f64::from(u8::from(up)), "{mode}");
        assert_eq!(incidents(&gateway, "downlink", "violation").await, f64::from(u8::from(down)), "{mode}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_logged_goes_on_both_ways() {
    let toml = format!("{BOTH}\non_violation = \"log\"");
    for version in VERSIONS {
        let (gateway, mut charge_point, mut back_end) = set_up(&toml, version).await;
        charge_point.send(r#"[2,"1","Heartbeat",{"more":1}]"#).await;
        assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("1", "Heartbeat", r#"{"more":1}"#));
        back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
        assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
        back_end.publish("ocpp/cs/CP1", call_object("2", "MakeCoffee", "{}")).await;
        assert_eq!(charge_point.text().await, r#"[2,"2","MakeCoffee",{}]"#);
        assert_eq!(incidents(&gateway, "uplink", "violation").await, 1.0, "{version}");
        assert_eq!(incidents(&gateway, "downlink", "violation").await, 1.0, "{version}");
        assert_eq!(incidents(&gateway, "downlink", "unknown_action").await, 1.0, "{version}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_actions_are_not_implemented_unless_they_are_accepted() {
    for version in VERSIONS {
        let (gateway, mut charge_point, mut back_end) = set_up(BOTH, version).await;
        charge_point.send(r#"[2,"1","MakeCoffee",{}]"#).await;
        let answer = charge_point.text().await;
        assert!(answer.starts_with(r#"[4,"1","NotImplemented","#), "{version}: {answer}");
        back_end.publish("ocpp/cs/CP1", call_object("2", "MakeCoffee", "{}")).await;
        let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
        assert!(report.contains(r#""UniqueId":"2","ErrorCode":"NotImplemented""#), "{version}: {report}");
        assert_eq!(incidents(&gateway, "uplink", "unknown_action").await, 1.0);
        assert_eq!(incidents(&gateway, "downlink", "unknown_action").await, 1.0);
        gateway.stop().await;
    }

    let toml = format!("{BOTH}\nunknown_actions = \"accept\"");
    let (gateway, mut charge_point, mut back_end) = set_up(&toml, "ocpp2.1").await;
    charge_point.send(r#"[2,"1","MakeCoffee",{"a":1}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("1", "MakeCoffee", r#"{"a":1}"#));
    back_end.publish("ocpp/cs/CP1", result_object("1", r#"{"b":2}"#)).await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{"b":2}]"#);
    back_end.publish("ocpp/cs/CP1", call_object("2", "MakeTea", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[2,"2","MakeTea",{}]"#);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_is_checked_and_never_answered() {
    let (gateway, mut charge_point, mut back_end) = set_up(BOTH, "ocpp2.1").await;
    let right = r#"{"id":1,"pending":0,"basetime":"2026-01-01T00:00:00Z","data":[{"t":0.5,"v":"1.5"}]}"#;
    charge_point.send(r#"[6,"1","NotifyPeriodicEventStream",{"id":"1"}]"#).await;
    charge_point.send(r#"[6,"2","Heartbeat",{}]"#).await;
    charge_point.send(&format!(r#"[6,"3","NotifyPeriodicEventStream",{right}]"#)).await;
    let sent =
        format!(r#"{{"MessageTypeId":6,"UniqueId":"3","Action":"NotifyPeriodicEventStream","Payload":{right}}}"#);
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, sent);
    assert_eq!(incidents(&gateway, "uplink", "violation").await, 1.0);
    assert_eq!(incidents(&gateway, "uplink", "unsupported_action").await, 1.0);
    // An action that exists, but not as a CALL.
    charge_point.send(&format!(r#"[2,"4","NotifyPeriodicEventStream",{right}]"#)).await;
    let answer = charge_point.text().await;
    assert!(answer.starts_with(r#"[4,"4","NotSupported","#), "{answer}");
    // What a back end sends is lost without a trace if it is not told.
    let wrong = r#"{"MessageTypeId":6,"UniqueId":"5","Action":"NotifyPeriodicEventStream","Payload":{}}"#;
    back_end.publish("ocpp/cs/CP1", wrong).await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"5","ErrorCode":"OccurrenceConstraintViolation""#), "{report}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nested_too_deep_is_answered() {
    let (gateway, mut charge_point, mut back_end) = set_up(BOTH, "ocpp2.0.1").await;
    let deep = format!(r#"{{"vendorId":"V","data":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    charge_point.send(&format!(r#"[2,"1","DataTransfer",{deep}]"#)).await;
    let answer = charge_point.text().await;
    assert!(answer.starts_with(r#"[4,"1","FormatViolation","#) && answer.len() < 400, "{}", answer.len());
    back_end.publish("ocpp/cs/CP1", call_object("2", "DataTransfer", &deep)).await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"2""#) && report.len() < 400, "{}", report.len());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_transforms_come_on_top_or_take_the_place() {
    // On top: both must hold.
    let toml = format!("{BOTH}\n{}", transform("validation", "require idTag", ""));
    let (gateway, mut charge_point, mut back_end) = set_up(&toml, "ocpp1.6").await;
    charge_point.send(r#"[2,"1","Authorize",{"idTag":"A","otherTag":"B"}]"#).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"1","FormationViolation","#));
    charge_point.send(r#"[2,"2","Authorize",{"idTag":"A"}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    gateway.stop().await;

    // In its place: for this message, and for no other.
    let toml = format!("{BOTH}\n{}", transform("validation", "require another idTag instead", ""));
    let (gateway, mut charge_point, mut back_end) = set_up(&toml, "ocpp1.6").await;
    charge_point.send(r#"[2,"1","Authorize",{"idTag":"A"}]"#).await;
    let answer = charge_point.text().await;
    assert!(answer.contains("OccurenceConstraintViolation") && answer.contains("otherTag"), "{answer}");
    charge_point.send(r#"[2,"2","Authorize",{"otherTag":"B"}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("2", "Authorize", r#"{"otherTag":"B"}"#));
    back_end.publish("ocpp/cs/CP1", result_object("2", "{}")).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"2","InternalError","#), "the answer's schema stays");
    gateway.stop().await;

    // And only for the charge points that the transform is for.
    let others = transform("validation", "require another idTag instead", r#"match = { charge_points = ["X*"] }"#);
    let (gateway, mut charge_point, mut back_end) = set_up(&format!("{BOTH}\n{others}"), "ocpp1.6").await;
    charge_point.send(r#"[2,"1","Authorize",{"idTag":"A"}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_a_rule_names_is_known() {
    let toml = format!("{BOTH}\n{}", transform("validation", "know how to make coffee", ""));
    let (gateway, mut charge_point, mut back_end) = set_up(&toml, "ocpp1.6").await;
    charge_point.send(r#"[2,"1","MakeTea",{}]"#).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"1","NotImplemented","#));
    charge_point.send(r#"[2,"2","MakeCoffee",{}]"#).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"2","OccurenceConstraintViolation","#));
    charge_point.send(r#"[2,"3","MakeCoffee",{"beans":true}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("3", "MakeCoffee", r#"{"beans":true}"#));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_mode_is_in_force_without_a_restart() {
    let (gateway, mut charge_point, mut back_end) = set_up("", "ocpp1.6").await;
    charge_point.send(r#"[2,"1","Heartbeat",{"more":1}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
    tokio::task::block_in_place(|| gateway.hot_swap.reload(configuration(BOTH)));
    charge_point.send(r#"[2,"2","Heartbeat",{"more":1}]"#).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"2","FormationViolation","#));
    gateway.stop().await;
}

/// Where frames of charge points are judged, as it is written; the first is the default.
const POINTS: [&str; 3] = ["", "at = \"after_transforms\"", "at = \"arrival\""];

/// The same with a charge point that a transform's deeds are for.
async fn set_up_bad(toml: &str) -> (Running, ChargePoint, BackEnd) {
    let gateway = Running::start(toml).await;
    let back_end = gateway.back_end().await;
    let charge_point = gateway.charge_point("BAD1").await;
    (gateway, charge_point, back_end)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transform_mends_is_judged_mended() {
    for at in POINTS {
        let toml = format!("{BOTH}\n{at}\n{}", transform("uplink", "mend", ""));
        let (gateway, mut charge_point, mut back_end) = set_up_bad(&toml).await;
        charge_point.send(r#"[2,"1","Heartbeat",{"quirk":1}]"#).await;
        let reset = call_object("2", "Reset", r#"{"type":"Soft"}"#);
        if at.contains("arrival") {
            assert!(charge_point.text().await.starts_with(r#"[4,"1","FormationViolation","#), "{at}");
            back_end.publish("ocpp/cs/BAD1", reset).await;
            assert_eq!(charge_point.text().await, r#"[2,"2","Reset",{"type":"Soft"}]"#);
            charge_point.send(r#"[3,"2",{"status":"ok"}]"#).await;
            let report = back_end.expect_on("ocpp/cp/BAD1/Reply").await;
            assert!(report.contains(r#""UniqueId":"2","ErrorCode":"PropertyConstraintViolation""#), "{report}");
        } else {
            assert_eq!(back_end.expect_on("ocpp/cp/BAD1").await, call_object("1", "Heartbeat", "{}"), "{at}");
            back_end.publish("ocpp/cs/BAD1", reset).await;
            assert_eq!(charge_point.text().await, r#"[2,"2","Reset",{"type":"Soft"}]"#);
            charge_point.send(r#"[3,"2",{"status":"ok"}]"#).await;
            let mended = result_object("2", r#"{"status":"Accepted"}"#);
            assert_eq!(back_end.expect_on("ocpp/cp/BAD1/Reply").await, mended, "{at}");
        }
        let refused = if at.contains("arrival") { 2.0 } else { 0.0 };
        assert_eq!(incidents(&gateway, "uplink", "violation").await, refused, "{at}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transform_spoils_is_judged_spoilt() {
    for at in POINTS {
        let toml = format!("{BOTH}\n{at}\n{}", transform("uplink", "spoil", ""));
        let (gateway, mut charge_point, mut back_end) = set_up_bad(&toml).await;
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        if at.contains("arrival") {
            let spoilt = call_object("1", "Heartbeat", r#"{"spoilt":true}"#);
            assert_eq!(back_end.expect_on("ocpp/cp/BAD1").await, spoilt);
        } else {
            let answer = charge_point.text().await;
            assert!(answer.starts_with(r#"[4,"1","FormationViolation","#), "{at}: {answer}");
            // Nobody else has heard of it.
            back_end.publish("ocpp/cs/BAD1", "nonsense").await;
            assert!(back_end.message().await.1.contains(r#""UniqueId":"-1""#), "{at}");
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_a_transform_judges_where_schemas_do() {
    for at in POINTS {
        let transforms = transform("validation", "require idTag", "") + &transform("uplink", "mend", "");
        let (gateway, mut charge_point, mut back_end) = set_up_bad(&format!("[validation]\n{at}\n{transforms}")).await;
        charge_point.send(r#"[2,"1","Authorize",{"id_tag":"A"}]"#).await;
        if at.contains("arrival") {
            let answer = charge_point.text().await;
            assert!(answer.starts_with(r#"[4,"1","OccurenceConstraintViolation","#), "{at}: {answer}");
        } else {
            let mended = call_object("1", "Authorize", r#"{"idTag":"mended"}"#);
            assert_eq!(back_end.expect_on("ocpp/cp/BAD1").await, mended, "{at}");
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transform_answers_or_drops_is_judged_on_arrival_only() {
    for (does, counted) in [("reply", ""), ("drop", "dropped")] {
        for at in POINTS {
            let toml = format!("{BOTH}\n{at}\n{}", transform("uplink", does, ""));
            let (gateway, mut charge_point, _back_end) = set_up_bad(&toml).await;
            charge_point.send(r#"[2,"1","Heartbeat",{"quirk":1}]"#).await;
            if at.contains("arrival") {
                assert!(charge_point.text().await.starts_with(r#"[4,"1","FormationViolation","#), "{does} {at}");
            } else if does == "reply" {
                assert_eq!(charge_point.text().await, r#"[3,"1",{"from":"the edge"}]"#, "{at}");
                assert_eq!(incidents(&gateway, "uplink", "violation").await, 0.0, "{at}");
            } else {
                let metric = format!(r#"ocpp_gateway_incidents_total{{direction="uplink",cause="{counted}"}}"#);
                gateway.until(&metric, 1.0).await;
                assert_eq!(incidents(&gateway, "uplink", "violation").await, 0.0, "{at}");
            }
            gateway.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_point_is_in_force_without_a_restart() {
    let mend = transform("uplink", "mend", "");
    let (gateway, mut charge_point, mut back_end) = set_up_bad(&format!("{BOTH}\n{mend}")).await;
    charge_point.send(r#"[2,"1","Heartbeat",{"quirk":1}]"#).await;
    back_end.expect_on("ocpp/cp/BAD1").await;
    back_end.publish("ocpp/cs/BAD1", result_object("1", r#"{"currentTime":"2026-01-01T12:00:00Z"}"#)).await;
    charge_point.text().await;
    let anew = configuration(&format!("{BOTH}\nat = \"arrival\"\n{mend}"));
    tokio::task::block_in_place(|| gateway.hot_swap.reload(anew));
    charge_point.send(r#"[2,"2","Heartbeat",{"quirk":1}]"#).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"2","FormationViolation","#));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_leaves_a_line_in_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    let listen = "listen = \"127.0.0.1:0\"";
    let toml = format!("[ocpp]\n{listen}\n[admin]\n{listen}\n[mqtt.embedded]\n{listen}\n{BOTH}\n");
    std::fs::write(&config, toml + &transform("validation", "reject", "")).expect("written");
    let program = ConfiguredProgram::start(&config, folder.path().join("log"), "info", "ws://");
    program.until_ready().await;
    for (id, text, expected) in [
        ("CP1", r#"[2,"one","Heartbeat",{"quirk":1}]"#, "FormationViolation: "),
        ("CP2", r#"[2,"two","MakeCoffee",{}]"#, "NotImplemented: "),
        // A transform's check, which chooses its error itself.
        ("BAD1", r#"[2,"three","Heartbeat",{}]"#, "SecurityError: not today"),
    ] {
        let mut charge_point = ChargePoint::ocpp16(program.ocpp, id).await;
        charge_point.send(text).await;
        assert!(charge_point.text().await.starts_with("[4,"), "{text}");
        let log = program.log_with(expected).await;
        let line = log.lines().find(|line| line.contains(expected)).expect("a line");
        assert!(line.contains("INFO") && line.contains(id), "{line}");
    }
}
