//! Hot swaps to transforms with other topics, under load: open CALLs are answered on the topics they were sent on.

use crate::Stand;
use crate::back_end::{Answering, MOUNT_POINT};
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use std::time::Duration;

/// The mount points of successive mappings.
const MOUNT_POINTS: [&str; 3] = [MOUNT_POINT, "site", "depot"];

/// The standard mapping with this mount point. Lost CALLs time out soon.
fn mounted(mount_point: &str) -> String {
    let transform = "[[transforms]]\nname = \"standard\"\ncomponent = \"builtin:standard\"";
    format!("ocpp.call_timeout = \"6s\"\n{transform}\n[transforms.config]\nmountpoint = \"{mount_point}/\"")
}

impl Stand {
    /// Swaps to the mapping with this mount point and waits until it is in use.
    async fn swap(&self, mount_point: &str) {
        const SWAPPED: &str = r#"transform_swaps_total{outcome="swapped"}"#;
        let before = self.gateway.metrics().await.get(SWAPPED);
        self.gateway.reload(&mounted(mount_point));
        self.until("swapped", |metrics| metrics.get(SWAPPED) > before).await;
    }

    /// Checks that nothing has failed and that only the topics of the last mapping are subscribed.
    async fn finish_and_check_swaps(self) {
        self.until("the old topics are unsubscribed", |metrics| metrics.get("mqtt_subscriptions") == crate::SIZE).await;
        let metrics = self.gateway.metrics().await;
        for direction in ["uplink", "downlink"] {
            for cause in ["timed_out", "disconnected", "unknown_call", "id_in_use", "internal"] {
                assert_eq!(metrics.incidents(direction, cause), 0, "{cause}\n{metrics:?}");
            }
        }
        self.finish_and_check().await;
    }
}

async fn swap_under_load(after: Duration, pause: Duration) {
    let broker = Mosquitto::start(true).await;
    let answering = Answering { after, ..Answering::default() };
    let stand = Stand::start_with(&broker.url(), &broker.url(), &mounted(MOUNT_POINT), answering).await;
    for number in 1..=12 {
        stand.swap(MOUNT_POINTS[number % MOUNT_POINTS.len()]).await;
        tokio::time::sleep(pause).await;
    }
    stand.wait_for_round().await;
    stand.finish_and_check_swaps().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topic_swaps_lose_nothing_while_the_back_end_answers_at_once() {
    swap_under_load(Duration::ZERO, Duration::from_millis(50)).await;
}

/// Several swaps take place while one CALL is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topic_swaps_lose_nothing_while_the_back_end_answers_slowly() {
    swap_under_load(Duration::from_millis(300), Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topic_swaps_lose_nothing_while_the_broker_restarts() {
    let mut broker = Mosquitto::start(true).await;
    let answering = Answering { after: Duration::from_millis(300), ..Answering::default() };
    let stand = Stand::start_with(&broker.url(), &broker.url(), &mounted(MOUNT_POINT), answering).await;
    for round in 1..=3 {
        let mount_point = |number: usize| MOUNT_POINTS[(round + number) % MOUNT_POINTS.len()];
        // Right before, during and right after the outage.
        stand.swap(mount_point(0)).await;
        broker.terminate();
        stand.swap(mount_point(1)).await;
        broker.restart().await;
        stand.swap(mount_point(2)).await;
        stand.wait_for_round().await;
        // CALLs of the first round may have been published before the last topics were confirmed. The back end learns
        // the new topics from CALLs on them, while the gateway still subscribes to the old ones.
        stand.wait_for_round().await;
    }
    stand.finish_and_check_swaps().await;
}
