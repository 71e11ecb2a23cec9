//! Those at the ends are slow.

use crate::back_end::Answering;
use crate::fleet::connect;
use crate::{SIZE, Stand};
use futures_util::SinkExt as _;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// Every tenth CALL is answered when the charge point has given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_that_answers_too_late() {
    let broker = Mosquitto::start(true).await;
    let answering = Answering { late: |id| id.ends_with('7'), ..Answering::default() };
    let stand = Stand::start_with(&broker.url(), &broker.url(), "ocpp.call_timeout = \"500ms\"", answering).await;
    stand.until("late answers", |metrics| metrics.incidents("downlink", "unknown_call") >= SIZE).await;
    stand.settle().await;
}

/// It takes nothing of what it is sent. Each message for it is reported, and its neighbours do not feel it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_point_that_takes_nothing() {
    const CALLS: usize = 400;
    let broker = Mosquitto::start(true).await;
    let stand = Stand::start(&broker.url(), &broker.url(), "ocpp.call_timeout = \"1s\"").await;
    let _deaf = connect(stand.gateway.ocpp, "DEAF").await.expect("let in");
    stand.until("it is subscribed", |metrics| metrics.get("subscribed") == SIZE + 1).await;
    // Far more than the buffers of both ends and of the network between them hold.
    let padding = "x".repeat(100_000);
    for number in 0..CALLS {
        let id = format!("deaf-{number}");
        let call = format!(
            r#"{{"MessageTypeId":2,"UniqueId":"{id}","Action":"DataTransfer","Payload":{{"data":"{padding}"}}}}"#
        );
        stand.log.book().published.insert(id, Vec::new());
        stand.back_end.publish("ocpp/cs/DEAF".into(), call).await;
    }
    stand
        .until("all are reported", |metrics| {
            metrics.incidents("downlink", "queue_full") + metrics.incidents("downlink", "timed_out") >= CALLS
        })
        .await;
    stand.works().await;
    stand.settle().await;
}

/// It never reads, and what it writes calls for answers: the gateway stops listening to it before it keeps more of them than
/// a few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_point_that_writes_and_does_not_read() {
    const MANY: usize = 10_000_000;
    let broker = Mosquitto::start(true).await;
    let stand = Stand::start(&broker.url(), &broker.url(), "").await;
    let mut chatterbox = connect(stand.gateway.ocpp, "CHATTERBOX").await.expect("let in");
    let mut written = 0;
    // An answer to each of these repeats its id.
    let text = format!(r#"[2,"{}","Heartbeat",[]]"#, "x".repeat(36));
    while timeout(Duration::from_secs(2), chatterbox.send(Message::text(text.clone()))).await.is_ok() {
        written += 1;
        assert!(written < MANY, "it takes everything");
    }
    let refused = stand.gateway.metrics().await.incidents("uplink", "bad_frame");
    assert!((1..=written).contains(&refused), "{refused} of {written}");
    drop(chatterbox);
    timeout(TIMEOUT, stand.works()).await.expect("its neighbours are served");
    stand.settle().await;
}
