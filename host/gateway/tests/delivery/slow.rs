//! Slow back ends and charge points.

use crate::back_end::Answering;
use crate::fleet::connect;
use crate::{SIZE, Stand};
use futures_util::SinkExt as _;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// Every tenth CALL is answered after it has timed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_accounted_for_when_a_back_end_answers_too_late() {
    let broker = Mosquitto::start(true).await;
    let answering = Answering { late: |id| id.ends_with('7'), ..Answering::default() };
    let stand = Stand::start_with(&broker.url(), &broker.url(), "ocpp.call_timeout = \"500ms\"", answering).await;
    stand.until("late answers", |metrics| metrics.incidents("downlink", "unknown_call") >= SIZE).await;
    stand.finish_and_check().await;
}

/// The charge point does not read. Each message for it is reported, and other charge points are not affected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_to_a_charge_point_that_does_not_read_are_reported() {
    const CALLS: usize = 400;
    let broker = Mosquitto::start(true).await;
    let stand = Stand::start(&broker.url(), &broker.url(), "ocpp.call_timeout = \"1s\"").await;
    let _not_reading = connect(stand.gateway.ocpp, "STALLED").await.expect("accepted");
    stand.until("it is subscribed", |metrics| metrics.get("subscribed") == SIZE + 1).await;
    // Far more than the buffers of both ends and of the network can hold.
    let padding = "x".repeat(100_000);
    for number in 0..CALLS {
        let id = format!("stalled-{number}");
        let call = format!(
            r#"{{"MessageTypeId":2,"UniqueId":"{id}","Action":"DataTransfer","Payload":{{"data":"{padding}"}}}}"#
        );
        stand.log.entries().published.insert(id, Vec::new());
        stand.back_end.publish("ocpp/cs/STALLED".into(), call).await;
    }
    stand
        .until("all are reported", |metrics| {
            metrics.incidents("downlink", "queue_full") + metrics.incidents("downlink", "timed_out") >= CALLS
        })
        .await;
    stand.wait_for_round().await;
    stand.finish_and_check().await;
}

/// Back-pressure: the charge point never reads but sends frames that need answers. The gateway stops reading from it
/// before many answers are queued.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_stops_reading_from_a_charge_point_that_does_not_read() {
    const MANY: usize = 10_000_000;
    let broker = Mosquitto::start(true).await;
    let stand = Stand::start(&broker.url(), &broker.url(), "").await;
    let mut not_reading = connect(stand.gateway.ocpp, "STALLED").await.expect("accepted");
    let mut written = 0;
    // An answer to each of these repeats its id.
    let text = format!(r#"[2,"{}","Heartbeat",[]]"#, "x".repeat(36));
    while timeout(Duration::from_secs(2), not_reading.send(Message::text(text.clone()))).await.is_ok() {
        written += 1;
        assert!(written < MANY, "the gateway reads without limit");
    }
    let refused = stand.gateway.metrics().await.incidents("uplink", "bad_frame");
    assert!((1..=written).contains(&refused), "{refused} of {written}");
    drop(not_reading);
    timeout(TIMEOUT, stand.wait_for_round()).await.expect("other charge points are served");
    stand.finish_and_check().await;
}
