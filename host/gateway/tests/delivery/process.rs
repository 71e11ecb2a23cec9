//! Stop, kill and restart of the gateway.

use crate::Stand;
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use ocpp_gateway_testkit::proxy::{LinkState, Proxy};
use std::collections::BTreeSet;

/// A stopping gateway finishes open CALLs and publishes queued messages. CALLs published meanwhile wait at the broker
/// and are answered with an error after the restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_accounted_for_when_the_gateway_stops_and_restarts() {
    let broker = Mosquitto::start(true).await;
    let mut stand = Stand::start(&broker.url(), &broker.url(), "").await;
    for round in ["a", "b"] {
        // The back end sends a CALL after each answer or report, so that some arrive after the gateway has stopped.
        let log = stand.gateway.terminate().await;
        assert!(!log.contains("not acknowledged by the broker") && !log.contains("did not end in time"), "{log}");
        // CALLs pause: without a subscription, the broker drops what is published before a charge point reconnects.
        stand.back_end.stop_calling();
        assert_ne!(stand.log.open_downlinks(), BTreeSet::new());
        stand.gateway.restart().await;
        stand.back_end.finish(&BTreeSet::new()).await;
        stand.fleet.wait_until_connected().await;
        stand.until_subscribed().await;
        stand.back_end.start_calling(round).await;
        stand.wait_for_round().await;
    }
    stand.back_end.finish(&BTreeSet::new()).await;
    stand.fleet.finish().await;
    let entries = stand.log.entries();
    entries.assert_uplink_calls_answered(true);
    entries.assert_downlink_calls_answered_or_reported(&BTreeSet::new(), stand.back_end.resent());
    // Before it disconnects a charge point, the gateway answers every CALL that it has published.
    let disconnected = entries.disconnected();
    assert!(disconnected.iter().all(|id| !entries.received.contains(id)), "{disconnected:?}");
}

/// Open CALLs are lost with the process: the connections of charge points end, and the will tells back ends. Every
/// later message is accounted for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_after_a_kill_of_the_gateway_are_accounted_for() {
    let broker = Mosquitto::start(true).await;
    let mut stand = Stand::start(&broker.url(), &broker.url(), "mqtt.status_topic = \"gateways/one\"").await;
    let mut lost = BTreeSet::new();
    for round in ["a", "b"] {
        let mut status = ocpp_gateway_testkit::back_end::BackEnd::listen(broker.address(), "gateways/one").await;
        assert_eq!(status.expect_on("gateways/one").await, "online");
        stand.gateway.kill();
        assert_eq!(status.expect_on("gateways/one").await, "offline");
        lost.extend(stand.log.open_downlinks());
        // CALLs published from now on are not lost.
        stand.back_end.start_calling(&format!("away-{round}")).await;
        stand.back_end.stop_calling();
        stand.gateway.restart().await;
        stand.back_end.finish(&lost).await;
        stand.fleet.wait_until_connected().await;
        stand.until_subscribed().await;
        // A lost CALL is not followed by another, so this sends one to each charge point.
        stand.back_end.start_calling(round).await;
        stand.wait_for_round().await;
    }
    stand.back_end.finish(&lost).await;
    stand.fleet.finish().await;
    let entries = stand.log.entries();
    entries.assert_uplink_calls_answered(true);
    entries.assert_downlink_calls_answered_or_reported(&lost, stand.back_end.resent());
}

/// The broker accepts nothing while the gateway stops: the gateway stops nevertheless and logs the number of lost
/// messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_stops_and_counts_lost_messages_while_the_broker_stalls() {
    let broker = Mosquitto::start(true).await;
    let proxy = Proxy::start(broker.address()).await;
    let toml = "shutdown.grace = \"1s\"\nocpp.call_timeout = \"2s\"";
    let mut stand = Stand::start(&proxy.url(), &broker.url(), toml).await;
    proxy.set(LinkState::Stalled);
    let log = stand.gateway.terminate().await;
    let lost = log.split_once(" messages were not acknowledged by the broker").expect(&log).0;
    let lost: usize = lost.rsplit(' ').next().and_then(|number| number.parse().ok()).expect(&log);
    let entries = stand.log.entries();
    let disconnected = entries.disconnected();
    let missing = disconnected.iter().filter(|id| !entries.received.contains(*id)).count();
    let unanswered = entries.delivered.iter().filter(|id| entries.published[*id].is_empty()).count();
    // At most three per charge point: its open CALL, and the answer to the CALL open to it or a report.
    assert!(lost <= 3 * crate::SIZE, "{lost} of {missing} and {unanswered}");
    assert!(unanswered <= lost, "{unanswered} answers of charge points are lost, {lost} are counted");
}
