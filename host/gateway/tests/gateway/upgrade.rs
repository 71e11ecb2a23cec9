//! Upgrade requests and their responses, at the level of bytes.

use crate::security::{auth, basic, entry, folder, tls};
use crate::{Running, result_object};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::authority::{Authority, connect};
use rustls::version::{TLS12, TLS13};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The header lines that make a request an upgrade to WebSocket.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A Heartbeat as a client sends it: one text frame, masked with zeros.
const HEARTBEAT: &[u8] = b"\x81\x96\0\0\0\0[2,\"1\",\"Heartbeat\",{}]";

fn get(path: &str, lines: &[&str]) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{}\r\n", lines.concat())
}

/// A valid request with additional header lines.
fn valid(lines: &str) -> String {
    get("/ocpp/CP1", &[UPGRADE, VERSION, KEY, lines])
}

/// The head of a response.
#[derive(Debug)]
struct Head(String);

impl Head {
    fn status(&self) -> u16 {
        self.0.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.0.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.next();
        assert!(values.next().is_none(), "{name} twice: {}", self.0);
        value
    }
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Head {
    let reading = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a response"));
        }
        head
    };
    Head(String::from_utf8(timeout(TIMEOUT, reading).await.expect("a response in time")).expect("text"))
}

/// Sends `request` in one piece; the connection stays open.
async fn ask(gateway: &Running, request: &str) -> (Head, TcpStream) {
    let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    (read_head(&mut stream).await, stream)
}

async fn status(gateway: &Running, request: &str) -> u16 {
    ask(gateway, request).await.0.status()
}

/// Asserts that the next frame is the text frame with `text`.
async fn expect_text<S: AsyncRead + Unpin>(stream: &mut S, text: &str) {
    let mut frame = vec![0x81, u8::try_from(text.len()).expect("short")];
    frame.extend_from_slice(text.as_bytes());
    let mut read = vec![0; frame.len()];
    timeout(TIMEOUT, stream.read_exact(&mut read)).await.expect("a frame in time").expect("a frame");
    assert_eq!(String::from_utf8_lossy(&read), String::from_utf8_lossy(&frame));
}

#[tokio::test(flavor = "multi_thread")]
async fn header_lines_with_one_name_form_one_list() {
    let gateway = Running::start("").await;
    for lines in [
        "Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
        "connection:UPGRADE\r\nupgrade:WebSocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
        "Connection: ,, upgrade\t,\r\nUpgrade: h2c ,websocket ,\r\n",
    ] {
        let (head, _) = ask(&gateway, &get("/ocpp/CP1", &[lines, VERSION, KEY])).await;
        assert_eq!(head.status(), 101, "{lines}: {head:?}");
        assert_eq!(head.header("connection"), Some("Upgrade"), "{head:?}");
        assert_eq!(head.header("upgrade"), Some("websocket"), "{head:?}");
        // The example of RFC 6455 section 1.3.
        assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head:?}");
        assert_eq!(head.header("content-length"), None, "{head:?}");
    }
    for lines in [
        "Connection: keep-alive\r\nUpgrade: websocket\r\n",
        "Connection: Upgraded\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: web socket\r\n",
        "Connection: Upgrade\r\n",
        "",
    ] {
        assert_eq!(status(&gateway, &get("/ocpp/CP1", &[lines, VERSION, KEY])).await, 400, "{lines}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_websocket_version_gets_426_with_the_supported_one() {
    let gateway = Running::start("").await;
    for lines in ["Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 131\r\n", "Sec-WebSocket-Version:\r\n", ""] {
        let (head, _) = ask(&gateway, &get("/ocpp/CP1", &[UPGRADE, lines, KEY])).await;
        assert_eq!(head.status(), 426, "{lines}: {head:?}");
        assert_eq!(head.header("sec-websocket-version"), Some("13"), "{head:?}");
        assert_eq!(head.header("upgrade"), Some("websocket"), "{head:?}");
    }
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="not_websocket"}"#).await, 4.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_slashes_in_the_path_are_ignored() {
    let gateway = Running::start("[ocpp]\npath = \"/ocpp/v1\"").await;
    let mut back_end = gateway.back_end().await;
    for (number, path) in
        ["//ocpp/v1/CP1", "/ocpp//v1//CP2/", "/ocpp/v1/CP3//", "http://x/ocpp//v1/CP4"].iter().enumerate()
    {
        let (head, mut stream) = ask(&gateway, &get(path, &[UPGRADE, VERSION, KEY])).await;
        assert_eq!(head.status(), 101, "{path}");
        stream.write_all(HEARTBEAT).await.expect("sent");
        back_end.expect_on(&format!("ocpp/cp/CP{}", number + 1)).await;
    }
    for path in ["/ocpp/v1//", "//ocpp//v1", "/ocpp/v1/a//b", "/ocpp//CP1"] {
        assert_eq!(status(&gateway, &get(path, &[UPGRADE, VERSION, KEY])).await, 404, "{path}");
    }
    gateway.stop().await;
}

