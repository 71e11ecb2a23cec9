//! Log lines about charge points: repetition, forged lines, refusals, warnings.

use crate::admin;
use crate::secrets::{ConfiguredProgram, TOKEN};
use crate::security::{folder, tls};
use data_encoding::HEXLOWER;
use ocpp_gateway_pipeline::STANDARD;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::authority::{Authority, connect};
use ocpp_gateway_testkit::charge_point::ChargePoint;
use ocpp_gateway_testkit::component::another_version;
use rustls::version::{TLS12, TLS13};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

/// A configuration with free ports on the loopback interface.
pub(crate) const FREE_PORTS: &str = "[ocpp]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
                                     [mqtt.embedded]\nlisten = \"127.0.0.1:0\"\n[shutdown]\ngrace = \"100ms\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn repeated_incidents_are_counted_and_mostly_not_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    std::fs::write(&config, FREE_PORTS).expect("written");
    let program = ConfiguredProgram::start(&config, folder.path().join("log"), "info", "ws://");
    program.wait_until_ready().await;

    let mut charge_point = ChargePoint::ocpp16(program.ocpp, "CP1").await;
    let frame = r#"[3,"x\n2026-11-29T08:00:00Z  INFO forged: \u001b[31mred",{}]"#;
    for _ in 0..2000 {
        charge_point.send(frame).await;
    }
    let counted = async {
        while !program.page("/metrics").await.contains("cause=\"unknown_call\"} 2000") {
            crate::pause().await;
        }
    };
    timeout(TIMEOUT, counted).await.expect("all are counted");
    let log = program.stop();
    let forged: Vec<_> = log.lines().filter(|line| line.contains("forged")).collect();
    assert!((1..100).contains(&forged.len()), "{} lines", forged.len());
    assert!(forged.iter().all(|line| line.contains(r"x\n2026") && line.contains("charge_point=CP1")), "{log}");
    assert!(!log.contains('\x1b'), "{log}");
    // Suppressed lines are reported once per time window; a slow machine needs several windows.
    let suppressed: usize =
        log.lines().filter_map(|line| line.split_once("suppressed=")?.1.split(' ').next()?.parse::<usize>().ok()).sum();
    assert_eq!(forged.len() + suppressed, 2000, "{log}");
    assert!(log.contains("disconnected"), "other lines are not suppressed: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_the_identity_and_the_certificate() {
    let folder = folder();
    let (ca, unknown_ca) = (Authority::new(folder.path(), "ca"), Authority::new(folder.path(), "unknown-ca"));
    let config = folder.path().join("config.toml");
    let toml = FREE_PORTS.to_owned() + &tls(&ca.server(), &format!("client_ca = {:?}\n", ca.pem()));
    std::fs::write(&config, toml).expect("written");
    let program = ConfiguredProgram::start(&config, folder.path().join("log"), "info", "wss://");
    program.wait_until_ready().await;

    let client = ca.client("CP2");
    let stream = connect(program.ocpp, &ca.pem(), Some(&client), &[&TLS13]).await.expect("TLS");
    let refused = ChargePoint::over(stream, "/ocpp/CP3", &["ocpp1.6"], &[]).await.err().expect("refused");
    assert_eq!(refused.status, 403);
    for (client, version) in
        [(ca.expired("CP4"), &TLS12), (ca.expired("CP5"), &TLS13), (unknown_ca.client("CP6"), &TLS13)]
    {
        // With TLS 1.3 the client's handshake succeeds before the server refuses its certificate.
        if let Ok(mut stream) = connect(program.ocpp, &ca.pem(), Some(&client), &[version]).await {
            let _ = timeout(TIMEOUT, stream.read_to_end(&mut Vec::new())).await.expect("closed");
        }
    }
    let log = program.stop();
    let line = |text: &str| log.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text} in {log}"));
    assert!(line("refused: 403").contains("identity=\"CP3\" certificate=\"CN=CP2\""), "{log}");
    for name in ["CP4", "CP5", "CP6"] {
        assert!(line(&format!("certificate=\"CN={name}\"")).contains("refused: no TLS: "), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn start_without_authentication_beyond_loopback_warns_once() {
    let folder = folder();
    let config = folder.path().join("config.toml");
    let ca = Authority::new(folder.path(), "ca");
    let mutual_tls = tls(&ca.server(), &format!("client_ca = {:?}\n", ca.pem()));
    for (listen, rest, scheme, warnings) in [
        ("0.0.0.0:0", "", "ws://", 1),
        ("0.0.0.0:0", mutual_tls.as_str(), "wss://", 0),
        ("127.0.0.1:0", "", "ws://", 0),
    ] {
        let toml = FREE_PORTS.replacen("127.0.0.1:0", listen, 1) + rest;
        std::fs::write(&config, toml).expect("written");
        let program = ConfiguredProgram::start(&config, folder.path().join("log"), "info", scheme);
        program.wait_until_ready().await;
        let log = program.stop();
        let count = log.matches("neither ocpp.auth nor ocpp.tls.client_ca").count();
        assert_eq!(count, warnings, "{listen} {rest}: {log}");
    }
}

/// On every level.
#[tokio::test(flavor = "multi_thread")]
async fn audit_lines_say_who_changed_what_and_not_the_payload() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    let toml = FREE_PORTS.replace("[admin]", &format!("[admin]\ntoken = {TOKEN:?}"));
    std::fs::write(&config, toml).expect("written");
    let program = ConfiguredProgram::start(&config, folder.path().join("log"), "error", "ws://");
    program.wait_until_ready().await;
    let authorization = format!("Bearer {TOKEN}");
    // The caller's address, and the status.
    let ask = async |method, path: &str, body: &[u8]| {
        let media_type = if method == "PUT" { "application/wasm" } else { "application/json" };
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", media_type)];
        let mut stream = admin::open(program.admin, method, path, &headers, body).await;
        let caller = stream.local_addr().expect("an address");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        (caller, answer.split(' ').nth(1).expect("a status").to_owned())
    };

    let mut charge_point = ChargePoint::ocpp16(program.ocpp, "CP1").await;
    let call = br#"{"action":"Reset","payload":{"type":"a secret"}}"#;
    let answering = async {
        let text = charge_point.text().await;
        let id = text.split('"').nth(1).expect("an id").to_owned();
        charge_point.send(&format!(r#"[3,"{id}",{{"status":"Accepted"}}]"#)).await;
        id
    };
    let (called, message_id) = tokio::join!(ask("POST", "/api/v1/charge-points/CP1/calls", call), answering);
    let (transform, other) = ("/api/v1/transforms/standard", another_version(STANDARD, 0));
    let done = [
        called,
        ask("DELETE", "/api/v1/charge-points/CP1", b"").await,
        ask("PUT", transform, &other).await,
        ask("POST", &format!("{transform}/rollback"), b"").await,
    ];
    assert_eq!(done.each_ref().map(|(_, status)| status.as_str()), ["200", "204", "200", "200"]);
    // They change nothing.
    assert_eq!(ask("DELETE", "/api/v1/charge-points/CP2", b"").await.1, "404");
    assert_eq!(ask("PUT", transform, b"no component").await.1, "422");
    assert_eq!(ask("PUT", transform, STANDARD).await.1, "200");

    let log = program.stop();
    assert!(!log.contains("a secret"), "{log}");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" audit: ")).collect();
    let hash = |component: &[u8]| {
        let sha256 = HEXLOWER.encode(&Sha256::digest(component));
        format!("\"sha256 {}\"", &sha256[..12])
    };
    let (standard, other) = (hash(STANDARD), hash(&other));
    let reset = format!("Reset with message id {message_id}");
    let expected = [
        (reset.clone(), "queued for charge point CP1", String::new()),
        (reset, "answered by charge point CP1", String::new()),
        ("charge point CP1".to_owned(), "disconnected", String::new()),
        ("transform standard".to_owned(), "replaced", format!(" before={standard} after={other}")),
        ("transform standard".to_owned(), "rolled back", format!(" before={other} after={standard}")),
    ];
    assert_eq!(lines.len(), expected.len(), "{log}");
    let callers = [&done[..1], &done[..]].concat();
    for ((line, (what, verb, hashes)), (caller, _)) in lines.iter().zip(expected).zip(callers) {
        let text = format!(" INFO audit: {what} {verb} who={caller} token=\"admin\" what=\"{what}\"{hashes}");
        assert!(line.ends_with(&text), "{text} in {line}");
    }
}
