//! A charge point that connects again: everybody hears of the end of its old connection before they hear of the new one.

use crate::Running;
use crate::admin::{event, open};
use crate::transforms::transform;
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::broker::{ScriptedBroker, Seen};
use ocpp_gateway_testkit::charge_point::ChargePoint;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const EVENTS: &str = "[events]\nconnected = \"ev/on\"\ndisconnected = \"ev/off\"\n";

/// So many connections of one charge point at once.
const BURST: usize = 60;

fn number(event: &str) -> u64 {
    let event: serde_json::Value = serde_json::from_str(event).expect("JSON");
    event["connection"].as_u64().expect("a number")
}

/// Whether beginnings and ends take turns.
fn assert_in_turn(what: &str, heard: &[bool]) {
    assert!(heard.iter().enumerate().all(|(place, is_begin)| *is_begin == (place % 2 == 0)), "{what}: {heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_burst_each_connection_ends_before_the_next_begins() {
    let gateway = Running::start(&(EVENTS.to_owned() + &transform("events", "publish the event", ""))).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "#").await;
    let stream = open(gateway.addresses.admin, "GET", "/api/v1/events", &[], "").await;
    let mut watched = BufReader::new(stream).lines();
    while !watched.next_line().await.expect("read").expect("a head").is_empty() {}

    let address = gateway.ocpp();
    let callers: Vec<_> =
        (0..BURST).map(|_| tokio::spawn(ChargePoint::connect(address, "/ocpp/BAD1", &["ocpp1.6"]))).collect();
    let mut connected = Vec::new();
    for caller in callers {
        connected.push(caller.await.expect("no panic").expect("let in"));
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
    assert_in_turn("events", &events.iter().map(|(is_begin, _)| *is_begin).collect::<Vec<_>>());
    for pair in events.chunks(2) {
        assert_eq!(pair[0].1, pair[1].1, "the same connection ends: {events:?}");
    }
    assert_in_turn("hooks", &hooks);
    let mut seen = Vec::new();
    for _ in 0..2 * BURST {
        seen.push(event(&mut watched).await.0 == "connected");
    }
    assert_in_turn("admin", &seen);
    gateway.stop().await;
}

/// The old connections' sockets take nothing and are never closed: closing each is given up after two seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_old_socket_does_not_hold_up_the_new_connection() {
    let gateway = Running::start(EVENTS).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "#").await;
    let start = Instant::now();
    let mut kept = Vec::new();
    for round in 0..6 {
        let mut charge_point = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP1", &["ocpp1.6"]).await.expect("let in");
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        kept.push(charge_point);
        if round > 0 {
            // Its CALL was open.
            let report = back_end.message().await;
            assert_eq!(report.0, "ev/off");
        }
        assert_eq!(back_end.message().await.0, "ev/on");
        assert_eq!(back_end.message().await.0, "ocpp/cp/CP1");
    }
    // Five times two seconds, if each were waited for.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(9), "{took:?}");
    gateway.stop().await;
}

fn publishes(seen: &[Seen]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let published = seen.iter().filter_map(Seen::publish);
    published.map(|publish| (publish.topic.clone(), text(&publish.payload))).collect()
}

/// What the old connection has to say waits for room with the publisher, which the new one's messages need too.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_of_the_old_connection_is_published_before_anything_of_the_new_one() {
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
    // Until nothing more is read from it.
    let (mut count, mut same) = (0.0, 0);
    while same < 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = gateway.metric(taken).await;
        same = if now == count { same + 1 } else { 0 };
        count = now;
    }
    assert!(count < SENT as f64, "there is room for all of it");
    let mut new = gateway.charge_point_of("CP1", "ocpp2.1").await;
    new.send(r#"[6,"new","NotifyEvent",{}]"#).await;
    gateway.until(taken, count + 1.0).await;
    // Room for one at a time, which both wait for.
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
