//! CALLs without a valid answer: each is answered by the gateway or reported to back ends, and counted.

use crate::{Running, call_object, error_code, result_object};

const SHORT_TIMEOUT: &str = "[ocpp]\ncall_timeout = \"300ms\"\nqueue = 1";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_no_back_end_answers_is_answered_by_the_gateway() {
    let gateway = Running::start(SHORT_TIMEOUT).await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    let answer = charge_point.text().await;
    assert!(answer.starts_with(r#"[4,"1","InternalError","#), "{answer}");
    assert_eq!(gateway.metric(r#"ocpp_gateway_incidents_total{direction="uplink",cause="timed_out"}"#).await, 1.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_charge_point_does_not_answer_is_reported() {
    let gateway = Running::start(SHORT_TIMEOUT).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    back_end.publish("ocpp/cs/CP1", call_object("1", "Reset", "{}")).await;
    charge_point.text().await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(
        report.contains(r#""MessageTypeId":4,"UniqueId":"1""#) && error_code(&report) == "InternalError",
        "{report}"
    );
    charge_point.send(r#"[3,"1",{}]"#).await;
    charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
    assert!(back_end.expect_on("ocpp/cp/CP1").await.contains("Heartbeat"), "the late answer is dropped");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_point_gets_one_call_at_a_time_and_a_full_queue_is_reported() {
    let gateway = Running::start("[ocpp]\nqueue = 1").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    back_end.publish("ocpp/cs/CP1", call_object("1", "Reset", "{}")).await;
    assert!(charge_point.text().await.contains(r#""1""#));
    back_end.publish("ocpp/cs/CP1", call_object("2", "ClearCache", "{}")).await;
    back_end.publish("ocpp/cs/CP1", call_object("3", "ClearCache", "{}")).await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"3""#), "{report}");
    charge_point.send(r#"[3,"1",{}]"#).await;
    assert!(charge_point.text().await.contains(r#""2""#));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_downlink_messages_are_reported_with_their_id_if_any() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let _charge_point = gateway.charge_point("CP1").await;
    for (text, id) in [
        ("hello", "-1"),
        (r#"{"MessageTypeId":2,"UniqueId":"7"}"#, "7"),
        (r#"{"MessageTypeId":9,"UniqueId":"8","Payload":{}}"#, "8"),
        ("\u{0}", "-1"),
    ] {
        back_end.publish("ocpp/cs/CP1", text).await;
        let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
        assert!(report.contains(&format!(r#""UniqueId":"{id}""#)), "{text}: {report}");
        assert_eq!(error_code(&report), "FormationViolation", "{text}: {report}");
    }
    back_end.publish("ocpp/cs/CP1", result_object("unknown", "{}")).await;
    assert_eq!(error_code(&back_end.expect_on("ocpp/cp/CP1/Reply").await), "GenericError");
    assert_eq!(
        gateway.metric(r#"ocpp_gateway_incidents_total{direction="downlink",cause="not_understood"}"#).await,
        4.0
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_calls_are_reported_when_the_charge_point_disconnects() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    back_end.publish("ocpp/cs/CP1", call_object("1", "Reset", "{}")).await;
    charge_point.text().await;
    charge_point.close().await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"1""#) && report.contains("disconnected"), "{report}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_charge_point_stay_in_order() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point_of("CP1", "ocpp2.1").await;
    for number in 0..500 {
        charge_point.send(&format!(r#"[6,"{number}","NotifyPeriodicEventStream",{{}}]"#)).await;
    }
    for number in 0..500 {
        let text = back_end.expect_on("ocpp/cp/CP1").await;
        assert!(text.contains(&format!(r#""UniqueId":"{number}""#)), "{number}: {text}");
    }
    gateway.stop().await;
}
