//! Short and long outages of the broker.

use crate::Running;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::broker::{ConnectReturnCode, QoS, ScriptedBroker, Seen};
use ocpp_gateway_testkit::charge_point::{ChargePoint, Received};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Enough for an answer on a busy machine.
const CALL_TIMEOUT: Duration = Duration::from_millis(1500);

/// A gateway whose CALLs time out after [`CALL_TIMEOUT`].
async fn start(broker: &ScriptedBroker, mqtt: &str) -> Running {
    let url = broker.url();
    let call_timeout = CALL_TIMEOUT.as_millis();
    Running::start(&format!("[mqtt]\nurl = \"{url}\"\n{mqtt}\n[ocpp]\ncall_timeout = \"{call_timeout}ms\"")).await
}

async fn start_outage(broker: &ScriptedBroker, gateway: &Running) {
    broker.script(|script| script.connect = Some(ConnectReturnCode::ServiceUnavailable));
    broker.drop_connections(None);
    let noticed = async {
        while !gateway.admin("/readyz").await.starts_with("HTTP/1.1 503") {
            crate::pause().await;
        }
    };
    timeout(TIMEOUT, noticed).await.expect("noticed in time");
}

fn end_outage(broker: &ScriptedBroker) {
    broker.script(|script| script.connect = Some(ConnectReturnCode::Success));
}

/// The texts published on a topic so far.
fn published(seen: &[Seen], topic: &str) -> Vec<String> {
    let on_topic = seen.iter().filter_map(Seen::publish).filter(|publish| publish.topic == topic);
    on_topic.map(|publish| String::from_utf8_lossy(&publish.payload).into_owned()).collect()
}

/// Answers CALL `id` as a back end would.
async fn answer(broker: &ScriptedBroker, id: &str) {
    let seen = broker.seen_by(|seen| published(seen, "ocpp/cp/CP1").iter().any(|text| text.contains(id))).await;
    let client = seen.iter().rev().find(|seen| seen.client_id.ends_with("-sub")).expect("a subscriber");
    let result = format!(r#"{{"MessageTypeId":3,"UniqueId":"{id}","Payload":{{}}}}"#);
    broker.inject(&client.client_id, "ocpp/cs/CP1", result, QoS::AtMostOnce, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_wait_for_the_broker_longer_than_their_timeout() {
    let broker = ScriptedBroker::start().await;
    let gateway = start(&broker, "").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    start_outage(&broker, &gateway).await;
    charge_point.send(r#"[2,"first","StopTransaction",{}]"#).await;
    let received = timeout(2 * CALL_TIMEOUT, charge_point.receive()).await;
    assert!(received.is_err(), "{received:?}");
    end_outage(&broker);
    answer(&broker, "first").await;
    assert_eq!(charge_point.text().await, r#"[3,"first",{}]"#);

    // The timeout is paused during an outage and continues after it.
    start_outage(&broker, &gateway).await;
    charge_point.send(r#"[2,"second","StopTransaction",{}]"#).await;
    sleep(2 * CALL_TIMEOUT).await;
    end_outage(&broker);
    let answer = charge_point.text().await;
    assert!(answer.starts_with(r#"[4,"second","InternalError","no answer from the back end within 1.5s""#), "{answer}");
    assert_eq!(published(&broker.seen(), "ocpp/cp/CP1").len(), 2, "the CALL is published before it times out");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_charge_points_that_connect_during_an_outage_wait() {
    let broker = ScriptedBroker::start().await;
    let gateway = start(&broker, "").await;
    start_outage(&broker, &gateway).await;
    let mut charge_point = ChargePoint::ocpp16(gateway.ocpp(), "CP1").await;
    charge_point.send(r#"[2,"1","BootNotification",{}]"#).await;
    let received = timeout(2 * CALL_TIMEOUT, charge_point.receive()).await;
    assert!(received.is_err(), "{received:?}");
    end_outage(&broker);
    answer(&broker, "1").await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outage_disconnects_charge_points_before_calls_get_errors() {
    let broker = ScriptedBroker::start().await;
    let events = "outage_after = \"2s\"\n[events]\ndisconnected = \"events/${cid}\"";
    let gateway = start(&broker, events).await;
    let mut charge_point = gateway.charge_point("CP1").await;
    start_outage(&broker, &gateway).await;
    charge_point.send(r#"[2,"first","StopTransaction",{}]"#).await;
    let Received::Closed(Some((code, reason))) = charge_point.receive().await else { panic!("another message") };
    assert_eq!((code, reason.as_str()), (1013, "the MQTT broker is away: try again later"));
    gateway.until(r#"ocpp_gateway_closed_total{reason="broker_away"}"#, 1.0).await;
    gateway.until(r#"ocpp_gateway_mqtt_lost_total{reason="withdrawn",type="CALL"}"#, 1.0).await;
    assert_eq!(gateway.metric(r#"ocpp_gateway_incidents_total{direction="uplink",cause="timed_out"}"#).await, 0.0);

    let refused = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP1", &["ocpp1.6"]).await.err().expect("refused");
    assert_eq!(refused.status, 503);
    assert!(refused.retry_after.is_some());

    end_outage(&broker);
    gateway.wait_until_ready().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"again","StopTransaction",{}]"#).await;
    answer(&broker, "again").await;
    assert_eq!(charge_point.text().await, r#"[3,"again",{}]"#);
    let seen = broker.seen();
    let calls = published(&seen, "ocpp/cp/CP1");
    assert!(matches!(&calls[..], [again] if again.contains("again")), "{calls:?}");
    let disconnects = published(&seen, "events/CP1");
    assert!(matches!(&disconnects[..], [event] if event.contains(r#""reason":"broker_away""#)), "{disconnects:?}");
    gateway.stop().await;
}

/// Charge points do not repeat answers.
#[tokio::test(flavor = "multi_thread")]
async fn answers_of_charge_points_are_published_after_an_outage() {
    let broker = ScriptedBroker::start().await;
    let gateway = start(&broker, "outage_after = \"600ms\"").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let client = broker.seen_by(|seen| seen.iter().any(|seen| seen.subscribed().is_some())).await;
    let client = client.iter().rev().find(|seen| seen.subscribed().is_some()).expect("a subscriber");
    let call = r#"{"MessageTypeId":2,"UniqueId":"7","Action":"Reset","Payload":{}}"#;
    broker.inject(&client.client_id, "ocpp/cs/CP1", call, QoS::AtMostOnce, 0);
    assert_eq!(charge_point.text().await, r#"[2,"7","Reset",{}]"#);
    start_outage(&broker, &gateway).await;
    charge_point.send(r#"[3,"7",{"status":"Accepted"}]"#).await;
    charge_point.closed().await;
    end_outage(&broker);
    let seen = broker.seen_by(|seen| !published(seen, "ocpp/cp/CP1/Reply").is_empty()).await;
    let replies = published(&seen, "ocpp/cp/CP1/Reply");
    assert_eq!(replies, [r#"{"MessageTypeId":3,"UniqueId":"7","Payload":{"status":"Accepted"}}"#]);
    gateway.stop().await;
}
