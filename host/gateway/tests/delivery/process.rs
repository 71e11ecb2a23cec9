//! The gateway itself goes away and comes back.

use crate::Stand;
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use ocpp_gateway_testkit::proxy::{Proxy, Weather};
use std::collections::BTreeSet;

/// Open CALLs are finished, what waits is published, and what comes for the charge points while nobody is there waits with
/// the broker and is answered with an error afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_stopped_and_started_again() {
    let broker = Mosquitto::start(true).await;
    let mut stand = Stand::start(&broker.url(), &broker.url(), "").await;
    for round in ["a", "b"] {
        // Each answer and each report makes the back end call again, until nobody is there to answer or to report.
        let said = stand.gateway.terminate().await;
        assert!(!said.contains("not taken by the broker") && !said.contains("did not end in time"), "{said}");
        // What is published before a charge point has come back may go nowhere: nobody subscribes for it.
        stand.back_end.stop_calling();
        assert_ne!(stand.log.open_downlinks(), BTreeSet::new());
        stand.gateway.restart().await;
        stand.back_end.finish(&BTreeSet::new()).await;
        stand.fleet.wait_until_connected().await;
        stand.until_subscribed().await;
        stand.back_end.start_calling(round).await;
        stand.works().await;
    }
    stand.back_end.finish(&BTreeSet::new()).await;
    stand.fleet.finish().await;
    let book = stand.log.book();
    book.each_uplink_call_is_answered(true);
    book.each_downlink_call_is_answered_or_reported(&BTreeSet::new(), stand.back_end.resent());
    // A CALL that the gateway has taken in is answered before it goes.
    let broken = book.broken();
    assert!(broken.iter().all(|id| !book.got.contains(id)), "{broken:?}");
}

/// What is open at that moment is lost with the process: charge points see their connections end, and the last will
/// tells back ends. Everything after it is accounted for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_and_started_again() {
    let broker = Mosquitto::start(true).await;
    let mut stand = Stand::start(&broker.url(), &broker.url(), "mqtt.status_topic = \"gateways/one\"").await;
    let mut lost = BTreeSet::new();
    for round in ["a", "b"] {
        let mut status = ocpp_gateway_testkit::back_end::BackEnd::listen(broker.address(), "gateways/one").await;
        assert_eq!(status.expect_on("gateways/one").await, "online");
        stand.gateway.kill();
        assert_eq!(status.expect_on("gateways/one").await, "offline");
        lost.extend(stand.log.open_downlinks());
        // What is published from now on is not.
        stand.back_end.start_calling(&format!("away-{round}")).await;
        stand.back_end.stop_calling();
        stand.gateway.restart().await;
        stand.back_end.finish(&lost).await;
        stand.fleet.wait_until_connected().await;
        stand.until_subscribed().await;
        // Whoever waits for one that is lost does not call again: call everybody once more.
        stand.back_end.start_calling(round).await;
        stand.works().await;
    }
    stand.back_end.finish(&lost).await;
    stand.fleet.finish().await;
    let book = stand.log.book();
    book.each_uplink_call_is_answered(true);
    book.each_downlink_call_is_answered_or_reported(&lost, stand.back_end.resent());
}

/// The broker takes nothing more while the gateway stops: it stops all the same, and says how much that has cost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_stopped_while_the_broker_stalls() {
    let broker = Mosquitto::start(true).await;
    let proxy = Proxy::start(broker.address()).await;
    let toml = "shutdown.grace = \"1s\"\nocpp.call_timeout = \"2s\"";
    let mut stand = Stand::start(&proxy.url(), &broker.url(), toml).await;
    proxy.set(Weather::Stalled);
    let said = stand.gateway.terminate().await;
    let lost = said.split_once(" messages were not taken by the broker").expect(&said).0;
    let lost: usize = lost.rsplit(' ').next().and_then(|number| number.parse().ok()).expect(&said);
    let book = stand.log.book();
    let broken = book.broken();
    let missing = broken.iter().filter(|id| !book.got.contains(*id)).count();
    let unanswered = book.taken.iter().filter(|id| book.published[*id].is_empty()).count();
    // Of each charge point at most the CALL that it had open and the answer to the one that was open for it, or a report.
    assert!(lost <= 3 * crate::SIZE, "{lost} of {missing} and {unanswered}");
    assert!(unanswered <= lost, "{unanswered} answers of charge points have gone, {lost} were counted");
}
