//! The opening handshake: which connections are accepted, with which version, and how others are refused.

use crate::Running;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use ocpp_gateway_testkit::port::ReservedPort;

async fn status(gateway: &Running, path: &str) -> u16 {
    match ChargePoint::connect(gateway.ocpp(), path, &["ocpp1.6"]).await {
        Ok(_) => 101,
        Err(refused) => refused.status,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_identities_get_404() {
    let gateway = Running::start("").await;
    let long = format!("/ocpp/{}", "x".repeat(49));
    for path in [
        "/",
        "/ocpp",
        "/ocpp/",
        "/other/CP1",
        "/ocpp/a/b",
        "/ocpp/a%2Fb",
        "/ocpp/a+b",
        "/ocpp/a%23b",
        "/ocpp/a%00b",
        "/ocpp/%2E%2E",
        "/ocpp/a%E2%80%AEb",
        &long,
    ] {
        assert_eq!(status(&gateway, path).await, 404, "{path}");
    }
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="not_found"}"#).await, 12.0);
    let mut back_end = gateway.back_end().await;
    let mut decoded = gateway.charge_point("CP%20%C3%A9").await;
    decoded.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP é").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_missing_from_a_configured_list_get_404() {
    let gateway = Running::start("[ocpp]\nidentities = [\"CP1\"]").await;
    assert_eq!(status(&gateway, "/ocpp/CP1").await, 101);
    assert_eq!(status(&gateway, "/ocpp/CP2").await, 404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_offered_version_that_is_enabled_is_chosen() {
    let gateway = Running::start("[ocpp]\nversions = [\"ocpp1.6\", \"ocpp2.0.1\"]").await;
    for (offer, agreed) in [
        (&["ocpp2.0.1"][..], Some("ocpp2.0.1")),
        (&["ocpp2.1, ocpp2.0.1 ,ocpp1.6"], Some("ocpp2.0.1")),
        (&["ocpp2.1", "OCPP1.6 "], Some("OCPP1.6")),
        (&[], None),
    ] {
        let charge_point = raw_handshake(&gateway, "/ocpp/CP1", offer).await;
        assert_eq!(charge_point.status, 101, "{offer:?}");
        assert_eq!(charge_point.subprotocol.as_deref(), agreed, "{offer:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_without_a_common_version_is_closed_after_the_handshake() {
    let gateway = Running::start("").await;
    let answer = raw_handshake(&gateway, "/ocpp/CP1", &["ocpp1.5", "soap"]).await;
    assert_eq!((answer.status, answer.subprotocol), (101, None));
    // The close frame: opcode 8, code 1002.
    assert_eq!((answer.first_frame[0], &answer.first_frame[2..4]), (0x88, &1002_u16.to_be_bytes()[..]));
    assert_eq!(gateway.metric(r#"ocpp_gateway_closed_total{reason="no_common_version"}"#).await, 1.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_offers_no_version_can_be_refused() {
    let gateway = Running::start("[ocpp]\ndefault_version = \"refuse\"").await;
    let refused = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP1", &[]).await.err().expect("refused");
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("ocpp2.0.1"), "{}", refused.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_points_get_503_with_retry_after_until_the_broker_is_reached() {
    let port = ReservedPort::new();
    let gateway = Running::start_unready(&format!("[mqtt]\nurl = \"mqtt://{}\"", port.address())).await;
    let refused = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP1", &["ocpp1.6"]).await.err().expect("refused");
    assert_eq!(refused.status, 503);
    let seconds: u64 = refused.retry_after.expect("Retry-After").parse().expect("seconds");
    assert!((1..=10).contains(&seconds));
    let readiness = gateway.admin("/readyz").await;
    assert!(readiness.starts_with("HTTP/1.1 503") && readiness.contains("mqtt subscriber"), "{readiness}");
    assert!(gateway.admin("/healthz").await.starts_with("HTTP/1.1 200"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_over_the_limit_gets_503_with_retry_after() {
    let gateway = Running::start("[ocpp]\nmax_connections = 1").await;
    let first = gateway.charge_point("CP1").await;
    let refused = ChargePoint::connect(gateway.ocpp(), "/ocpp/CP2", &["ocpp1.6"]).await.err().expect("refused");
    assert_eq!(refused.status, 503);
    assert!(refused.retry_after.is_some());
    first.close().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_connection_wins_and_survives_the_close_of_the_old_one() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut old = gateway.charge_point("CP1").await;
    let mut new = gateway.charge_point("CP1").await;
    let (code, reason) = old.closed().await.expect("a reason");
    assert_eq!(code, 1008, "{reason}");
    old.close().await;
    new.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    back_end.publish("ocpp/cs/CP1", crate::result_object("1", "{}")).await;
    assert_eq!(new.text().await, r#"[3,"1",{}]"#);
    assert_eq!(gateway.metric("ocpp_gateway_connections").await, 1.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_connection_stays_where_duplicates_are_refused() {
    let gateway = Running::start("[ocpp]\non_duplicate = \"refuse\"").await;
    let first = gateway.charge_point("CP1").await;
    assert_eq!(status(&gateway, "/ocpp/CP1").await, 403);
    first.close().await;
    gateway.stop().await;
}

/// The response to an upgrade request, and the first bytes after it.
struct HandshakeResponse {
    status: u16,
    subprotocol: Option<String>,
    first_frame: Vec<u8>,
}

async fn raw_handshake(gateway: &Running, path: &str, offers: &[&str]) -> HandshakeResponse {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(gateway.ocpp()).await.expect("connected");
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    offers.iter().for_each(|offer| request += &format!("Sec-WebSocket-Protocol: {offer}\r\n"));
    stream.write_all((request + "\r\n").as_bytes()).await.expect("sent");
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        assert!(stream.read_buf(&mut bytes).await.expect("answered") > 0, "closed");
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let subprotocol = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: ")).map(str::to_owned);
    let expects_frame = !offers.is_empty() && subprotocol.is_none();
    while expects_frame && bytes.len() < end + 4 {
        assert!(stream.read_buf(&mut bytes).await.expect("a frame") > 0, "closed");
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    HandshakeResponse { status, subprotocol, first_frame: bytes[end..].to_vec() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_concurrent_handshakes_wins_where_duplicates_are_refused() {
    let gateway = Running::start("[ocpp]\non_duplicate = \"refuse\"").await;
    let address = gateway.ocpp();
    let handshakes = (0..16).map(|_| tokio::spawn(ChargePoint::connect(address, "/ocpp/CP1", &["ocpp1.6"])));
    let mut connected = Vec::new();
    for handshake in handshakes.collect::<Vec<_>>() {
        match handshake.await.expect("no panic") {
            Ok(charge_point) => connected.push(charge_point),
            Err(refused) => assert_eq!(refused.status, 403),
        }
    }
    // A second connection that passes the check before the first is registered is closed as a duplicate.
    if connected.len() > 1 {
        gateway.until(r#"ocpp_gateway_closed_total{reason="duplicate"}"#, connected.len() as f64 - 1.0).await;
    }
    gateway.until("ocpp_gateway_connections", 1.0).await;
    assert_eq!(gateway.metric("ocpp_gateway_connected_total").await, 1.0);
    gateway.stop().await;
}
