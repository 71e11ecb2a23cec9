//! The broker goes away and comes back.

use crate::{SIZE, Stand};
use ocpp_gateway_testkit::mosquitto::Mosquitto;

/// CALLs fail sooner than an outage lasts.
const IMPATIENT: &str = "ocpp.call_timeout = \"1s\"";

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
        stand.office.finish(&Default::default()).await;
        broker.kill();
        stand
            .until("the broker is missed", |metrics| {
                metrics.get(r#"mqtt_connected{connection="subscriber"}"#) == 0
                    && metrics.get(r#"mqtt_connected{connection="publisher"}"#) == 0
            })
            .await;
        broker.restart().await;
        stand.gateway.wait_until_ready().await;
        stand.office.wait_until_back().await;
        stand.office.start_calling(round).await;
        stand.works().await;
    }
    assert_eq!(stand.gateway.metrics().await.get("mqtt_subscriptions"), SIZE);
    stand.office.finish(&Default::default()).await;
    stand.fleet.finish().await;
    let metrics = stand.gateway.metrics().await;
    let book = stand.ledger.book();
    book.each_uplink_call_is_answered(false);
    book.each_downlink_call_is_answered_or_reported(&Default::default(), stand.office.resent());
    book.failures_agree_with(&metrics);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_longer_than_calls_wait() {
    let mut broker = Mosquitto::start(true).await;
    let stand = Stand::start(&broker.url(), &broker.url(), IMPATIENT).await;
    broker.terminate();
    stand
        .until("each charge point is told three times", |metrics| {
            let told = metrics.incidents("uplink", "timed_out") >= 3 * SIZE;
            // One CALL of each is waiting, and the answers to what it was asked last.
            assert!(metrics.get("mqtt_backlog") <= 8 * SIZE, "{metrics:?}");
            told
        })
        .await;
    broker.restart().await;
    stand.works().await;
    stand.settle().await;
}
