//! Log lines about charge points: repetition, forged lines, refusals, warnings.

use crate::secrets::ConfiguredProgram;
use crate::security::{folder, tls};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::authority::{Authority, connect};
use ocpp_gateway_testkit::charge_point::ChargePoint;
use rustls::version::{TLS12, TLS13};
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
            tokio::task::yield_now().await;
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
