//! The address of a charge point behind proxies, as the gateway publishes it in the connection event.

use crate::{Running, exchange_raw};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const EVENTS: &str = "[events]\nconnected = \"events/${cid}\"\n";

/// A configuration that trusts proxies on loopback and in 10.0.0.0/8.
fn trusting(more: &str) -> String {
    format!("{EVENTS}[ocpp]\ntrusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n{more}")
}

fn request(headers: &str) -> Vec<u8> {
    format!(
        "GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n{headers}\r\n"
    )
    .into_bytes()
}

/// The same request with `?` replaced by these bytes.
fn with_bytes(headers: &str, bytes: &[u8]) -> Vec<u8> {
    let text = request(headers);
    let place = text.iter().position(|&byte| byte == b'?').expect("a question mark");
    [&text[..place], bytes, &text[place + 1..]].concat()
}

/// Connects and sends these bytes. Returns the status, and the connection to keep it open.
async fn connect(gateway: &Running, bytes: &[u8]) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
    stream.write_all(bytes).await.expect("sent");
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).await.expect("answered");
    let status = String::from_utf8_lossy(&head[9..]).parse().expect("a status");
    (status, stream)
}

/// The address that the gateway publishes for a connection that begins with these bytes.
async fn published_address(gateway: &Running, back_end: &mut BackEnd, bytes: &[u8]) -> String {
    let (status, stream) = connect(gateway, bytes).await;
    assert_eq!(status, 101, "{}", String::from_utf8_lossy(bytes));
    let event = back_end.expect_on("events/CP1").await;
    drop(stream);
    let event: serde_json::Value = serde_json::from_str(&event).expect("JSON");
    event["address"].as_str().expect("an address").to_owned()
}

fn with_v1(header: &str, headers: &str) -> Vec<u8> {
    [header.as_bytes(), &request(headers)].concat()
}

fn with_v2(command: u8, family: u8, rest: &[u8], headers: &str) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[0x20 | command, family][..], &length, rest, &request(headers)].concat()
}

/// A checksum (CRC32c) behind [`ADDRESSES_V4`], which is right for a header of TCP over IPv4.
const CHECKSUM: [u8; 7] = [3, 0, 4, 0x71, 0x91, 0xA7, 0x77];

/// Source 203.0.113.7:1234, destination 192.0.2.1:33033, and an additional field (TLV).
const ADDRESSES_V4: [u8; 16] = [203, 0, 113, 7, 192, 0, 2, 1, 0x04, 0xD2, 0x81, 0x09, 0x04, 0, 1, 0];