/// Otherwise any page in a browser inside the network could act as a charge point.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_origins_are_refused_where_no_authentication_is_configured() {
    let listed = "[ocpp]\norigins = [\"https://console.example\"]\ntrusted_proxies = [\"127.0.0.1\"]";
    for (toml, lines, expected) in [
        ("", "", 101),
        ("", "Origin: http://x\r\n", 101),
        ("", "Origin: x\r\n", 101),
        ("", "Origin: http://X:80\r\n", 101),
        ("", "Origin: http://x:8081\r\n", 403),
        ("", "Origin: https://console.example\r\n", 403),
        ("", "Origin: null\r\n", 403),
        ("", "Origin: \r\n", 403),
        ("", "Origin: http://x\r\nOrigin: http://evil.example\r\n", 403),
        ("", "Origin: http://gw.example\r\nX-Forwarded-Host: gw.example\r\n", 403),
        (listed, "Origin: https://Console.example:443\r\n", 101),
        (listed, "Origin: http://console.example\r\n", 403),
        (listed, "Origin: http://gw.example\r\nX-Forwarded-Host: gw.example\r\n", 101),
    ] {
        let gateway = Running::start(toml).await;
        assert_eq!(status(&gateway, &valid(lines)).await, expected, "{toml} {lines}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_are_not_checked_where_passwords_are_required() {
    let folder = folder();
    let users = folder.path().join("users");
    std::fs::write(&users, entry("CP1", b"secret")).expect("written");
    let gateway = Running::start(&auth(&users)).await;
    let authorization = format!("Authorization: {}\r\n", basic("CP1", b"secret"));
    for (credentials, expected) in [(authorization.as_str(), 101), ("", 401)] {
        let lines = format!("Origin: http://elsewhere.example\r\n{credentials}");
        assert_eq!(status(&gateway, &valid(&lines)).await, expected);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_percent_escapes_are_bad_requests() {
    let gateway = Running::start("").await;
    for path in ["/ocpp/%", "/ocpp/CP%4", "/ocpp/%ZZ", "/ocpp/100%/", "/ocpp/%C3%A"] {
        assert_eq!(status(&gateway, &get(path, &[UPGRADE, VERSION, KEY])).await, 400, "{path}");
    }
    // A valid escape that is not UTF-8 is an unknown identity.
    assert_eq!(status(&gateway, &get("/ocpp/%FF", &[UPGRADE, VERSION, KEY])).await, 404);
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="bad_request"}"#).await, 5.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_any_length_are_accepted() {
    let gateway = Running::start("").await;
    for key in ["", "x", "dGhlIHNhbXBsZSBub25jZQ", "no Base64!", &"k".repeat(300)] {
        let (head, _) =
            ask(&gateway, &get("/ocpp/CP1", &[UPGRADE, VERSION, &format!("Sec-WebSocket-Key: {key}\r\n")])).await;
        assert_eq!(head.status(), 101, "{key}: {head:?}");
        let expected = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        assert_eq!(head.header("sec-websocket-accept"), Some(&*expected), "{key}");
    }
    assert_eq!(status(&gateway, &get("/ocpp/CP1", &[UPGRADE, VERSION])).await, 400);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subprotocol_is_repeated_as_it_was_offered() {
    let gateway = Running::start("").await;
    for (lines, repeated) in [
        ("Sec-WebSocket-Protocol: ocpp1.6\r\n", Some("ocpp1.6")),
        ("Sec-WebSocket-Protocol: OCPP1.6\r\n", Some("OCPP1.6")),
        ("Sec-WebSocket-Protocol: soap,\tOcpp2.0.1 , ocpp1.6\r\n", Some("Ocpp2.0.1")),
        ("Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: OCPP2.1 \r\n", Some("OCPP2.1")),
        ("Sec-WebSocket-Protocol:\r\n", None),
        ("Sec-WebSocket-Protocol: ,\r\n", None),
        ("Sec-WebSocket-Protocol: , ,,\r\nSec-WebSocket-Protocol:  \r\n", None),
        ("", None),
    ] {
        let (head, mut stream) = ask(&gateway, &valid(lines)).await;
        assert_eq!(head.status(), 101, "{lines}: {head:?}");
        assert_eq!(head.header("sec-websocket-protocol"), repeated, "{lines}");
        // The connection uses that version.
        gateway.until_subscribed().await;
        let mut back_end = gateway.back_end().await;
        stream.write_all(HEARTBEAT).await.expect("sent");
        back_end.expect_on("ocpp/cp/CP1").await;
        back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
        expect_text(&mut stream, r#"[3,"1",{}]"#).await;
    }
    gateway.stop().await;
}

/// Sends the request and frames in one write, and checks that the frames are handled.
async fn frames_with_the_request<S: AsyncRead + AsyncWrite + Unpin>(gateway: &Running, stream: &mut S) {
    let mut back_end = gateway.back_end().await;
    // The second frame is split: its first part precedes the response, its second part follows.
    let (begin, end) = HEARTBEAT.split_at(15);
    let bytes = [valid("").as_bytes(), HEARTBEAT, begin].concat();
    stream.write_all(&bytes).await.expect("sent");
    stream.flush().await.expect("sent");
    assert_eq!(read_head(stream).await.status(), 101);
    back_end.expect_on("ocpp/cp/CP1").await;
    back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
    expect_text(stream, r#"[3,"1",{}]"#).await;
    stream.write_all(end).await.expect("sent");
    stream.flush().await.expect("sent");
    back_end.expect_on("ocpp/cp/CP1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_sent_right_after_the_request_are_kept() {
    let gateway = Running::start("").await;
    let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
    frames_with_the_request(&gateway, &mut stream).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_sent_right_after_the_request_are_kept_with_tls() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let gateway = Running::start(&tls(&ca.server(), "")).await;
    let mut stream = connect(gateway.ocpp(), &ca.pem(), None, &[&TLS13, &TLS12]).await.expect("TLS");
    frames_with_the_request(&gateway, &mut stream).await;
    gateway.stop().await;
}

/// The frames exceed what is read with the request, and arrive while the password is checked.
#[tokio::test(flavor = "multi_thread")]
async fn many_frames_sent_during_the_password_check_are_kept() {
    let folder = folder();
    let users = folder.path().join("users");
    std::fs::write(&users, entry("CP1", b"secret")).expect("written");
    let gateway = Running::start(&auth(&users)).await;
    let mut back_end = gateway.back_end().await;
    let mut bytes =
        valid(&format!("Sec-WebSocket-Protocol: ocpp2.1\r\nAuthorization: {}\r\n", basic("CP1", b"secret")))
            .into_bytes();
    const FRAMES: usize = 2000;
    for number in 0..FRAMES {
        let text = format!(r#"[6,"{number:04}","NotifyEvent",{{}}]"#);
        bytes.extend([0x81, 0x80 | u8::try_from(text.len()).expect("short"), 0, 0, 0, 0]);
        bytes.extend_from_slice(text.as_bytes());
    }
    let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
    stream.write_all(&bytes).await.expect("sent");
    assert_eq!(read_head(&mut stream).await.status(), 101);
    for number in 0..FRAMES {
        let text = back_end.expect_on("ocpp/cp/CP1").await;
        assert!(text.contains(&format!("\"{number:04}\"")), "{number}: {text}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_client_receives_the_reason_despite_unread_data() {
    let gateway = Running::start("").await;
    for (request, expected) in [
        (get("/other/CP1", &[UPGRADE, VERSION, KEY]), 404),
        (get("/ocpp/CP1", &[UPGRADE, VERSION]), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        (get("/ocpp/CP1", &[UPGRADE, VERSION, KEY, &format!("X: {}\r\n", "x".repeat(10_000))]), 431),
    ] {
        let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
        let bytes = [request.as_bytes(), &[b'x'; 100_000]].concat();
        stream.write_all(&bytes).await.expect("sent");
        // If the gateway closed with unread data, a reset would have arrived by now.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut response = String::new();
        timeout(TIMEOUT, stream.read_to_string(&mut response)).await.expect("an end").expect("no reset");
        assert!(response.starts_with(&format!("HTTP/1.1 {expected} ")), "{request}: {response}");
        assert!(response.to_lowercase().contains("\r\nconnection: close\r\n"), "{response}");
    }
    let (head, mut stream) = ask(&gateway, &get("/other/CP1", &[UPGRADE, VERSION, KEY])).await;
    assert_eq!(head.header("content-type"), Some("text/plain; charset=utf-8"), "{head:?}");
    let mut text = String::new();
    timeout(TIMEOUT, stream.read_to_string(&mut text)).await.expect("an end").expect("text");
    assert_eq!(head.header("content-length"), Some(&*text.len().to_string()), "{head:?}");
    assert!(text.contains("/ocpp/<charge point identity>"), "{text}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_closed_its_write_half_is_answered() {
    let gateway = Running::start("").await;
    for (request, expected) in [(get("/ocpp", &[UPGRADE, VERSION, KEY]), 404), (valid(""), 101)] {
        let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream.shutdown().await.expect("closed");
        assert_eq!(read_head(&mut stream).await.status(), expected);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_requests_get_an_error_status_or_are_closed() {
    let gateway = Running::start("").await;
    let length = "Content-Length: 3\r\n";
    for (text, expected) in [
        (valid("").replace("GET", "POST"), Some(400)),
        (valid("").replace("GET", "HEAD"), Some(400)),
        (valid("").replace("GET", "OPTIONS"), Some(400)),
        ("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), Some(400)),
        (valid("").replace("HTTP/1.1", "HTTP/1.0"), Some(400)),
        (valid("").replace("HTTP/1.1", "HTTP/1.2"), Some(400)),
        (valid("").replace("HTTP/1.1", "HTTP/2.0"), Some(400)),
        (valid(length) + "abc", Some(400)),
        (valid(&format!("Expect: 100-continue\r\n{length}")), Some(400)),
        (valid("Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n", Some(400)),
        (valid("Content-Length: x\r\n"), Some(400)),
        (valid("Content-Length: 0\r\n"), Some(101)),
        ("GET * HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), Some(400)),
        ("\x16\x03\x01\x02\0\x01\0\x01\u{7f}\x03\x03".to_owned(), Some(400)),
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), Some(400)),
        (get("/ocpp/CP1", &[&"X: y\r\n".repeat(200)]), Some(431)),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), None),
    ] {
        let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
        stream.write_all(text.as_bytes()).await.expect("sent");
        match expected {
            Some(expected) => assert_eq!(read_head(&mut stream).await.status(), expected, "{text}"),
            None => {
                let mut answer = Vec::new();
                let _ = timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.expect("an end");
                assert_eq!(String::from_utf8_lossy(&answer), "", "{text}");
            }
        }
    }
    // No bytes, and an incomplete head.
    for text in ["", "GET /ocpp/CP1 HTTP/1.1\r\nHos"] {
        let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream.shutdown().await.expect("closed");
        let mut answer = Vec::new();
        timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.expect("an end").expect("no reset");
        assert_eq!(String::from_utf8_lossy(&answer), "", "{text}");
    }
    gateway.charge_point("CP1").await.close().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_may_arrive_byte_by_byte() {
    let gateway = Running::start("").await;
    for request in [valid(""), valid("").replace('\r', "")] {
        let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
        stream.set_nodelay(true).expect("a TCP option");
        for byte in request.as_bytes() {
            stream.write_all(&[*byte]).await.expect("sent");
            crate::pause().await;
        }
        assert_eq!(read_head(&mut stream).await.status(), 101);
    }
    gateway.stop().await;
}

/// TLS, request and authentication share one timeout, which further writes of the client do not extend.
#[tokio::test(flavor = "multi_thread")]
async fn handshake_timeout_covers_the_whole_handshake() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let toml = format!("[ocpp]\nhandshake_timeout = \"2s\"\n{}", tls(&ca.server(), ""));
    let gateway = Running::start(&toml).await;
    let mut stream = connect(gateway.ocpp(), &ca.pem(), None, &[&TLS13]).await.expect("TLS");
    let mut ended = false;
    // Sending the whole request would take six seconds at least.
    for byte in valid(&format!("X-Padding: {}\r\n", "x".repeat(500))).as_bytes() {
        let written = async {
            stream.write_all(&[*byte]).await?;
            stream.flush().await
        };
        if written.await.is_err() {
            ended = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(ended, "the whole request was read");
    gateway.until(r#"ocpp_gateway_refused_total{reason="timed_out"}"#, 1.0).await;
    gateway.stop().await;
}
