//! Invalid input from a charge point: the gateway answers or closes, and other connections keep working.

use crate::{Running, result_object};
use ocpp_gateway_testkit::charge_point::ChargePoint;

/// Runs `act` as charge point `BAD`, then checks that the messages of another charge point still pass.
async fn with_other_charge_point(toml: &str, act: impl AsyncFnOnce(&Running, ChargePoint)) {
    let gateway = Running::start(toml).await;
    let mut other = gateway.charge_point("OTHER").await;
    let bad = ChargePoint::connect(gateway.ocpp(), "/ocpp/BAD", &["ocpp2.0.1"]).await.expect("accepted");
    act(&gateway, bad).await;
    let mut back_end = gateway.back_end().await;
    other.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/OTHER").await;
    back_end.publish("ocpp/cs/OTHER", result_object("1", "{}")).await;
    assert_eq!(other.text().await, r#"[3,"1",{}]"#);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_frames_are_answered_and_the_connection_stays_open() {
    with_other_charge_point("", async |_, mut bad| {
        let brackets = "[".repeat(1 << 20);
        for text in ["garbage", "[2,\"1\",\"Heart", "{}", "", &brackets] {
            bad.send(text).await;
            let answer = bad.text().await;
            assert!(answer.starts_with(r#"[4,""#) && answer.contains("RpcFrameworkError"), "{answer}");
            assert!(answer.len() < 300, "the text is never echoed: {answer}");
        }
        bad.send(r#"[2,"id","Heartbeat",[]]"#).await;
        assert!(bad.text().await.starts_with(r#"[4,"id","RpcFrameworkError""#));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_message_closes_with_1003() {
    with_other_charge_point("", async |_, mut bad| {
        bad.send_binary(b"[2,\"1\",\"Heartbeat\",{}]").await;
        assert_eq!(bad.closed().await.expect("a reason").0, 1003);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_utf8_closes_with_1007() {
    with_other_charge_point("", async |_, mut bad| {
        // A final text frame of two masked bytes, with a mask of zeros: 0xC3 0x28.
        bad.send_raw(&[0x81, 0x82, 0, 0, 0, 0, 0xC3, 0x28]).await;
        assert_eq!(bad.closed().await.expect("a reason").0, 1007);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_closes_with_1009() {
    with_other_charge_point("[ocpp]\nmax_message_size = 1000", async |_, mut bad| {
        bad.send(&"x".repeat(100_000)).await;
        assert_eq!(bad.closed().await.expect("a reason").0, 1009);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_protocol_error_closes_with_1002() {
    with_other_charge_point("", async |_, mut bad| {
        // Opcode 3 does not exist.
        bad.send_raw(&[0x83, 0x80, 0, 0, 0, 0]).await;
        assert_eq!(bad.closed().await.expect("a reason").0, 1002);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_lost_within_a_frame_is_removed() {
    with_other_charge_point("", async |gateway, mut bad| {
        bad.send_raw(&[0x81, 0xFE, 0x10, 0x00, 0, 0]).await;
        drop(bad);
        while gateway.metric("ocpp_gateway_connections").await > 1.0 {
            crate::pause().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_handshakes_are_counted_and_closed() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    with_other_charge_point("[ocpp]\nhandshake_timeout = \"1s\"", async |gateway, _bad| {
        for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET / HTTP/1.1\r\n\r\n", b"GET /ocpp/CP1 HTTP"] {
            let mut stream = tokio::net::TcpStream::connect(gateway.ocpp()).await.expect("connected");
            stream.write_all(bytes).await.expect("sent");
            // The response, if any, does not matter: the connection is closed.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        let counted = gateway.metric(r#"ocpp_gateway_refused_total{reason="not_websocket"}"#).await
            + gateway.metric(r#"ocpp_gateway_refused_total{reason="timed_out"}"#).await;
        assert_eq!(counted, 3.0);
    })
    .await;
}
