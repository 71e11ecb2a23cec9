//! The network between the gateway and the broker breaks; both stay.

use crate::{SIZE, Stand};
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use ocpp_gateway_testkit::proxy::{Proxy, Weather};

const IMPATIENT: &str = "ocpp.call_timeout = \"1s\"";

async fn through(weather: Weather) {
    let broker = Mosquitto::start(true).await;
    let proxy = Proxy::start(broker.address()).await;
    let stand = Stand::start(&proxy.url(), &broker.url(), IMPATIENT).await;
    for times in 1..=2 {
        proxy.set(weather);
        stand
            .until("each charge point is told that it gets no answer", |metrics| {
                metrics.incidents("uplink", "timed_out") >= times * SIZE
            })
            .await;
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
