//! Hot swaps to transforms with other topics, under load: what is open under the old ones is answered under them.

use crate::Stand;
use crate::back_end::{Answering, MOUNT_POINT};
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use std::time::Duration;

/// What the mapping puts before its topics, in turn.
const MOUNT_POINTS: [&str; 3] = [MOUNT_POINT, "site", "depot"];

/// The standard mapping with this mount point. A CALL that is lost is soon seen to be.
fn mounted(mount_point: &str) -> String {
    let transform = "[[transforms]]\nname = \"standard\"\ncomponent = \"builtin:standard\"";
    format!("ocpp.call_timeout = \"6s\"\n{transform}\n[transforms.config]\nmountpoint = \"{mount_point}/\"")
}

impl Stand {
    /// Puts the mapping in place that has this mount point.
    async fn swap(&self, mount_point: &str) {
        const SWAPPED: &str = r#"transform_swaps_total{outcome="swapped"}"#;
        let before = self.gateway.metrics().await.get(SWAPPED);
        self.gateway.reload(&mounted(mount_point));
        self.until("swapped", |metrics| metrics.get(SWAPPED) > before).await;
    }

    /// Nothing has failed, and the topics of the last mapping are the only ones left.
    async fn settle_swaps(self) {
        self.until("the old topics are left", |metrics| metrics.get("mqtt_subscriptions") == crate::SIZE).await;
        let metrics = self.gateway.metrics().await;
        for direction in ["uplink", "downlink"] {
            for cause in ["timed_out", "disconnected", "unknown_call", "id_in_use", "internal"] {
                assert_eq!(metrics.incidents(direction, cause), 0, "{cause}\n{metrics:?}");
            }
        }
        self.settle().await;
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
    stand.works().await;
    stand.settle_swaps().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_swaps_to_other_topics_while_a_back_end_answers_at_once() {
    swap_under_load(Duration::ZERO, Duration::from_millis(50)).await;
}

/// Several swaps take place while one CALL is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_swaps_to_other_topics_while_a_back_end_takes_its_time() {
    swap_under_load(Duration::from_millis(300), Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_swaps_to_other_topics_while_the_broker_restarts() {
    let mut broker = Mosquitto::start(true).await;
    let answering = Answering { after: Duration::from_millis(300), ..Answering::default() };
    let stand = Stand::start_with(&broker.url(), &broker.url(), &mounted(MOUNT_POINT), answering).await;
    for round in 1..=3 {
        let mount_point = |number: usize| MOUNT_POINTS[(round + number) % MOUNT_POINTS.len()];
        // Right before it goes, while it is away, and right after it has come back.
        stand.swap(mount_point(0)).await;
        broker.terminate();
        stand.swap(mount_point(1)).await;
        broker.restart().await;
        stand.swap(mount_point(2)).await;
        stand.works().await;
        // CALLs of the first round may have gone out before the last topics were confirmed. The back end hears of these by
        // a CALL that comes on them, as long as it is still heard on the old ones.
        stand.works().await;
    }
    stand.settle_swaps().await;
}
