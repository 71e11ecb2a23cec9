//! permessage-deflate (RFC 7692) from the handshake to the back end. The layer itself is tested in its crate.

use crate::{Running, call_object, result_object};
use ocpp_gateway_testkit::TIMEOUT;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// Bits of the first byte of a frame: the last one of a text message, compressed or not, and a close frame.
const TEXT: u8 = 0x81;
const COMPRESSED: u8 = 0x40;
const CLOSE: u8 = 0x88;

/// A WebSocket whose frames are written and read as they are.
struct RawSocket {
    stream: TcpStream,
    /// The response of the handshake.
    head: String,
}

impl RawSocket {
    async fn connect(address: SocketAddr, id: &str, lines: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let request = format!(
            "GET /ocpp/{id} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: \
             13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n{lines}\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a response"));
        }
        RawSocket { stream, head: String::from_utf8(head).expect("text").to_ascii_lowercase() }
    }

    async fn send(&mut self, first: u8, payload: &[u8]) {
        // The gateway may have closed before it has read everything.
        let _ = self.stream.write_all(&frame(first, payload)).await;
    }

    async fn send_compressed(&mut self, text: &str) {
        self.send(TEXT | COMPRESSED, &compressed(text.as_bytes())).await;
    }

    /// The next frame: its first byte and its payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let reading = async {
            let (first, length) = (self.stream.read_u8().await?, self.stream.read_u8().await?);
            let length = match length {
                126 => u64::from(self.stream.read_u16().await?),
                127 => self.stream.read_u64().await?,
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).expect("a length")];
            self.stream.read_exact(&mut payload).await?;
            Ok::<_, std::io::Error>((first, payload))
        };
        timeout(TIMEOUT, reading).await.expect("in time").expect("a frame")
    }

    /// The code of the close frame, which has to be the next one.
    async fn close_code(&mut self) -> u16 {
        let (first, payload) = self.frame().await;
        assert_eq!(first, CLOSE);
        u16::from_be_bytes([payload[0], payload[1]])
    }
}

/// A frame, with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).expect("a length").to_be_bytes();
    [&[first, 0x80 | 127][..], &length, &[0; 4], payload].concat()
}

/// A message as a client compresses it: deflate's blocks, and an empty one that is not final (RFC 7692, 7.2.3.4).
fn compressed(text: &[u8]) -> Vec<u8> {
    [&miniz_oxide::deflate::compress_to_vec(text, 6)[..], &[0]].concat()
}

/// A message of the gateway without its compression: what it left out, and an empty final block stand behind it.
fn inflated(payload: &[u8]) -> String {
    let whole = [payload, &[0, 0, 0xff, 0xff, 3, 0]].concat();
    String::from_utf8(miniz_oxide::inflate::decompress_to_vec(&whole).expect("deflate")).expect("text")
}

