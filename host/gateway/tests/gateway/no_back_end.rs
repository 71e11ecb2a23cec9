//! No back end subscribes to the topics that CALLs of charge points are published on.

use crate::{Running, call_object, result_object};
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const NO_BACK_END: &str = r#"ocpp_gateway_incidents_total{direction="uplink",cause="no_back_end"}"#;

/// A gateway with the embedded broker, and one with an MQTT 5 broker that reports missing subscribers itself.
struct Gateways {
    _mosquitto: Mosquitto,
    running: Vec<(Running, SocketAddr)>,
}

impl Gateways {
    async fn start(mqtt: &str) -> Self {
        let mosquitto = Mosquitto::start(false).await;
        let embedded = Running::start(&format!("[mqtt]\n{mqtt}[mqtt.embedded]\nlisten = \"127.0.0.1:0\"")).await;
        let external = Running::start(&format!("[mqtt]\n{mqtt}version = 5\nurl = \"{}\"", mosquitto.url())).await;
        let running = vec![(embedded.broker(), embedded), (mosquitto.address(), external)];
        Gateways {
            _mosquitto: mosquitto,
            running: running.into_iter().map(|(address, gateway)| (gateway, address)).collect(),
        }
    }
}

async fn expect_no_back_end_error(charge_point: &mut ChargePoint, id: &str) {
    let answer = charge_point.text().await;
    let expected = format!(r#"[4,"{id}","InternalError","no back end is subscribed to ocpp/cp/CP1",{{}}]"#);
    assert_eq!(answer, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn call_without_a_subscriber_is_answered_after_the_configured_wait() {
    let gateways = Gateways::start("wait_for_back_end = \"1s\"\n").await;
    for (gateway, _) in gateways.running {
        let mut charge_point = gateway.charge_point("CP1").await;
        let sent = Instant::now();
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        expect_no_back_end_error(&mut charge_point, "1").await;
        assert!((Duration::from_secs(1)..Duration::from_secs(15)).contains(&sent.elapsed()), "{:?}", sent.elapsed());
        gateway.until(NO_BACK_END, 1.0).await;
        charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
        expect_no_back_end_error(&mut charge_point, "2").await;
        gateway
            .until(r#"ocpp_gateway_calls_total{direction="uplink",action="Heartbeat",outcome="no_back_end"}"#, 2.0)
            .await;
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn call_without_a_subscriber_is_answered_at_once_if_the_wait_is_zero() {
    let gateways = Gateways::start("wait_for_back_end = \"0s\"\n").await;
    for (gateway, _) in gateways.running {
        let mut charge_point = gateway.charge_point("CP1").await;
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        expect_no_back_end_error(&mut charge_point, "1").await;
        assert_eq!(gateway.metric(r#"ocpp_gateway_mqtt_no_subscriber_total{type="CALL"}"#).await, 1.0);
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn back_end_that_subscribes_in_time_gets_each_call_once_and_in_order() {
    let gateways = Gateways::start("").await;
    for (gateway, broker) in gateways.running {
        let mut charge_point = gateway.charge_point("CP1").await;
        for id in ["1", "2", "3"] {
            charge_point.send(&format!(r#"[2,"{id}","Heartbeat",{{}}]"#)).await;
        }
        sleep(Duration::from_secs(2)).await;
        let mut back_end = BackEnd::listen(broker, "ocpp/cp/#").await;
        for id in ["1", "2", "3"] {
            assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object(id, "Heartbeat", "{}"));
            back_end.publish("ocpp/cs/CP1", result_object(id, "{}")).await;
            assert_eq!(charge_point.text().await, format!(r#"[3,"{id}",{{}}]"#));
        }
        // No other message arrives before the next CALL.
        charge_point.send(r#"[2,"4","Heartbeat",{}]"#).await;
        assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("4", "Heartbeat", "{}"));
        assert_eq!(gateway.metric(NO_BACK_END).await, 0.0);
        gateway.stop().await;
    }
}

/// The back end sends CALLs and subscribes only to answers.
#[tokio::test(flavor = "multi_thread")]
async fn answers_do_not_wait_behind_calls_without_a_subscriber() {
    let gateways = Gateways::start("wait_for_back_end = \"1h\"\n").await;
    for (gateway, broker) in gateways.running {
        let mut charge_point = gateway.charge_point("CP1").await;
        let mut back_end = BackEnd::listen(broker, "ocpp/cp/CP1/Reply").await;
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        gateway.until(r#"ocpp_gateway_mqtt_no_subscriber_total{type="CALL"}"#, 1.0).await;
        back_end.publish("ocpp/cs/CP1", call_object("7", "Reset", "{}")).await;
        assert_eq!(charge_point.text().await, r#"[2,"7","Reset",{}]"#);
        charge_point.send(r#"[3,"7",{"status":"Accepted"}]"#).await;
        assert_eq!(back_end.expect_on("ocpp/cp/CP1/Reply").await, result_object("7", r#"{"status":"Accepted"}"#));
        gateway.stop().await;
    }
}
