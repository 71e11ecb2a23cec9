//! The broker goes away and comes back.

use crate::{SIZE, Stand};
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use std::time::Duration;
use tokio::time::sleep;

/// CALLs fail sooner than an outage lasts, and no sooner than a busy machine answers them.
const IMPATIENT: &str = "ocpp.call_timeout = \"3s\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_with_its_session() {
    let mut broker = Mosquitto::start(true).await;
    let stand = Stand::start(&broker.url(), &broker.url(), "").await;
    for _ in 0..3 {
        broker.terminate();
        broker.restart().await;
        stand.works().await;
    }
    stand.settle().await;
}

/// What such a broker held is lost, and what is published before the gateway has subscribed again goes nowhere: CALLs of
/// the back end pause meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_without_its_session() {
    let mut broker = Mosquitto::start(false).await;
    let stand = Stand::start(&broker.url(), &broker.url(), IMPATIENT).await;
    for round in ["a", "b", "c"] {
        stand.back_end.finish(&Default::default()).await;
        broker.kill();
        stand.until_broker_is_missed().await;
        broker.restart().await;
        stand.gateway.wait_until_ready().await;
        stand.back_end.wait_until_back().await;
        stand.back_end.start_calling(round).await;
        stand.works().await;
    }
    assert_eq!(stand.gateway.metrics().await.get("mqtt_subscriptions"), SIZE);
    stand.back_end.finish(&Default::default()).await;
    stand.fleet.finish().await;
    let metrics = stand.gateway.metrics().await;
    let book = stand.log.book();
    book.each_uplink_call_is_answered(false);
    book.each_downlink_call_is_answered_or_reported(&Default::default(), stand.back_end.resent());
    book.failures_agree_with(&metrics);
}

/// CALLs wait for it, and none fails, although it is away for longer than a CALL may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_longer_than_calls_may_take() {
    let mut broker = Mosquitto::start(true).await;
    let stand = Stand::start(&broker.url(), &broker.url(), IMPATIENT).await;
    broker.terminate();
    stand.until_broker_is_missed().await;
    // How long it is away is what is tested.
    sleep(Duration::from_secs(5)).await;
    let metrics = stand.gateway.metrics().await;
    assert_eq!((metrics.incidents("uplink", "timed_out"), metrics.get("connections")), (0, SIZE), "{metrics:?}");
    broker.restart().await;
    stand.works().await;
    stand.settle().await;
}

/// Each CALL is answered with a result after the broker is back, or its charge point was disconnected before it was
/// told anything, and will send it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_disconnects_charge_points() {
    const AWAY: &str = r#"closed_total{reason="broker_away"}"#;
    let mut broker = Mosquitto::start(true).await;
    let toml = format!("{IMPATIENT}\nmqtt.outage_after = \"4s\"");
    let stand = Stand::start(&broker.url(), &broker.url(), &toml).await;
    for round in 1..=2 {
        stand.back_end.finish(&Default::default()).await;
        broker.terminate();
        stand
            .until("all are disconnected, and none comes in", |metrics| {
                metrics.get(AWAY) == round * SIZE
                    && metrics.get("connections") == 0
                    && metrics.get(r#"refused_total{reason="unavailable"}"#) > 0
            })
            .await;
        broker.restart().await;
        stand.fleet.wait_until_connected().await;
        stand.until_subscribed().await;
        stand.back_end.wait_until_back().await;
        stand.back_end.start_calling(&round.to_string()).await;
        stand.works().await;
    }
    stand.back_end.finish(&Default::default()).await;
    stand.fleet.finish().await;
    let metrics = stand.gateway.metrics().await;
    let book = stand.log.book();
    book.each_uplink_call_is_answered(true);
    book.each_downlink_call_is_answered_or_reported(&Default::default(), stand.back_end.resent());
    book.failures_agree_with(&metrics);
    assert_eq!(metrics.incidents("uplink", "timed_out"), 0, "{metrics:?}");
    // What was withdrawn is what the back end did not get.
    let missing = book.sent.keys().filter(|id| !book.got.contains(*id)).count();
    assert!(missing <= metrics.lost("CALL"), "{missing} did not arrive\n{metrics:?}");
}