#[tokio::test(flavor = "multi_thread")]
async fn address_from_a_trusted_proxy_is_used() {
    let gateway = Running::start(&trusting("")).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "events/#").await;
    let mut v6 = Vec::new();
    v6.extend("2001:db8::1".parse::<std::net::Ipv6Addr>().expect("an address").octets());
    v6.extend("2001:db8::2".parse::<std::net::Ipv6Addr>().expect("an address").octets());
    v6.extend([0x04, 0xD2, 0x81, 0x09]);
    for (bytes, address) in [
        (request("X-Forwarded-For: 203.0.113.7\r\n"), "203.0.113.7"),
        (request("X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nx-forwarded-for: 10.1.1.1\r\n"), "203.0.113.7"),
        // The client's own part of the header is not UTF-8.
        (with_bytes("X-Forwarded-For: ?, 203.0.113.7\r\n", b"\xff"), "203.0.113.7"),
        (with_v1("PROXY TCP4 203.0.113.7 192.0.2.1 1234 33033\r\n", ""), "203.0.113.7:1234"),
        (with_v1("PROXY TCP6 2001:db8::1 2001:db8::2 1234 33033\r\n", ""), "[2001:db8::1]:1234"),
        (with_v2(1, 0x11, &ADDRESSES_V4, ""), "203.0.113.7:1234"),
        (with_v2(1, 0x11, &[&ADDRESSES_V4[..], &CHECKSUM].concat(), ""), "203.0.113.7:1234"),
        (with_v2(1, 0x21, &v6, ""), "[2001:db8::1]:1234"),
        // The client behind a trusted proxy is not trusted itself: its header is ignored.
        (with_v2(1, 0x11, &ADDRESSES_V4, "X-Forwarded-For: 6.6.6.6\r\n"), "203.0.113.7:1234"),
        // Two proxies: the PROXY header names the first, whose X-Forwarded-For names the client.
        (with_v1("PROXY TCP4 10.9.9.9 192.0.2.1 1234 33033\r\n", "X-Forwarded-For: 203.0.113.7\r\n"), "203.0.113.7"),
    ] {
        assert_eq!(
            published_address(&gateway, &mut back_end, &bytes).await,
            address,
            "{}",
            String::from_utf8_lossy(&bytes)
        );
    }
    // Without forwarded addresses, the address of the proxy itself.
    for bytes in [request(""), with_v1("PROXY UNKNOWN\r\n", ""), with_v2(0, 0x00, &[], "")] {
        let address = published_address(&gateway, &mut back_end, &bytes).await;
        assert!(address.starts_with("127.0.0.1:"), "{address}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn address_from_an_untrusted_proxy_is_not_used() {
    let toml = format!("{EVENTS}[ocpp]\ntrusted_proxies = [\"10.0.0.1\"]");
    let gateway = Running::start(&toml).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "events/#").await;
    let address = published_address(&gateway, &mut back_end, &request("X-Forwarded-For: 203.0.113.7\r\n")).await;
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    for bytes in [with_v1("PROXY TCP4 203.0.113.7 192.0.2.1 1234 33033\r\n", ""), with_v2(1, 0x11, &ADDRESSES_V4, "")] {
        let answer = exchange_raw(gateway.ocpp(), &bytes).await;
        assert!(!answer.contains(" 101 "), "{answer}");
    }
    gateway.until(r#"ocpp_gateway_refused_total{reason="not_websocket"}"#, 2.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_proxy_header_closes_the_connection() {
    let gateway = Running::start(&trusting("handshake_timeout = \"1s\"")).await;
    let absurd = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF"[..], &[0; 64]].concat();
    let long = format!("PROXY TCP4 {}", "1".repeat(200));
    let mut wrong_checksum = with_v2(1, 0x11, &[&ADDRESSES_V4[..], &CHECKSUM].concat(), "");
    // Another client.
    wrong_checksum[16 + 3] = 8;
    for bytes in [
        &b"PROXY TCP4 nowhere 192.0.2.1 1234 33033\r\n"[..],
        b"PROXY SCTP 203.0.113.7 192.0.2.1 1234 33033\r\n",
        b"PUT / HTTP/1.1\r\n",
        long.as_bytes(),
        b"\r\n\r\n\0\r\nQUIT\r\n\r\n\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x00",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x02\0\0",
        &absurd,
        &wrong_checksum,
    ] {
        assert_eq!(exchange_raw(gateway.ocpp(), bytes).await, "", "{}", String::from_utf8_lossy(bytes));
    }
    gateway.until(r#"ocpp_gateway_refused_total{reason="bad_proxy_header"}"#, 9.0).await;
    // An incomplete header.
    for bytes in [&b"PROXY TCP4 203"[..], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\0\0", b""] {
        assert_eq!(exchange_raw(gateway.ocpp(), bytes).await, "");
    }
    gateway.until(r#"ocpp_gateway_refused_total{reason="timed_out"}"#, 3.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_per_address_applies_to_clients_behind_a_proxy() {
    let gateway = Running::start(&trusting("max_connections_per_address = 1")).await;
    let of = |id: &str, headers: &str| String::from_utf8_lossy(&request(headers)).replace("CP1", id).into_bytes();
    let forwarded = |address: &str| format!("X-Forwarded-For: {address}\r\n");
    let (first, _keep) = connect(&gateway, &of("CP1", &forwarded("203.0.113.7"))).await;
    let (second, _) = connect(&gateway, &of("CP2", &forwarded("203.0.113.7"))).await;
    let (other, _keep_other) = connect(&gateway, &of("CP3", &forwarded("203.0.113.8"))).await;
    let (proxied, _) = connect(&gateway, &with_v1("PROXY TCP4 203.0.113.8 192.0.2.1 1 2\r\n", "")).await;
    assert_eq!((first, second, other, proxied), (101, 429, 101, 429));
    // Connections of the proxy itself are not counted.
    let (own, _keep_own) = connect(&gateway, &of("CP4", "")).await;
    let (own_too, _keep_too) = connect(&gateway, &of("CP5", "")).await;
    assert_eq!((own, own_too), (101, 101));
    gateway.stop().await;
}

/// `ocpp.auth.proxy_certificate`, for a trusted proxy on loopback.
fn proxy_certificates() -> String {
    trusting("[ocpp.auth]\nproxy_certificate = true\nproxy_identities = { \"SN-1\" = \"CP1\" }\n")
}

/// A field (TLV) of a header of version 2.
fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("short").to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// The field about TLS: the flags, the result of the verification, and the common name.
fn tls_field(flags: u8, verify: u32, name: Option<&str>) -> Vec<u8> {
    let name = name.map(|name| field(0x22, name.as_bytes())).unwrap_or_default();
    field(0x20, &[&[flags][..], &verify.to_be_bytes(), &field(0x21, b"TLSv1.2"), &name].concat())
}

/// A header from 203.0.113.7 with these fields, and a request of CP1.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    with_v2(1, 0x11, &[&ADDRESSES_V4[..12], fields].concat(), "")
}

const TLS: u8 = 1;
/// The client has shown a certificate in this connection.
const CONNECTION: u8 = 2;
/// The client has shown a certificate in this TLS session.
const SESSION: u8 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn certificate_that_a_trusted_proxy_has_verified_is_the_identity() {
    let gateway = Running::start(&proxy_certificates()).await;
    let no_tls = "the proxy sends no PROXY header of version 2";
    for (bytes, expected, reason) in [
        (with_fields(&tls_field(TLS | CONNECTION | SESSION, 0, Some("SN-1"))), 101, ""),
        // A resumed session.
        (with_fields(&tls_field(TLS | SESSION, 0, Some("SN-1"))), 101, ""),
        (with_fields(&tls_field(TLS | CONNECTION, 0, Some("CP2"))), 403, "the certificate is not the one of CP1"),
        // CP1 belongs to SN-1.
        (with_fields(&tls_field(TLS | CONNECTION, 0, Some("CP1"))), 403, "CP1 belongs to another certificate"),
        (
            with_fields(&tls_field(TLS | CONNECTION | SESSION, 10, Some("SN-1"))),
            403,
            "the proxy has not verified the client certificate: error 10 of OpenSSL",
        ),
        (
            with_fields(&tls_field(TLS, 0, Some("SN-1"))),
            403,
            "no client certificate: the charge point has shown none to the proxy",
        ),
        (with_fields(&tls_field(TLS | CONNECTION, 0, None)), 403, "the proxy does not tell its common name"),
        (with_fields(&tls_field(CONNECTION, 0, Some("SN-1"))), 403, no_tls),
        (with_fields(&[]), 403, no_tls),
        (with_v1("PROXY TCP4 203.0.113.7 192.0.2.1 1234 33033\r\n", ""), 403, no_tls),
        // A name without its TLS, and one that the client has written.
        (with_fields(&field(0x22, b"SN-1")), 403, no_tls),
        (request("X-SSL-Client-CN: SN-1\r\n"), 403, no_tls),
    ] {
        let answer = exchange(&gateway, &bytes).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")) && answer.contains(reason), "{reason}: {answer}");
    }
    // Two fields that contradict each other, and one that is cut off.
    let one = tls_field(TLS | CONNECTION, 0, Some("SN-1"));
    for fields in [[&one[..], &tls_field(TLS, 0, None)].concat(), one[..one.len() - 1].to_vec()] {
        assert_eq!(exchange_raw(gateway.ocpp(), &with_fields(&fields)).await, "");
    }
    gateway.until(r#"ocpp_gateway_refused_total{reason="bad_proxy_header"}"#, 2.0).await;
    gateway.stop().await;
}

/// The beginning of the answer, up to where a refusal ends.
async fn exchange(gateway: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") || !answer.starts_with(b"HTTP/1.1 101") {
        let mut part = [0; 1024];
        match timeout(TIMEOUT, stream.read(&mut part)).await.expect("an answer") {
            Ok(length) if length > 0 => answer.extend(&part[..length]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_from_an_untrusted_address_counts_for_nothing() {
    let toml = "[ocpp]\ntrusted_proxies = [\"10.0.0.1\"]\n[ocpp.auth]\nproxy_certificate = true\n";
    let gateway = Running::start(toml).await;
    let bytes = with_fields(&tls_field(TLS | CONNECTION | SESSION, 0, Some("CP1")));
    let answer = exchange_raw(gateway.ocpp(), &bytes).await;
    assert!(!answer.contains(" 101 "), "{answer}");
    let answer = exchange_raw(gateway.ocpp(), &request("")).await;
    let reason = "no client certificate: the connection does not come through one of ocpp.trusted_proxies";
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains(reason), "{answer}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_in_a_proxy_header_counts_only_where_it_is_configured() {
    let gateway = Running::start(&trusting("")).await;
    let (status, _keep) = connect(&gateway, &with_fields(&tls_field(TLS | CONNECTION, 0, Some("CP2")))).await;
    assert_eq!(status, 101, "no credentials are asked for, and any identity may connect");
    gateway.stop().await;
}
