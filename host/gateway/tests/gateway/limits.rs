//! Each limit takes effect, is counted, and does not affect other charge points.

use crate::Running;
use ocpp_gateway_testkit::charge_point::{ChargePoint, Refused};
use std::time::{Duration, Instant};

async fn connect(gateway: &Running, id: &str) -> Result<ChargePoint, Refused> {
    ChargePoint::connect(gateway.ocpp(), &format!("/ocpp/{id}"), &["ocpp1.6"]).await
}

async fn limited(gateway: &Running, limit: &str) -> f64 {
    gateway.metric(&format!(r#"ocpp_gateway_limited_total{{limit="{limit}"}}"#)).await
}

async fn retry_until_connected(gateway: &Running, id: &str) -> ChargePoint {
    let connecting = async {
        loop {
            match connect(gateway, id).await {
                Ok(charge_point) => return charge_point,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(ocpp_gateway_testkit::TIMEOUT, connecting).await.expect("connected in time")
}

/// The seconds of `Retry-After`, which every refusal has.
fn retry_after(refused: &Refused) -> u64 {
    refused.retry_after.as_deref().expect("Retry-After").parse().expect("seconds")
}

#[tokio::test(flavor = "multi_thread")]
async fn total_connections_are_limited() {
    let gateway = Running::start("[ocpp]\nmax_connections = 2").await;
    let _others = (gateway.charge_point("CP1").await, gateway.charge_point("CP2").await);
    let refused = connect(&gateway, "CP3").await.err().expect("refused");
    assert_eq!(refused.status, 503);
    assert!((1..=10).contains(&retry_after(&refused)));
    assert_eq!(limited(&gateway, "max_connections").await, 1.0);
    // A connection that replaces the one of the same identity does not count twice.
    let _again = gateway.charge_point("CP1").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_handshakes_do_not_exceed_the_connection_limit() {
    let gateway = Running::start("[ocpp]\nmax_connections = 3").await;
    let address = gateway.ocpp();
    let attempts = (0..32).map(|n| {
        let path = format!("/ocpp/CP{n}");
        tokio::spawn(async move { ChargePoint::connect(address, &path, &["ocpp1.6"]).await })
    });
    let mut connected = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.expect("no panic") {
            Ok(charge_point) => connected.push(charge_point),
            Err(refused) => assert_eq!(refused.status, 503),
        }
    }
    // Connections accepted before the limit was reached, but registered after, are closed with 1013 (try again later).
    gateway.until(r#"ocpp_gateway_limited_total{limit="max_connections"}"#, 29.0).await;
    gateway.until("ocpp_gateway_connections", 3.0).await;
    let refused = gateway.metric(r#"ocpp_gateway_refused_total{reason="unavailable"}"#).await as usize;
    assert_eq!(connected.len() + refused, 32);
    let mut closing = tokio::task::JoinSet::new();
    for mut charge_point in connected {
        closing.spawn(async move { charge_point.closed().await });
    }
    for _ in 0..closing.len() - 3 {
        let (code, _) = closing.join_next().await.expect("one more").expect("no panic").expect("a reason");
        assert_eq!(code, 1013);
    }
    assert_eq!(gateway.metric("ocpp_gateway_connections").await, 3.0, "the others stay connected");
    drop(closing);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_per_address_are_limited() {
    let gateway = Running::start("[ocpp]\nmax_connections_per_address = 2").await;
    let first = gateway.charge_point("CP1").await;
    let _second = gateway.charge_point("CP2").await;
    let refused = connect(&gateway, "CP3").await.err().expect("refused");
    assert_eq!(refused.status, 429);
    assert!((1..=10).contains(&retry_after(&refused)));
    assert_eq!(limited(&gateway, "max_connections_per_address").await, 1.0);
    // Another address is not limited.
    let other = ChargePoint::connect_from("127.0.0.2", gateway.ocpp(), "/ocpp/CP4").await;
    other.expect("accepted").close().await;
    // A closed connection no longer counts.
    first.close().await;
    let _third = retry_until_connected(&gateway, "CP3").await;
    gateway.stop().await;
}

/// Refused connections of an address that is at its limit do not use up the rate for others.
#[tokio::test(flavor = "multi_thread")]
async fn address_over_its_limit_does_not_use_up_the_accept_rate() {
    let gateway = Running::start("[ocpp]\nmax_connections_per_address = 1\naccept_rate = 1").await;
    let _one = gateway.charge_point("CP1").await;
    for _ in 0..12 {
        assert_eq!(connect(&gateway, "CP2").await.err().expect("refused").status, 429);
    }
    // The second admission, a second after the first.
    let other = ChargePoint::connect_from("127.0.0.2", gateway.ocpp(), "/ocpp/CP3").await;
    other.expect("accepted").close().await;
    assert_eq!(limited(&gateway, "accept_rate").await, 0.0);
    gateway.stop().await;
}

/// Connections far beyond the limit are closed without a response; other addresses still connect.
#[tokio::test(flavor = "multi_thread")]
async fn connection_flood_from_one_address_is_closed() {
    let gateway = Running::start("[ocpp]\nmax_connections_per_address = 1\nhandshake_timeout = \"1min\"").await;
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(tokio::net::TcpStream::connect(gateway.ocpp()).await.expect("connected"));
    }
    // One connection is allowed, and 16 more may stay open to be answered with 429.
    gateway.until(r#"ocpp_gateway_refused_total{reason="too_many_from_address"}"#, 83.0).await;
    let other = ChargePoint::connect_from("127.0.0.2", gateway.ocpp(), "/ocpp/CP1").await;
    other.expect("accepted").close().await;
    drop(flood);
    let _here = retry_until_connected(&gateway, "CP2").await;
    gateway.stop().await;
}

/// Silent sockets count like charge points, and one address may have only its share of them.
#[tokio::test(flavor = "multi_thread")]
async fn sockets_in_a_handshake_are_limited_in_total_and_per_address() {
    let gateway = Running::start("[ocpp]\nmax_connections = 2\nhandshake_timeout = \"5min\"").await;
    let one = gateway.charge_point("CP1").await;
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(tokio::net::TcpStream::connect(gateway.ocpp()).await.expect("connected"));
    }
    gateway.until(r#"ocpp_gateway_refused_total{reason="too_many_from_address"}"#, 16.0).await;
    assert_eq!(limited(&gateway, "handshakes_per_address").await, 16.0);
    // 65 of 66 sockets are open: another address gets the last one.
    let two = ChargePoint::connect_from("127.0.0.2", gateway.ocpp(), "/ocpp/CP2").await.expect("accepted");
    let _ = ChargePoint::connect_from("127.0.0.2", gateway.ocpp(), "/ocpp/CP1").await.err().expect("cut off");
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="no_room"}"#).await, 1.0);
    assert_eq!(limited(&gateway, "sockets").await, 1.0);
    drop((silent, one, two));
    let _again = retry_until_connected(&gateway, "CP1").await;
    gateway.stop().await;
}

/// Charge points that reconnect all at once, and wait as `Retry-After` says.
#[tokio::test(flavor = "multi_thread")]
async fn reconnect_storm_is_admitted_at_the_rate_and_refused_with_retry_after() {
    const STORM: usize = 400;
    let gateway = Running::start("[ocpp]\naccept_rate = 100").await;
    let address = gateway.ocpp();
    let start = Instant::now();
    let attempts: Vec<_> = (0..STORM)
        .map(|n| {
            tokio::spawn(async move {
                let mut refusals = 0;
                loop {
                    match ChargePoint::connect(address, &format!("/ocpp/CP{n}"), &["ocpp1.6"]).await {
                        Ok(charge_point) => return (charge_point, refusals),
                        Err(refused) => {
                            assert_eq!(refused.status, 503);
                            refusals += 1;
                            tokio::time::sleep(Duration::from_secs(retry_after(&refused))).await;
                        }
                    }
                }
            })
        })
        .collect();
    let mut back = Vec::new();
    let mut refusals = 0;
    for attempt in attempts {
        let (charge_point, refused) = attempt.await.expect("no panic");
        back.push(charge_point);
        refusals += refused;
    }
    let took = start.elapsed();
    gateway.until("ocpp_gateway_connections", STORM as f64).await;
    assert_eq!(limited(&gateway, "accept_rate").await, f64::from(refusals));
    assert!(refusals > 0, "not all of them fit into the queue");
    // The rate of one second is admitted at once, the others at the rate.
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert!(took <= Duration::from_secs(20), "{took:?}");
    gateway.stop().await;
}

const SEND: &str = r#"[6,"1","NotifyPeriodicEventStream",{}]"#;

#[tokio::test(flavor = "multi_thread")]
async fn charge_point_over_its_message_rate_is_slowed_down_without_loss() {
    let gateway = Running::start("[ocpp]\nmessage_rate = 50").await;
    let mut back_end = gateway.back_end().await;
    let mut fast = gateway.charge_point_of("FAST", "ocpp2.1").await;
    let mut slow = gateway.charge_point("SLOW").await;
    let start = Instant::now();
    for _ in 0..150 {
        fast.send(SEND).await;
    }
    // Messages of another charge point are not delayed.
    slow.send(r#"[2,"1","Heartbeat",{}]"#).await;
    let mut arrived = 0;
    loop {
        match back_end.message().await {
            (topic, _) if topic == "ocpp/cp/SLOW" => break,
            _ => arrived += 1,
        }
    }
    assert!(arrived < 150);
    while arrived < 150 {
        back_end.expect_on("ocpp/cp/FAST").await;
        arrived += 1;
    }
    // 50 at once, the other 100 at 50 a second.
    assert!(start.elapsed() >= Duration::from_millis(1900), "{:?}", start.elapsed());
    assert!(limited(&gateway, "message_rate").await > 0.0);
    assert_eq!(limited(&gateway, "total_message_rate").await, 0.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn total_message_rate_is_limited_and_shared_fairly() {
    let gateway = Running::start("[ocpp]\ntotal_message_rate = 100").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_points = Vec::new();
    for n in 0..10 {
        charge_points.push(gateway.charge_point_of(&format!("CP{n}"), "ocpp2.1").await);
    }
    let start = Instant::now();
    for _ in 0..30 {
        for charge_point in &mut charge_points {
            charge_point.send(SEND).await;
        }
    }
    let mut last = std::collections::HashMap::new();
    for number in 0..300 {
        let (topic, _) = back_end.message().await;
        last.insert(topic, number);
    }
    assert!(start.elapsed() >= Duration::from_millis(1900), "{:?}", start.elapsed());
    // A few charge points may use up the burst. After that all are served evenly: most end late and close together.
    let late = last.values().filter(|number| **number >= 200).count();
    assert!(last.len() == 10 && late >= 5, "{last:?}");
    assert!(limited(&gateway, "total_message_rate").await > 0.0);
    gateway.stop().await;
}

/// The rate limit may delay messages longer than the idle timeout: the charge point is not idle, its data is unread.
#[tokio::test(flavor = "multi_thread")]
async fn charge_point_held_back_by_the_rate_limit_is_not_idle() {
    // Shorter than a second, which each message waits for, and long enough for the first one to be sent.
    let gateway = Running::start("[ocpp]\nmessage_rate = 1\nidle_timeout = \"800ms\"\nping_interval = \"0s\"").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP1", &["ocpp2.1"]).await.expect("accepted");
    for _ in 0..4 {
        charge_point.send(SEND).await;
    }
    for _ in 0..4 {
        back_end.expect_on("ocpp/cp/CP1").await;
    }
    // Now the charge point is idle.
    let (code, reason) = charge_point.closed().await.expect("a reason");
    assert_eq!(code, 1008, "{reason}");
    assert_eq!(gateway.metric(r#"ocpp_gateway_closed_total{reason="silent"}"#).await, 1.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_count_together_towards_the_message_size_limit() {
    let gateway = Running::start("[ocpp]\nmax_message_size = 1000").await;
    let mut other = gateway.charge_point("CP2").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let fragment = |opcode: u8| {
        let mut frame = vec![opcode, 0x80 | 126, 600_u16.to_be_bytes()[0], 600_u16.to_be_bytes()[1], 0, 0, 0, 0];
        frame.extend([b' '; 600]);
        frame
    };
    charge_point.send_raw(&fragment(0x01)).await;
    charge_point.send_raw(&fragment(0x00)).await;
    assert_eq!(charge_point.closed().await.expect("a reason").0, 1009);
    assert_eq!(gateway.metric(r#"ocpp_gateway_closed_total{reason="too_large"}"#).await, 1.0);
    let mut back_end = gateway.back_end().await;
    other.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP2").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshake_duration_is_limited() {
    let gateway = Running::start("[ocpp]\nhandshake_timeout = \"200ms\"").await;
    let answer = crate::exchange_raw(gateway.ocpp(), b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\n").await;
    assert_eq!(answer, "");
    gateway.until(r#"ocpp_gateway_refused_total{reason="timed_out"}"#, 1.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshake_size_is_limited() {
    let gateway = Running::start("[ocpp]\nmax_header_size = 500").await;
    let padding = "x".repeat(500);
    for rest in ["", "\r\n\r\n"] {
        let request = format!("GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nX-Padding: {padding}{rest}");
        let answer = crate::exchange_raw(gateway.ocpp(), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    gateway.until(r#"ocpp_gateway_refused_total{reason="header_too_large"}"#, 2.0).await;
    gateway.charge_point("CP1").await.close().await;
    gateway.stop().await;
}
