//! More than fifty malformed inputs and the response to each. None affects another connection.

use crate::{Running, error_code};
use ocpp_gateway::config;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Texts sent by a charge point (OCPP 2.0.1): text, id and code of the CALLERROR.
const FRAMES: [(&str, &str, &str); 17] = [
    ("", "-1", "RpcFrameworkError"),
    ("garbage", "-1", "RpcFrameworkError"),
    ("[", "-1", "RpcFrameworkError"),
    ("{}", "-1", "RpcFrameworkError"),
    ("[]", "-1", "RpcFrameworkError"),
    ("[2]", "-1", "RpcFrameworkError"),
    (r#"[2,7.5,"Heartbeat",{}]"#, "-1", "RpcFrameworkError"),
    (r#"["2","a","Heartbeat",{}]"#, "-1", "RpcFrameworkError"),
    (r#"[2.5,"a","Heartbeat",{}]"#, "-1", "RpcFrameworkError"),
    (r#"[2,"a","Heartbeat",{}][2,"b","Heartbeat",{}]"#, "-1", "RpcFrameworkError"),
    (
        r#"[2,"0123456789012345678901234567890123456","Heartbeat",{}]"#,
        "0123456789012345678901234567890123456",
        "RpcFrameworkError",
    ),
    (r#"[2,"","Heartbeat",{}]"#, "-1", "RpcFrameworkError"),
    (r#"[2,"a","Heartbeat"]"#, "a", "RpcFrameworkError"),
    (r#"[2,"b","Heartbeat",[]]"#, "b", "RpcFrameworkError"),
    (r#"[2,"c",7,{}]"#, "c", "RpcFrameworkError"),
    (r#"[2,"d","Heartbeat",{},{}]"#, "d", "RpcFrameworkError"),
    (r#"[9,"e",{}]"#, "e", "MessageTypeNotSupported"),
];

/// Malformed answers, which must not be answered: text.
const BROKEN_ANSWERS: [&str; 4] = [r#"[3]"#, r#"[3,"a"]"#, r#"[4,"a",7]"#, r#"[3,"a",[]]"#];

/// Malformed upgrade requests: text, status of the response.
const REQUESTS: [(&str, u16); 14] = [
    ("\x16\x03\x01\x02\0\r\n\r\n", 400),
    ("\0\0\r\n\r\n", 400),
    ("GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("POST /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUPGRADE\r\n\r\n", 400),
    ("GET /ocpp/CP1 HTTP/1.0\r\nHost: x\r\nUPGRADE\r\n\r\n", 400),
    ("GET /ocpp/CP 1 HTTP/1.1\r\nHost: x\r\nUPGRADE\r\n\r\n", 400),
    ("GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nX-\0: y\r\nUPGRADE\r\n\r\n", 400),
    ("GET /ocpp/%4 HTTP/1.1\r\nHost: x\r\nUPGRADE\r\n\r\n", 400),
    ("GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nNOKEY\r\n\r\n", 400),
    ("GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nOLD\r\n\r\n", 426),
    ("GET /ocpp HTTP/1.1\r\nHost: x\r\nUPGRADE\r\n\r\n", 404),
    ("GET /ocpp/%FF HTTP/1.1\r\nHost: x\r\nUPGRADE\r\n\r\n", 404),
    ("GET /ocpp/a%2Fb HTTP/1.1\r\nHost: x\r\nUPGRADE\r\n\r\n", 404),
    ("GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nX: LONG\r\nUPGRADE\r\n\r\n", 431),
];

/// Malformed downlink payloads (OCPP 1.6): payload, id in the report.
const PAYLOADS: [(&[u8], &str); 12] = [
    (b" ", "-1"),
    (b"\xff\xfe", "-1"),
    (b"null", "-1"),
    (b"[2,\"a\",\"Reset\",{}]", "-1"),
    (b"{\"MessageTypeId\":2,\"Action\":\"Reset\",\"Payload\":{}}", "-1"),
    (b"{\"MessageTypeId\":2,\"UniqueId\":\"b\",\"Payload\":{}}", "b"),
    (b"{\"MessageTypeId\":2,\"UniqueId\":\"c\",\"Action\":\"Reset\",\"Payload\":[]}", "c"),
    (b"{\"MessageTypeId\":2,\"UniqueId\":\"\",\"Action\":\"Reset\",\"Payload\":{}}", "-1"),
    (
        b"{\"MessageTypeId\":2,\"UniqueId\":\"0123456789012345678901234567890123456\",\"Action\":\"Reset\",\"Payload\":{}}",
        "0123456789012345678901234567890123456",
    ),
    (b"{\"MessageTypeId\":2,\"UniqueId\":\"e\",\"Action\":\"\",\"Payload\":{}}", "e"),
    (b"{\"MessageTypeId\":4,\"UniqueId\":\"f\",\"ErrorCode\":\"\",\"ErrorDescription\":\"\",\"ErrorDetails\":{}}", "f"),
    (b"{\"MessageTypeId\":8,\"UniqueId\":\"d\",\"Action\":\"Reset\",\"Payload\":{}}", "d"),
];

/// Malformed configurations: text, place of the fault in the error.
const CONFIGURATIONS: [(&str, &str); 8] = [
    ("ocpp.queue = ", "line 1, column 14"),
    ("[ocpp\nqueue = 1", "line 1"),
    ("ocpp.queue = -1", "ocpp.queue: "),
    ("ocpp.call_timeout = \"soon\"", "ocpp.call_timeout: "),
    ("ocpp.listen = \"33033\"", "ocpp.listen: "),
    ("mqtt.url = \"broker:1883\"", "mqtt.url: "),
    ("mqtt.keep_alive = \"0s\"", "mqtt.keep_alive: "),
    ("transforms = 3", "transforms: "),
];

const COUNT: usize = FRAMES.len() + BROKEN_ANSWERS.len() + REQUESTS.len() + PAYLOADS.len() + CONFIGURATIONS.len();
const _: () = assert!(COUNT >= 50);

#[tokio::test(flavor = "multi_thread")]
async fn malformed_frames_are_answered_with_an_error() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point_of("CP1", "ocpp2.0.1").await;
    for broken in BROKEN_ANSWERS {
        // An answer to it would be received in the loop below, and fail the assertion there.
        charge_point.send(broken).await;
    }
    for (text, id, code) in FRAMES {
        charge_point.send(text).await;
        let answer = charge_point.text().await;
        assert!(answer.starts_with(&format!(r#"[4,"{id}","{code}","#)), "{text}: {answer}");
        assert!(answer.ends_with(",{}]"), "{text}: {answer}");
    }
    let counted = async |cause: &str| {
        gateway.metric(&format!(r#"ocpp_gateway_incidents_total{{direction="uplink",cause="{cause}"}}"#)).await
    };
    let sum = counted("bad_frame").await + counted("unreadable_frame").await + counted("unknown_message_type").await;
    assert_eq!(sum as usize, FRAMES.len() + BROKEN_ANSWERS.len());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_upgrade_requests_get_an_error_status() {
    let gateway = Running::start("").await;
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (text, status) in REQUESTS {
        let request = text
            .replace("UPGRADE", upgrade)
            .replace("NOKEY", &upgrade.replace("Sec-WebSocket-Key", "X-Key"))
            .replace("OLD", &upgrade.replace("13", "7"))
            .replace("LONG", &"x".repeat(20_000));
        let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
        // The gateway may close before everything is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let read = timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.expect("an end in time");
        let answer = String::from_utf8_lossy(&answer);
        // HTTP/1.0 is answered in HTTP/1.0.
        let code = answer.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
        assert_eq!(code, Some(&*status.to_string()), "{text}: {read:?} {answer}");
    }
    // Valid requests are still accepted.
    ChargePoint::ocpp16(gateway.ocpp(), "CP1").await.close().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_payloads_of_back_ends_are_reported() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let _charge_point = gateway.charge_point("CP1").await;
    for (payload, id) in PAYLOADS {
        back_end.publish("ocpp/cs/CP1", payload).await;
        let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
        let text = String::from_utf8_lossy(payload);
        assert!(report.contains(&format!(r#""MessageTypeId":4,"UniqueId":"{id}""#)), "{text}: {report}");
        assert_eq!(error_code(&report), "FormationViolation", "{text}: {report}");
    }
    let counted = gateway.metric(r#"ocpp_gateway_incidents_total{direction="downlink",cause="not_understood"}"#).await;
    assert_eq!(counted as usize, PAYLOADS.len());
    gateway.stop().await;
}

#[test]
fn malformed_configurations_are_reported_with_their_place() {
    for (text, place) in CONFIGURATIONS {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let faults = config::load(Some(file.path()), []).expect_err(text).to_string();
        assert!(faults.contains(place), "{text}: {faults}");
    }
}
