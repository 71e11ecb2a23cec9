//! Downlink messages that must not or cannot be delivered, and charge points whose subscription fails.

use crate::{Running, call_object, error_code, result_object};
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::broker::{QoS, ScriptedBroker, Seen};
use ocpp_gateway_testkit::mosquitto::Mosquitto;

const RETAINED: &str = r#"ocpp_gateway_incidents_total{direction="downlink",cause="retained"}"#;
const TOO_LARGE: &str = r#"ocpp_gateway_incidents_total{direction="downlink",cause="too_large"}"#;

/// Waits for the error report about message `id` and returns it.
async fn expect_error(back_end: &mut BackEnd, topic: &str, id: &str) -> String {
    let report = back_end.expect_on(topic).await;
    assert!(report.contains(&format!(r#""UniqueId":"{id}""#)), "{report}");
    assert_eq!(error_code(&report), "GenericError");
    report
}

/// Checks that a retained CALL is not delivered when its charge point connects. `is_reported`: whether the gateway
/// receives and reports it.
async fn retained_command(gateway: Running, broker: std::net::SocketAddr, is_reported: bool) {
    let mut back_end = BackEnd::listen(broker, "ocpp/cp/#").await;
    let mut commands = BackEnd::listen(broker, "ocpp/cs/#").await;
    back_end.retain("ocpp/cs/CP1", call_object("old", "Reset", "{}")).await;
    // The broker has stored it.
    commands.expect_on("ocpp/cs/CP1").await;

    let mut charge_point = gateway.charge_point("CP1").await;
    if is_reported {
        let report = expect_error(&mut back_end, "ocpp/cp/CP1/Reply", "old").await;
        assert!(report.contains("retain"), "{report}");
    }
    // A subscribed client receives a new retained message like any other.
    back_end.retain("ocpp/cs/CP1", call_object("live", "Reset", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[2,"live","Reset",{}]"#);
    charge_point.send(r#"[3,"live",{}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1/Reply").await, result_object("live", "{}"));
    // The empty message that clears the retained one is not delivered.
    back_end.retain("ocpp/cs/CP1", "").await;
    back_end.publish("ocpp/cs/CP1", call_object("next", "Reset", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[2,"next","Reset",{}]"#);
    charge_point.send(r#"[3,"next",{}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1/Reply").await, result_object("next", "{}"));
    assert_eq!(gateway.metric(RETAINED).await, f64::from(u8::from(is_reported)));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_call_is_not_delivered_when_a_charge_point_connects() {
    // MQTT 5 lets a subscriber exclude retained messages (retain handling).
    for (version, is_reported) in [(4, true), (5, false)] {
        let gateway = Running::start(&format!("[mqtt]\nversion = {version}")).await;
        let broker = gateway.broker();
        retained_command(gateway, broker, is_reported).await;
        let mosquitto = Mosquitto::start(false).await;
        let gateway = Running::start(&format!("[mqtt]\nurl = \"{}\"\nversion = {version}", mosquitto.url())).await;
        retained_command(gateway, mosquitto.address(), is_reported).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_message_is_reported_with_its_id() {
    let mosquitto = Mosquitto::start(false).await;
    for version in [4, 5] {
        let toml = format!("[mqtt]\nurl = \"{}\"\nversion = {version}", mosquitto.url());
        let gateway = Running::start(&toml).await;
        let mut back_end = BackEnd::listen(mosquitto.address(), "ocpp/cp/#").await;
        let mut charge_point = gateway.charge_point("CP1").await;
        let payload = format!(r#"{{"vendorId":"x","data":"{}"}}"#, "x".repeat(2 << 20));
        back_end.publish("ocpp/cs/CP1", call_object("large", "DataTransfer", &payload)).await;
        let report = expect_error(&mut back_end, "ocpp/cp/CP1/Reply", "large").await;
        assert!(report.contains(" bytes, more than the gateway accepts"), "{report}");
        // An array, and an object with its id after the payload.
        for (text, id) in [
            (format!(r#"[2,"array","DataTransfer",{payload}]"#), "array"),
            (format!(r#"{{"MessageTypeId":2,"Payload":{payload},"UniqueId":"late"}}"#), "-1"),
        ] {
            back_end.publish("ocpp/cs/CP1", text).await;
            expect_error(&mut back_end, "ocpp/cp/CP1/Reply", id).await;
        }
        // An error message is not answered with an error: back ends that answer every message would loop.
        back_end.publish("ocpp/cs/CP1", format!(r#"{{"MessageTypeId":4,"UniqueId":"error","x":{payload}}}"#)).await;
        gateway.until(TOO_LARGE, 4.0).await;
        assert_eq!(gateway.metric("ocpp_gateway_mqtt_oversized_total").await, 4.0);
        // The connections to the broker and the charge point are unaffected.
        back_end.publish("ocpp/cs/CP1", call_object("small", "Reset", "{}")).await;
        assert_eq!(charge_point.text().await, r#"[2,"small","Reset",{}]"#);
        assert_eq!(gateway.metric(r#"ocpp_gateway_mqtt_connects_total{connection="subscriber"}"#).await, 1.0);
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_message_for_a_disconnected_charge_point_is_reported() {
    let broker = ScriptedBroker::start().await;
    let gateway = Running::start(&format!("[mqtt]\nurl = \"{}\"\nclient_id = \"gw\"", broker.url())).await;
    let payload = format!(r#"{{"data":"{}"}}"#, "x".repeat(2 << 20));
    let text = call_object("large", "DataTransfer", &payload);
    broker.inject("gw-sub", "ocpp/cs/CP1", text, QoS::AtLeastOnce, 1);
    // Empty messages are ignored.
    broker.inject("gw-sub", "ocpp/cs/CP1", "", QoS::AtLeastOnce, 2);
    broker.inject("gw-sub", "ocpp/cs/CP1", call_object("small", "Reset", "{}"), QoS::AtLeastOnce, 3);
    let seen = broker.seen_by(|seen| seen.iter().filter_map(Seen::publish).count() == 2).await;
    let reports: Vec<_> = seen.iter().filter_map(Seen::publish).collect();
    for (report, id) in reports.into_iter().zip(["large", "small"]) {
        assert_eq!(report.topic, "ocpp/cp/CP1/Reply");
        let text = String::from_utf8_lossy(&report.payload);
        assert!(text.contains(&format!(r#""UniqueId":"{id}""#)), "{text}");
    }
    assert_eq!(gateway.metric(TOO_LARGE).await, 1.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_point_that_loses_its_subscription_is_disconnected_and_may_return() {
    let broker = ScriptedBroker::start().await;
    let gateway = Running::start(&format!("[mqtt]\nurl = \"{}\"\nclient_id = \"gw\"", broker.url())).await;
    let mut refused = gateway.charge_point("CP1").await;
    let mut other = gateway.charge_point("CP2").await;
    broker.script(|script| script.refuse = ["ocpp/cs/CP1".to_owned()].into());
    broker.drop_connections(Some("gw-sub"));
    let (code, reason) = refused.closed().await.expect("a reason");
    assert_eq!(code, 1011);
    assert!(reason.contains("the broker refuses the subscription to `ocpp/cs/CP1`"), "{reason}");
    gateway.until("ocpp_gateway_connections", 1.0).await;
    assert_eq!(gateway.metric(r#"ocpp_gateway_closed_total{reason="not_subscribed"}"#).await, 1.0);
    // The others are served.
    gateway.wait_until_ready().await;
    gateway.until_subscribed().await;
    broker.inject("gw-sub", "ocpp/cs/CP2", call_object("1", "Reset", "{}"), QoS::AtMostOnce, 0);
    assert_eq!(other.text().await, r#"[2,"1","Reset",{}]"#);

    broker.script(|script| script.refuse.clear());
    let mut back = gateway.charge_point("CP1").await;
    broker.inject("gw-sub", "ocpp/cs/CP1", call_object("2", "Reset", "{}"), QoS::AtMostOnce, 0);
    assert_eq!(back.text().await, r#"[2,"2","Reset",{}]"#);
    gateway.stop().await;
}
