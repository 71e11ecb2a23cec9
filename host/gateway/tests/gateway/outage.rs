//! The broker is away, briefly and for longer.

use crate::Running;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::broker::{ConnectReturnCode, QoS, ScriptedBroker, Seen};
use ocpp_gateway_testkit::charge_point::{ChargePoint, Heard};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Long enough for an answer on a busy machine.
const CALL_TIMEOUT: Duration = Duration::from_millis(1500);

/// A gateway whose CALLs time out after [`CALL_TIMEOUT`].
async fn start(broker: &ScriptedBroker, mqtt: &str) -> Running {
    let url = broker.url();
    let call_timeout = CALL_TIMEOUT.as_millis();
    Running::start(&format!("[mqtt]\nurl = \"{url}\"\n{mqtt}\n[ocpp]\ncall_timeout = \"{call_timeout}ms\"")).await
}

async fn goes_away(broker: &ScriptedBroker, gateway: &Running) {
    broker.script(|script| script.connect = Some(ConnectReturnCode::ServiceUnavailable));
    broker.drop_connections(None);
    let noticed = async {
        while !gateway.admin("/readyz").await.starts_with("HTTP/1.1 503") {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, noticed).await.expect("noticed in time");
}

fn comes_back(broker: &ScriptedBroker) {
    broker.script(|script| script.connect = Some(ConnectReturnCode::Success));
}

/// The texts published on a topic so far.
fn published(seen: &[Seen], topic: &str) -> Vec<String> {
    let on_topic = seen.iter().filter_map(Seen::publish).filter(|publish| publish.topic == topic);
    on_topic.map(|publish| String::from_utf8_lossy(&publish.payload).into_owned()).collect()
}

/// As a back end would.
async fn answer(broker: &ScriptedBroker, id: &str) {
    let seen = broker.seen_by(|seen| published(seen, "ocpp/cp/CP1").iter().any(|text| text.contains(id))).await;
    let client = seen.iter().rev().find(|seen| seen.client_id.ends_with("-sub")).expect("a subscriber");
    let result = format!(r#"{{"MessageTypeId":3,"UniqueId":"{id}","Payload":{{}}}}"#);
    broker.inject(&client.client_id, "ocpp/cs/CP1", result, QoS::AtMostOnce, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_wait_for_a_broker_that_is_away_longer_than_they_may_take() {
    let broker = ScriptedBroker::start().await;
    let gateway = start(&broker, "").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    goes_away(&broker, &gateway).await;
    charge_point.send(r#"[2,"first","StopTransaction",{}]"#).await;
    let heard = timeout(2 * CALL_TIMEOUT, charge_point.hear()).await;
    assert!(heard.is_err(), "{heard:?}");
    comes_back(&broker);
    answer(&broker, "first").await;
    assert_eq!(charge_point.text().await, r#"[3,"first",{}]"#);

    // Its time goes on where it stood.
    goes_away(&broker, &gateway).await;
    charge_point.send(r#"[2,"second","StopTransaction",{}]"#).await;
    sleep(2 * CALL_TIMEOUT).await;
    comes_back(&broker);
    let told = charge_point.text().await;
    assert!(told.starts_with(r#"[4,"second","InternalError","no answer from the back end within 1.5s""#), "{told}");
    assert_eq!(published(&broker.seen(), "ocpp/cp/CP1").len(), 2, "it was given to back ends first");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_connects_while_the_broker_is_away_waits_too() {
    let broker = ScriptedBroker::start().await;
    let gateway = start(&broker, "").await;
    goes_away(&broker, &gateway).await;
    let mut charge_point = ChargePoint::ocpp16(gateway.ocpp(), "CP1").await;
    charge_point.send(r#"[2,"1","BootNotification",{}]"#).await;
    let heard = timeout(2 * CALL_TIMEOUT, charge_point.hear()).await;
    assert!(heard.is_err(), "{heard:?}");
    comes_back(&broker);
    answer(&broker, "1").await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_disconnects_before_anybody_is_told_an_error() {
    let broker = ScriptedBroker::start().await;
    let events = "outage_after = \"2s\"\n[events]\ndisconnected = \"events/${cid}\"";
    let gateway = start(&broker, events).await;
    let mut charge_point = gateway.charge_point("CP1").await;
    goes_away(&broker, &gateway).await;
    charge_point.send(r#"[2,"first","StopTransaction",{}]"#).await;
    let Heard::Closed(Some((code, reason))) = charge_point.hear().await else { panic!("told something else") };
    assert_eq!((code, reason.as_str()), (1013, "the MQTT broker is away: try again later"));
    gateway.until(r#"ocpp_gateway_closed_total{reason="broker_away"}"#, 1.0).await;
    gateway.until(r#"ocpp_gateway_mqtt_lost_total{reason="withdrawn",type="CALL"}"#, 1.0).await;
    assert_eq!(gateway.metric(r#"ocpp_gateway_incidents_total{direction="uplink",cause="timed_out"}"#).await, 0.0);

    let refused = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP1", &["ocpp1.6"]).await.err().expect("no room");
    assert_eq!(refused.status, 503);
    assert!(refused.retry_after.is_some());

    comes_back(&broker);
    gateway.wait_until_ready().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"again","StopTransaction",{}]"#).await;
    answer(&broker, "again").await;
    assert_eq!(charge_point.text().await, r#"[3,"again",{}]"#);
    let seen = broker.seen();
    let calls = published(&seen, "ocpp/cp/CP1");
    assert!(matches!(&calls[..], [again] if again.contains("again")), "{calls:?}");
    let gone = published(&seen, "events/CP1");
    assert!(matches!(&gone[..], [event] if event.contains(r#""reason":"broker_away""#)), "{gone:?}");
    gateway.stop().await;
}

/// Nobody sends these again.
#[tokio::test(flavor = "multi_thread")]
async fn answers_of_charge_points_outlast_an_outage() {
    let broker = ScriptedBroker::start().await;
    let gateway = start(&broker, "outage_after = \"600ms\"").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let client = broker.seen_by(|seen| seen.iter().any(|seen| seen.subscribed().is_some())).await;
    let client = client.iter().rev().find(|seen| seen.subscribed().is_some()).expect("a subscriber");
    let call = r#"{"MessageTypeId":2,"UniqueId":"7","Action":"Reset","Payload":{}}"#;
    broker.inject(&client.client_id, "ocpp/cs/CP1", call, QoS::AtMostOnce, 0);
    assert_eq!(charge_point.text().await, r#"[2,"7","Reset",{}]"#);
    goes_away(&broker, &gateway).await;
    charge_point.send(r#"[3,"7",{"status":"Accepted"}]"#).await;
    charge_point.closed().await;
    comes_back(&broker);
    let seen = broker.seen_by(|seen| !published(seen, "ocpp/cp/CP1/Reply").is_empty()).await;
    let replies = published(&seen, "ocpp/cp/CP1/Reply");
    assert_eq!(replies, [r#"{"MessageTypeId":3,"UniqueId":"7","Payload":{"status":"Accepted"}}"#]);
    gateway.stop().await;
}
