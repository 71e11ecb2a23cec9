//! The network between the gateway and the broker breaks; both stay.

use crate::program::Counters;
use crate::{SIZE, Stand};
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use ocpp_gateway_testkit::proxy::{Proxy, Weather};

const IMPATIENT: &str = "ocpp.call_timeout = \"1s\"";

/// A broker that does not answer is there until it is given up, and CALLs time out meanwhile; one that is away is
/// waited for.
async fn through(weather: Weather) {
    let broker = Mosquitto::start(true).await;
    let proxy = Proxy::start(broker.address()).await;
    let stand = Stand::start(&proxy.url(), &broker.url(), IMPATIENT).await;
    for times in 1..=2 {
        proxy.set(weather);
        if weather == Weather::Cut {
            stand.until_broker_is_missed().await;
        } else {
            let timed_out = |metrics: &Counters| metrics.incidents("uplink", "timed_out") >= times * SIZE;
            stand.until("each charge point is told that it gets no answer", timed_out).await;
        }
        proxy.set(Weather::Fair);
        stand.works().await;
    }
    stand.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_cuts_connections() {
    through(Weather::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_stalls_without_closing() {
    through(Weather::Stalled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_loses_everything_from_some_point_on() {
    through(Weather::Lossy).await;
}
