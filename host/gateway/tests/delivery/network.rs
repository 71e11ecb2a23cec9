//! Faults of the network between gateway and broker, both of which keep running.

use crate::program::Counters;
use crate::{SIZE, Stand};
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use ocpp_gateway_testkit::proxy::{LinkState, Proxy};

const SHORT_TIMEOUT: &str = "ocpp.call_timeout = \"1s\"";

/// A lost connection pauses the timeouts of CALLs. A connection without answers does not until it is given up: CALLs
/// time out.
async fn expect_recovery_from(weather: LinkState) {
    let broker = Mosquitto::start(true).await;
    let proxy = Proxy::start(broker.address()).await;
    let stand = Stand::start(&proxy.url(), &broker.url(), SHORT_TIMEOUT).await;
    for round in 1..=2 {
        proxy.set(weather);
        if weather == LinkState::Cut {
            stand.wait_until_broker_is_lost().await;
        } else {
            let timed_out = |metrics: &Counters| metrics.incidents("uplink", "timed_out") >= round * SIZE;
            stand.until("a CALL of each charge point times out", timed_out).await;
        }
        proxy.set(LinkState::Up);
        stand.wait_for_round().await;
    }
    stand.finish_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_accounted_for_when_connections_to_the_broker_are_cut() {
    expect_recovery_from(LinkState::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_accounted_for_when_the_network_stalls() {
    expect_recovery_from(LinkState::Stalled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_accounted_for_when_the_network_loses_all_data() {
    expect_recovery_from(LinkState::Lossy).await;
}