fn meter_values(bytes: usize) -> String {
    let value = r#"{"value":"230.1","measurand":"Voltage","phase":"L1"}"#;
    let values = vec![value; bytes / value.len()].join(",");
    format!(r#"{{"connectorId":1,"meterValue":[{{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{values}]}}]}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_compressed_in_both_directions_if_the_client_asks() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut socket = RawSocket::connect(gateway.ocpp(), "CP1", OFFER).await;
    let agreed =
        "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
    assert!(socket.head.contains(agreed), "{}", socket.head);
    gateway.until("ocpp_gateway_subscribed", 1.0).await;
    for size in [100, 1500, 100_000] {
        let payload = meter_values(size);
        socket.send_compressed(&format!(r#"[2,"{size}","MeterValues",{payload}]"#)).await;
        assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object(&size.to_string(), "MeterValues", &payload));
        back_end.publish("ocpp/cs/CP1", result_object(&size.to_string(), &payload)).await;
        let (first, frame) = socket.frame().await;
        let wanted = format!(r#"[3,"{size}",{payload}]"#);
        if wanted.len() < 256 {
            assert_eq!((first, frame), (TEXT, wanted.into_bytes()), "too small to gain from it");
        } else {
            assert_eq!((first, inflated(&frame)), (TEXT | COMPRESSED, wanted));
            assert!(frame.len() < size / 3, "{} bytes of {size}", frame.len());
        }
    }
    // One that is not compressed.
    socket.send(TEXT, br#"[2,"a","Heartbeat",{}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("a", "Heartbeat", "{}"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_compressed_unless_client_and_configuration_want_it() {
    let off = "[[listeners]]\nname = \"off\"\nlisten = \"127.0.0.1:0\"\ndeflate = { enabled = false }\n";
    let gateway = Running::start(off).await;
    let off = gateway.listeners.status()[1].address;
    let unknown = "Sec-WebSocket-Extensions: permessage-bzip2\r\n";
    let bad_window = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16\r\n";
    for (address, lines) in
        [(gateway.ocpp(), ""), (gateway.ocpp(), unknown), (gateway.ocpp(), bad_window), (off, OFFER)]
    {
        let mut socket = RawSocket::connect(address, "CP1", lines).await;
        assert!(!socket.head.contains("sec-websocket-extensions"), "{lines}: {}", socket.head);
        socket.send_compressed(r#"[2,"1","Heartbeat",{}]"#).await;
        assert_eq!(socket.close_code().await, 1002, "{lines}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn message_that_inflates_to_a_gigabyte_ends_its_connection_alone() {
    let gateway = Running::start("").await;
    let mut other = gateway.charge_point("CP2").await;
    let mut socket = RawSocket::connect(gateway.ocpp(), "CP1", OFFER).await;
    // A thousand final blocks, each of which stands for a mebibyte.
    let block = miniz_oxide::deflate::compress_to_vec(&vec![b' '; 1 << 20], 6);
    socket.send(TEXT | COMPRESSED, &[block.repeat(1024), vec![0]].concat()).await;
    assert_eq!(socket.close_code().await, 1009);
    let mut broken = RawSocket::connect(gateway.ocpp(), "CP1", OFFER).await;
    broken.send(TEXT | COMPRESSED, &[0xff; 64]).await;
    assert_eq!(broken.close_code().await, 1007);
    gateway.until("ocpp_gateway_closed_total{reason=\"not_inflated\"}", 1.0).await;
    other.send(r#"[2,"1","Heartbeat",{}]"#).await;
    gateway.until("ocpp_gateway_messages_total{direction=\"uplink\",type=\"CALL\"}", 1.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_in_one_write_share_the_memory_that_one_of_them_needs() {
    // Room for one large message at a time, of all charge points together.
    let gateway = Running::start("[ocpp]\nmax_message_size = 100000\n[runtime]\nqueue_memory = \"200KiB\"").await;
    let mut back_end = gateway.back_end().await;
    let mut socket = RawSocket::connect(gateway.ocpp(), "CP1", OFFER).await;
    let mut other = RawSocket::connect(gateway.ocpp(), "CP2", OFFER).await;
    gateway.until("ocpp_gateway_subscribed", 2.0).await;
    let payload = meter_values(20_000);
    let frames = (0..4).flat_map(|number| {
        frame(TEXT | COMPRESSED, &compressed(format!(r#"[2,"{number}","MeterValues",{payload}]"#).as_bytes()))
    });
    let frames: Vec<u8> = frames.collect();
    socket.stream.write_all(&frames).await.expect("sent");
    for number in 0..4 {
        let call = back_end.expect_on("ocpp/cp/CP1").await;
        assert_eq!(call, call_object(&number.to_string(), "MeterValues", &payload));
    }
    other.send_compressed(&format!(r#"[2,"o","MeterValues",{payload}]"#)).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP2").await, call_object("o", "MeterValues", &payload));
    gateway.stop().await;
}
