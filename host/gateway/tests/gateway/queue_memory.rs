//! The memory of queued messages is limited, without loss of messages from charge points.

use crate::{Running, call_object, error_code};
use ocpp_gateway_testkit::broker::{Script, ScriptedBroker};
use ocpp_gateway_testkit::charge_point::ChargePoint;

const UPLINK: &str = r#"ocpp_gateway_queue_memory_bytes{direction="uplink"}"#;
const HELD: &str = r#"ocpp_gateway_limited_total{limit="queue_memory"}"#;

/// A CALL with a payload of `bytes` bytes: the frame, and the object that is published for it.
fn call(id: usize, bytes: usize) -> (String, String) {
    let payload = format!(r#"{{"x":"{}"}}"#, "y".repeat(bytes - 8));
    (format!(r#"[2,"{id}","DataTransfer",{payload}]"#), call_object(&id.to_string(), "DataTransfer", &payload))
}

/// A masked text frame; `first` is its first byte.
fn frame(first: u8, declared: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 126];
    frame.extend(declared.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The topics and payloads of the uplink messages published so far.
fn published(broker: &ScriptedBroker) -> Vec<(String, String)> {
    let seen = broker.seen();
    let publishes =
        seen.iter().filter_map(|seen| seen.publish()).filter(|publish| publish.topic.starts_with("ocpp/cp/"));
    publishes.map(|publish| (publish.topic.clone(), String::from_utf8_lossy(&publish.payload).into_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_a_stalled_broker_are_limited_and_arrive_in_order() {
    const CHARGE_POINTS: usize = 8;
    const CALLS: usize = 10;
    const BYTES: usize = 6 << 10;
    // Half of `runtime.queue_memory`, which is divided between the directions.
    const LIMIT: f64 = 32.0 * 1024.0;
    let broker = ScriptedBroker::start_with(Script { acknowledge: false, ..Script::default() }).await;
    let toml = format!(
        "[mqtt]\nurl = \"{}\"\n[runtime]\nqueue_memory = \"64KiB\"\n[ocpp]\nqueue_memory = \"32KiB\"",
        broker.url()
    );
    let gateway = Running::start(&toml).await;
    let mut charge_points = Vec::new();
    for number in 0..CHARGE_POINTS {
        let mut charge_point = gateway.charge_point(&format!("CP{number}")).await;
        for id in 0..CALLS {
            charge_point.send(&call(id, BYTES).0).await;
        }
        charge_points.push(charge_point);
    }
    // The limit may be exceeded by one message, with what the mapping adds to it.
    let most = LIMIT + (BYTES + 1024) as f64;
    while gateway.metric(HELD).await < CHARGE_POINTS as f64 {
        assert!(gateway.metric(UPLINK).await <= most);
        crate::pause().await;
    }
    assert!(published(&broker).len() < CHARGE_POINTS * CALLS / 2, "the broker received too many");

    while published(&broker).len() < CHARGE_POINTS * CALLS {
        broker.acknowledge(broker.held());
        assert!(gateway.metric(UPLINK).await <= most);
    }
    broker.acknowledge(broker.held());
    let published = published(&broker);
    for number in 0..CHARGE_POINTS {
        let topic = format!("ocpp/cp/CP{number}");
        let texts = published.iter().filter(|(on, _)| *on == topic).map(|(_, text)| text.clone());
        let expected: Vec<_> = (0..CALLS).map(|id| call(id, BYTES).1).collect();
        assert_eq!(texts.collect::<Vec<_>>(), expected, "{topic}");
    }
    broker.script(|script| script.acknowledge = true);
    gateway.until(UPLINK, 0.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn message_larger_than_the_queue_memory_passes_when_the_queue_is_empty() {
    let gateway = Running::start("[runtime]\nqueue_memory = \"16KiB\"\n[ocpp]\nqueue_memory = \"8KiB\"").await;
    let mut back_end = gateway.back_end().await;
    let (mut one, mut other) = (gateway.charge_point("CP1").await, gateway.charge_point("CP2").await);
    for id in 0..3 {
        let (text, object) = call(id, 200 << 10);
        one.send(&text).await;
        assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, object);
    }
    // In fragments, from two charge points at once.
    let text = call(4, 60 << 10).0;
    let (first, rest) = text.as_bytes().split_at(30_000);
    for part in [frame(0x01, 30_000, first), frame(0x80, rest.len() as u16, rest)] {
        one.send_raw(&part).await;
        other.send_raw(&part).await;
    }
    back_end.message().await;
    back_end.message().await;
    back_end.publish("ocpp/cs/CP1", call(5, 200 << 10).1).await;
    assert_eq!(one.text().await, call(5, 200 << 10).0);
    gateway.until(UPLINK, 0.0).await;
    gateway.until(r#"ocpp_gateway_queue_memory_bytes{direction="downlink"}"#, 0.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_over_the_queue_memory_are_reported_and_others_unaffected() {
    // 16 KiB for messages queued for charge points, and 16 KiB for messages being reported.
    let gateway = Running::start("[runtime]\nqueue_memory = \"128KiB\"\n[ocpp]\nqueue_memory = \"32KiB\"").await;
    let mut back_end = gateway.back_end().await;
    let (mut charge_point, mut other) = (gateway.charge_point("CP1").await, gateway.charge_point("CP2").await);
    const BYTES: usize = 5 << 10;
    for id in 0..20 {
        back_end.publish("ocpp/cs/CP1", call(id, BYTES).1).await;
    }
    assert_eq!(charge_point.text().await, call(0, BYTES).0);
    // The charge point answers only after the first refusal.
    let mut reported = vec![back_end.expect_on("ocpp/cp/CP1/Reply").await];
    back_end.publish("ocpp/cs/CP2", call(1, BYTES).1).await;
    assert_eq!(other.text().await, call(1, BYTES).0);
    let mut answered = 1;
    charge_point.send(r#"[3,"0",{}]"#).await;
    while answered + reported.len() < 20 {
        tokio::select! {
            text = charge_point.text() => {
                let id = text.split('"').nth(1).expect("an id");
                charge_point.send(&format!(r#"[3,"{id}",{{}}]"#)).await;
                answered += 1;
            }
            (_, report) = back_end.message() => if report.starts_with(r#"{"MessageTypeId":4"#) {
                reported.push(report);
            }
        }
    }
    for report in &reported {
        assert_eq!(error_code(report), "InternalError", "{report}");
        assert!(report.contains("memory") && !report.contains(r#""UniqueId":"-1""#), "{report}");
    }
    let counted = r#"ocpp_gateway_incidents_total{direction="downlink",cause="queue_full"}"#;
    gateway.until(counted, reported.len() as f64).await;
    gateway.until(r#"ocpp_gateway_queue_memory_bytes{direction="downlink"}"#, 0.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_sender_is_disconnected_when_others_wait_for_memory() {
    let toml = "[runtime]\nqueue_memory = \"32KiB\"\n[ocpp]\ncall_timeout = \"2s\"";
    let gateway = Running::start(toml).await;
    let mut back_end = gateway.back_end().await;
    let mut slow = gateway.charge_point("CP1").await;
    slow.send_raw(&frame(0x81, 15_000, b"[2,")).await;
    gateway.until(UPLINK, 15_000.0).await;
    let mut waiting = gateway.charge_point("CP2").await;
    let (text, object) = call(1, 10_000);
    waiting.send(&text).await;
    gateway.until(HELD, 1.0).await;
    // Small messages do not wait for memory.
    let mut other = gateway.charge_point("CP3").await;
    other.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP3").await;
    assert_eq!(slow.closed().await.expect("a reason").0, 1013);
    assert_eq!(back_end.expect_on("ocpp/cp/CP2").await, object);
    assert_eq!(gateway.metric(r#"ocpp_gateway_closed_total{reason="too_slow"}"#).await, 1.0);
    // If no message waits for memory, a slow sender stays connected.
    let mut slow_alone = ChargePoint::ocpp16(gateway.ocpp(), "CP4").await;
    let (text, object) = call(2, 15_000);
    let (beginning, rest) = text.as_bytes().split_at(8000);
    slow_alone.send_raw(&frame(0x81, text.len() as u16, beginning)).await;
    // Longer than the first slow sender was given.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    slow_alone.send_raw(rest).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP4").await, object);
    gateway.stop().await;
}
