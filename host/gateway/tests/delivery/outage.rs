//! Outages of the broker.

use crate::{SIZE, Stand};
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use std::time::Duration;
use tokio::time::sleep;

/// CALLs that the broker has lost time out soon.
const SHORT_TIMEOUT: &str = "ocpp.call_timeout = \"3s\"";

/// Shorter than the outages below, and long enough for an answer on a busy machine, where one has taken more than 3 s.
const OUTLASTED_TIMEOUT: &str = "ocpp.call_timeout = \"8s\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_accounted_for_when_the_broker_restarts_with_sessions() {
    let mut broker = Mosquitto::start(true).await;
    let stand = Stand::start(&broker.url(), &broker.url(), "").await;
    for _ in 0..3 {
        broker.terminate();
        broker.restart().await;
        stand.wait_for_round().await;
    }
    stand.finish_and_check().await;
}

/// The broker loses its messages, and drops what is published before the gateway has subscribed again: the back end
/// pauses its CALLs meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_answered_when_the_broker_restarts_without_sessions() {
    let mut broker = Mosquitto::start(false).await;
    let stand = Stand::start(&broker.url(), &broker.url(), SHORT_TIMEOUT).await;
    for round in ["a", "b", "c"] {
        stand.back_end.finish(&Default::default()).await;
        broker.kill();
        stand.wait_until_broker_is_lost().await;
        broker.restart().await;
        stand.gateway.wait_until_ready().await;
        stand.back_end.wait_until_subscribed().await;
        stand.back_end.start_calling(round).await;
        stand.wait_for_round().await;
    }
    assert_eq!(stand.gateway.metrics().await.get("mqtt_subscriptions"), SIZE);
    stand.back_end.finish(&Default::default()).await;
    stand.fleet.finish().await;
    let metrics = stand.gateway.metrics().await;
    let entries = stand.log.entries();
    entries.assert_uplink_calls_answered(false);
    entries.assert_downlink_calls_answered_or_reported(&Default::default(), stand.back_end.resent());
    entries.assert_failures_counted(&metrics);
}

/// CALLs wait for the broker and none fails, although the outage is longer than their timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_when_an_outage_is_longer_than_the_call_timeout() {
    let mut broker = Mosquitto::start(true).await;
    let stand = Stand::start(&broker.url(), &broker.url(), OUTLASTED_TIMEOUT).await;
    broker.terminate();
    stand.wait_until_broker_is_lost().await;
    // The duration of the outage is what is tested.
    sleep(Duration::from_secs(10)).await;
    let metrics = stand.gateway.metrics().await;
    assert_eq!((metrics.incidents("uplink", "timed_out"), metrics.get("connections")), (0, SIZE), "{metrics:?}");
    broker.restart().await;
    stand.wait_for_round().await;
    stand.finish_and_check().await;
}

/// Each CALL is answered with a result after the outage, or its charge point is disconnected without an answer and will
/// repeat the CALL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_gets_an_error_when_an_outage_disconnects_charge_points() {
    const CLOSED: &str = r#"closed_total{reason="broker_away"}"#;
    let mut broker = Mosquitto::start(true).await;
    let toml = format!("{OUTLASTED_TIMEOUT}\nmqtt.outage_after = \"9s\"");
    let stand = Stand::start(&broker.url(), &broker.url(), &toml).await;
    for round in 1..=2 {
        stand.back_end.finish(&Default::default()).await;
        broker.terminate();
        stand
            .until("all are disconnected and refused", |metrics| {
                metrics.get(CLOSED) == round * SIZE
                    && metrics.get("connections") == 0
                    && metrics.get(r#"refused_total{reason="unavailable"}"#) > 0
            })
            .await;
        broker.restart().await;
        stand.fleet.wait_until_connected().await;
        stand.until_subscribed().await;
        stand.back_end.wait_until_subscribed().await;
        stand.back_end.start_calling(&round.to_string()).await;
        stand.wait_for_round().await;
    }
    stand.back_end.finish(&Default::default()).await;
    stand.fleet.finish().await;
    let metrics = stand.gateway.metrics().await;
    let entries = stand.log.entries();
    entries.assert_uplink_calls_answered(true);
    entries.assert_downlink_calls_answered_or_reported(&Default::default(), stand.back_end.resent());
    entries.assert_failures_counted(&metrics);
    assert_eq!(metrics.incidents("uplink", "timed_out"), 0, "{metrics:?}");
    // CALLs that the back end did not receive are counted as withdrawn.
    let missing = entries.sent.keys().filter(|id| !entries.received.contains(*id)).count();
    assert!(missing <= metrics.lost("CALL"), "{missing} did not arrive\n{metrics:?}");
}
