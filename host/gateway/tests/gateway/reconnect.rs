//! A charge point that connects again: the end of the old connection is reported before the start of the new one.

use crate::Running;
use crate::admin::{event, open};
use crate::transforms::transform;
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::broker::{ScriptedBroker, Seen};
use ocpp_gateway_testkit::charge_point::ChargePoint;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const EVENTS: &str = "[events]\nconnected = \"ev/on\"\ndisconnected = \"ev/off\"\n";

/// Number of simultaneous connections of one charge point.
const BURST: usize = 60;

fn number(event: &str) -> u64 {
    let event: serde_json::Value = serde_json::from_str(event).expect("JSON");
    event["connection"].as_u64().expect("a number")
}

/// Asserts that starts (`true`) and ends of connections alternate, beginning with a start.
fn assert_alternating(what: &str, starts: &[bool]) {
    assert!(starts.iter().enumerate().all(|(place, is_start)| *is_start == (place % 2 == 0)), "{what}: {starts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_connection_of_a_burst_ends_before_the_next_begins() {
    let gateway = Running::start(&(EVENTS.to_owned() + &transform("events", "publish the event", ""))).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "#").await;
    let stream = open(gateway.addresses.admin, "GET", "/api/v1/events", &[], "").await;
    let mut watched = BufReader::new(stream).lines();
    while !watched.next_line().await.expect("read").expect("a head").is_empty() {}

    let address = gateway.ocpp();
    let attempts: Vec<_> =
        (0..BURST).map(|_| tokio::spawn(ChargePoint::connect(address, "/ocpp/BAD1", &["ocpp1.6"]))).collect();
    let mut connected = Vec::new();
    for attempt in attempts {
        connected.push(attempt.await.expect("no panic").expect("accepted"));
    }
    drop(connected);

    let (mut events, mut hooks) = (Vec::new(), Vec::new());
    while events.len() + hooks.len() < 4 * BURST {
        let (topic, text) = back_end.message().await;
        match topic.as_str() {
            "ev/on" => events.push((true, number(&text))),
            "ev/off" => events.push((false, number(&text))),
            "ocpp/cp/BAD1/news" => hooks.push(text == "connected"),
            _ => panic!("{topic} {text}"),
        }
    }
    assert_alternating("events", &events.iter().map(|(is_start, _)| *is_start).collect::<Vec<_>>());
    for pair in events.chunks(2) {
        assert_eq!(pair[0].1, pair[1].1, "the same connection ends: {events:?}");
    }
    assert_alternating("hooks", &hooks);
    let mut seen = Vec::new();
    for _ in 0..2 * BURST {
        seen.push(event(&mut watched).await.0 == "connected");
    }
    assert_alternating("admin", &seen);
    gateway.stop().await;
}

/// The sockets of the old connections are neither read nor closed. The gateway gives up closing each after two seconds.
#[tokio::test(flavor = "multi_thread")]
async fn dead_socket_of_the_old_connection_does_not_delay_the_new_one() {
    let gateway = Running::start(EVENTS).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "#").await;
    let start = Instant::now();
    let mut kept = Vec::new();
    for round in 0..6 {
        let mut charge_point = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP1", &["ocpp1.6"]).await.expect("accepted");
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        kept.push(charge_point);
        if round > 0 {
            // An open CALL of the old connection is not reported.
            let report = back_end.message().await;
            assert_eq!(report.0, "ev/off");
        }
        assert_eq!(back_end.message().await.0, "ev/on");
        assert_eq!(back_end.message().await.0, "ocpp/cp/CP1");
    }
    // Waiting for each close would take five times two seconds.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(9), "{took:?}");
    gateway.stop().await;
}

fn publishes(seen: &[Seen]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let published = seen.iter().filter_map(Seen::publish);
    published.map(|publish| (publish.topic.clone(), text(&publish.payload))).collect()
}

/// Messages of the old connection are queued at the publisher when the first message of the new one is queued too.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_the_old_connection_are_published_before_those_of_the_new() {
    const SENT: usize = 3000;
    let broker = ScriptedBroker::start().await;
    let gateway = Running::start(&format!("{EVENTS}[mqtt]\nurl = {:?}", broker.url())).await;
    let mut old = gateway.charge_point_of("CP1", "ocpp2.1").await;
    broker.seen_by(|seen| publishes(seen).iter().any(|(topic, _)| topic == "ev/on")).await;
    broker.script(|script| script.acknowledge = false);
    for number in 0..SENT {
        old.send(&format!(r#"[6,"{number:04}","NotifyEvent",{{}}]"#)).await;
    }
    let taken = r#"ocpp_gateway_messages_total{direction="uplink",type="SEND"}"#;
    // Waits until nothing more is read from the connection.
    let (mut count, mut same) = (0.0, 0);
    while same < 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = gateway.metric(taken).await;
        same = if now == count { same + 1 } else { 0 };
        count = now;
    }
    assert!(count < SENT as f64, "back-pressure stops reading");
    let mut new = gateway.charge_point_of("CP1", "ocpp2.1").await;
    new.send(r#"[6,"new","NotifyEvent",{}]"#).await;
    gateway.until(taken, count + 1.0).await;
    // Frees one place at a time, for which both connections wait.
    for _ in 0..50 {
        broker.acknowledge(broker.held().first().copied());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    broker.script(|script| script.acknowledge = true);
    broker.acknowledge(broker.held());

    let seen = broker.seen_by(|seen| publishes(seen).iter().any(|(_, text)| text.contains("\"new\""))).await;
    let published = publishes(&seen);
    let sent = &published[1..published.len() - 3];
    assert_eq!(sent.len(), count as usize);
    for (number, (topic, text)) in sent.iter().enumerate() {
        assert!(topic == "ocpp/cp/CP1" && text.contains(&format!("\"{number:04}\"")), "{number}: {topic} {text}");
    }
    let last: Vec<&str> = published[published.len() - 3..].iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(last, ["ev/off", "ev/on", "ocpp/cp/CP1"]);
    gateway.stop().await;
}
