//! Validation of payloads against the published schemas: errors and reports per version, and messages that pass.

use crate::secrets::ConfiguredProgram;
use crate::transforms::transform;
use crate::{Running, call_object, configuration, result_object};
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::ChargePoint;

const BOTH: &str = "[validation]\nmode = \"both\"";

const VERSIONS: [&str; 3] = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"];

/// The error code for a wrong type, the same in all versions.
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

/// A valid payload of Reset, which every version has.
fn reset(version: &str) -> &'static str {
    if version == "ocpp1.6" { r#"{"type":"Soft"}"# } else { r#"{"type":"Immediate"}"# }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_call_of_a_charge_point_is_answered_with_the_violation() {
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
        // The invalid CALL was not published, and the next one passes.
        charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
        assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("2", "Heartbeat", "{}"));
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_call_of_a_back_end_is_reported_with_the_violation() {
    for version in VERSIONS {
        let (gateway, mut charge_point, mut back_end) = set_up(BOTH, version).await;
        back_end.publish("ocpp/cs/CP1", call_object("1", "Reset", r#"{"type":7}"#)).await;
        let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
        let expected = format!(r#"{{"MessageTypeId":4,"UniqueId":"1","ErrorCode":"{WRONG_TYPE}","#);
        assert!(report.starts_with(&expected) && report.contains("type: "), "{version}: {report}");
        assert_eq!(incidents(&gateway, "downlink", "violation").await, 1.0);
        // The invalid CALL was not sent to the charge point.
        back_end.publish("ocpp/cs/CP1", call_object("2", "Reset", reset(version))).await;
        assert_eq!(charge_point.text().await, format!(r#"[2,"2","Reset",{}]"#, reset(version)));
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_answer_of_a_charge_point_becomes_an_error_for_the_back_end() {
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
        assert!(charge_point.text().await.starts_with(r#"[2,"3","#), "{version}: no other message before it");
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
async fn invalid_answer_of_a_back_end_becomes_an_error_for_both_sides() {
    for version in VERSIONS {
        let (gateway, mut charge_point, mut back_end) = set_up(BOTH, version).await;
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        back_end.expect_on("ocpp/cp/CP1").await;
        back_end.publish("ocpp/cs/CP1", result_object("1", r#"{"currentTime":"noon"}"#)).await;
        // The fault is not the charge point's, so its code is InternalError.
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
async fn answer_is_validated_against_the_action_of_its_call() {
    let (gateway, mut charge_point, mut back_end) = set_up(BOTH, "ocpp1.6").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    let answer = r#"{"MessageTypeId":3,"UniqueId":"1","Action":"MeterValues","Payload":{}}"#;
    back_end.publish("ocpp/cs/CP1", answer).await;
    let answer = charge_point.text().await;
    assert!(answer.starts_with(r#"[4,"1","InternalError","#) && answer.contains("currentTime"), "{answer}");
    back_end.expect_on("ocpp/cp/CP1/Reply").await;
    // An answer without an open CALL is reported as such and not validated.
    back_end.publish("ocpp/cs/CP1", unsolicited_answer()).await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"7","ErrorCode":"GenericError""#), "{report}");
    assert_eq!(incidents(&gateway, "downlink", "violation").await, 1.0);
    gateway.stop().await;
}

fn unsolicited_answer() -> &'static str {
    r#"{"MessageTypeId":3,"UniqueId":"7","Action":"Heartbeat","Payload":{"currentTime":1}}"#
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_validates_its_direction_only() {
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
async fn violations_that_are_only_logged_pass_in_both_directions() {
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
async fn unknown_actions_get_not_implemented_unless_they_are_accepted() {
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
async fn send_is_validated_and_never_answered() {
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
    // An invalid SEND of a back end is reported: SEND has no answer that could show the loss.
    let wrong = r#"{"MessageTypeId":6,"UniqueId":"5","Action":"NotifyPeriodicEventStream","Payload":{}}"#;
    back_end.publish("ocpp/cs/CP1", wrong).await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"5","ErrorCode":"OccurrenceConstraintViolation""#), "{report}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_nested_too_deeply_are_answered_with_an_error() {
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
async fn validation_transforms_extend_or_replace_schemas() {
    // By default both the schema and the transform are applied.
    let toml = format!("{BOTH}\n{}", transform("validation", "require idTag", ""));
    let (gateway, mut charge_point, mut back_end) = set_up(&toml, "ocpp1.6").await;
    charge_point.send(r#"[2,"1","Authorize",{"idTag":"A","otherTag":"B"}]"#).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"1","FormationViolation","#));
    charge_point.send(r#"[2,"2","Authorize",{"idTag":"A"}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    gateway.stop().await;

    // A transform can replace the schema of one message only.
    let toml = format!("{BOTH}\n{}", transform("validation", "require another idTag instead", ""));
    let (gateway, mut charge_point, mut back_end) = set_up(&toml, "ocpp1.6").await;
    charge_point.send(r#"[2,"1","Authorize",{"idTag":"A"}]"#).await;
    let answer = charge_point.text().await;
    assert!(answer.contains("OccurenceConstraintViolation") && answer.contains("otherTag"), "{answer}");
    charge_point.send(r#"[2,"2","Authorize",{"otherTag":"B"}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("2", "Authorize", r#"{"otherTag":"B"}"#));
    back_end.publish("ocpp/cs/CP1", result_object("2", "{}")).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"2","InternalError","#), "the schema of the answer applies");
    gateway.stop().await;

    // The replacement applies only to charge points that the transform matches.
    let others = transform("validation", "require another idTag instead", r#"match = { charge_points = ["X*"] }"#);
    let (gateway, mut charge_point, mut back_end) = set_up(&format!("{BOTH}\n{others}"), "ocpp1.6").await;
    charge_point.send(r#"[2,"1","Authorize",{"idTag":"A"}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn action_declared_by_a_transform_is_known() {
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
async fn validation_mode_changes_without_a_restart() {
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

/// Settings of the point at which uplink frames are validated; the first is the default.
const POINTS: [&str; 3] = ["", "at = \"after_transforms\"", "at = \"arrival\""];

/// The same with charge point `BAD1`, on whose messages the transforms act.
async fn set_up_bad(toml: &str) -> (Running, ChargePoint, BackEnd) {
    let gateway = Running::start(toml).await;
    let back_end = gateway.back_end().await;
    let charge_point = gateway.charge_point("BAD1").await;
    (gateway, charge_point, back_end)
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_repaired_by_a_transform_are_valid_except_on_arrival() {
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
            let repaired = result_object("2", r#"{"status":"Accepted"}"#);
            assert_eq!(back_end.expect_on("ocpp/cp/BAD1/Reply").await, repaired, "{at}");
        }
        let refused = if at.contains("arrival") { 2.0 } else { 0.0 };
        assert_eq!(incidents(&gateway, "uplink", "violation").await, refused, "{at}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_made_invalid_by_a_transform_are_refused_except_on_arrival() {
    for at in POINTS {
        let toml = format!("{BOTH}\n{at}\n{}", transform("uplink", "spoil", ""));
        let (gateway, mut charge_point, mut back_end) = set_up_bad(&toml).await;
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        if at.contains("arrival") {
            let invalid = call_object("1", "Heartbeat", r#"{"spoilt":true}"#);
            assert_eq!(back_end.expect_on("ocpp/cp/BAD1").await, invalid);
        } else {
            let answer = charge_point.text().await;
            assert!(answer.starts_with(r#"[4,"1","FormationViolation","#), "{at}: {answer}");
            // The frame was not published: the first message is the report of this one.
            back_end.publish("ocpp/cs/BAD1", "nonsense").await;
            assert!(back_end.message().await.1.contains(r#""UniqueId":"-1""#), "{at}");
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn validation_transforms_run_at_the_configured_point_like_schemas() {
    for at in POINTS {
        let transforms = transform("validation", "require idTag", "") + &transform("uplink", "mend", "");
        let (gateway, mut charge_point, mut back_end) = set_up_bad(&format!("[validation]\n{at}\n{transforms}")).await;
        charge_point.send(r#"[2,"1","Authorize",{"id_tag":"A"}]"#).await;
        if at.contains("arrival") {
            let answer = charge_point.text().await;
            assert!(answer.starts_with(r#"[4,"1","OccurenceConstraintViolation","#), "{at}: {answer}");
        } else {
            let repaired = call_object("1", "Authorize", r#"{"idTag":"mended"}"#);
            assert_eq!(back_end.expect_on("ocpp/cp/BAD1").await, repaired, "{at}");
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_answered_or_dropped_by_transforms_are_validated_on_arrival_only() {
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
async fn validation_point_changes_without_a_restart() {
    let mend = transform("uplink", "mend", "");
    let (gateway, mut charge_point, mut back_end) = set_up_bad(&format!("{BOTH}\n{mend}")).await;
    charge_point.send(r#"[2,"1","Heartbeat",{"quirk":1}]"#).await;
    back_end.expect_on("ocpp/cp/BAD1").await;
    back_end.publish("ocpp/cs/BAD1", result_object("1", r#"{"currentTime":"2026-01-01T12:00:00Z"}"#)).await;
    charge_point.text().await;
    let changed = configuration(&format!("{BOTH}\nat = \"arrival\"\n{mend}"));
    tokio::task::block_in_place(|| gateway.hot_swap.reload(changed));
    charge_point.send(r#"[2,"2","Heartbeat",{"quirk":1}]"#).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"2","FormationViolation","#));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_messages_are_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    let listen = "listen = \"127.0.0.1:0\"";
    let toml = format!("[ocpp]\n{listen}\n[admin]\n{listen}\n[mqtt.embedded]\n{listen}\n{BOTH}\n");
    std::fs::write(&config, toml + &transform("validation", "reject", "")).expect("written");
    let program = ConfiguredProgram::start(&config, folder.path().join("log"), "info", "ws://");
    program.wait_until_ready().await;
    for (id, text, expected) in [
        ("CP1", r#"[2,"one","Heartbeat",{"quirk":1}]"#, "FormationViolation: "),
        ("CP2", r#"[2,"two","MakeCoffee",{}]"#, "NotImplemented: "),
        // A validation transform chooses its error code itself.
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
