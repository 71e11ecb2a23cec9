//! The certificates that the gateway shows, and what it wants of those of charge points.

use crate::Running;
use crate::admin::get;
use crate::log::FREE_PORTS;
use crate::secrets::ConfiguredProgram;
use crate::security::{folder, tls};
use crate::transforms::transform;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::authority::{
    Authority, Certified, KeyKind, NextUpdate, certificate_for, certificate_in, connect,
};
use ocpp_gateway_testkit::charge_point::ChargePoint;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
#[cfg(feature = "tls-openssl")]
use std::process::Stdio;
use std::time::Duration;
#[cfg(feature = "tls-openssl")]
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

fn several(certificates: &[&Certified]) -> String {
    let entries: Vec<_> = certificates
        .iter()
        .map(|Certified { cert, key, .. }| format!("{{ cert = {cert:?}, key = {key:?} }}"))
        .collect();
    format!("[ocpp.tls]\ncertificates = [{}]\n", entries.join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn client_gets_the_certificate_that_it_can_verify_and_that_has_the_name() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let old = [KeyKind::Ecdsa, KeyKind::Rsa].map(|kind| ca.server_of("old.example", kind));
    let new = [KeyKind::Ecdsa, KeyKind::Rsa].map(|kind| ca.server_of("new.example", kind));
    let gateway = Running::start(&several(&[&old[0], &old[1], &new[0], &new[1]])).await;
    for version in [&TLS12, &TLS13] {
        for (name, kind, expected) in [
            ("old.example", None, &old[0]),
            ("new.example", None, &new[0]),
            ("NEW.example", Some(KeyKind::Rsa), &new[1]),
            ("old.example", Some(KeyKind::Rsa), &old[1]),
            ("new.example", Some(KeyKind::Ecdsa), &new[0]),
            // No certificate has this name, and an address is no name: the first one that the client can verify.
            ("other.example", None, &old[0]),
            ("other.example", Some(KeyKind::Rsa), &old[1]),
            ("127.0.0.1", Some(KeyKind::Rsa), &old[1]),
        ] {
            let shown = certificate_for(gateway.ocpp(), &ca.pem(), version, name, kind).await.expect("TLS");
            assert_eq!(shown, certificate_in(&expected.cert), "{name} {kind:?} {version:?}");
        }
    }
    let page = gateway.metrics().await;
    for Certified { cert, .. } in old.iter().chain(&new) {
        let labels = format!("certificate=\"server\",file=\"{}\"", cert.display());
        assert!(page.metric(&format!("ocpp_gateway_certificate_days_left{{{labels}}}")) > 0.0);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_can_verify_no_certificate_is_refused_with_the_reason() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let gateway = Running::start(&tls(&ca.server_of("old.example", KeyKind::Ecdsa), "")).await;
    for version in [&TLS12, &TLS13] {
        let refused = certificate_for(gateway.ocpp(), &ca.pem(), version, "old.example", Some(KeyKind::Rsa)).await;
        assert!(refused.is_err(), "{version:?}");
    }
    gateway.until(r#"ocpp_gateway_refused_total{reason="tls"}"#, 2.0).await;
    gateway.stop().await;
}

/// What a client gets: `None` if the connection ends without an HTTP response.
async fn status(gateway: SocketAddr, ca: &Authority, client: &Certified, id: &str) -> Option<u16> {
    let mut statuses = Vec::new();
    for version in [&TLS12, &TLS13] {
        statuses.push(status_with(gateway, ca, client, id, version).await);
    }
    assert_eq!(statuses[0], statuses[1], "{id}: TLS 1.2 and 1.3");
    statuses[0]
}

async fn status_with(
    gateway: SocketAddr,
    ca: &Authority,
    client: &Certified,
    id: &str,
    version: &'static SupportedProtocolVersion,
) -> Option<u16> {
    // With TLS 1.3 the client's handshake succeeds before the server refuses its certificate.
    let mut stream = connect(gateway, &ca.pem(), Some(client), &[version]).await.ok()?;
    let request = format!(
        "GET /ocpp/{id} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    );
    let _ = stream.write_all(request.as_bytes()).await;
    let mut head = [0; 12];
    timeout(TIMEOUT, stream.read_exact(&mut head)).await.expect("an answer or the end").ok()?;
    String::from_utf8_lossy(&head[9..]).parse().ok()
}

/// The texts of refusals whose certificate has this subject.
async fn refusal_texts(gateway: &Running, subject: &str) -> Vec<String> {
    let page = get(gateway, "/api/v1/refusals").await.json();
    let refusals = page["refusals"].as_array().expect("a list");
    let of_subject = refusals.iter().filter(|refusal| refusal["certificate"] == subject);
    of_subject.map(|refusal| refusal["text"].as_str().expect("a text").to_owned()).collect()
}

fn with_lists(server: &Certified, cas: &Path, lists: &[&Path], more: &str) -> String {
    tls(server, &format!("client_ca = {cas:?}\nclient_crl = {lists:?}\n{more}"))
}

/// A file with the certificates of both authorities.
fn both(folder: &Path, one: &Authority, other: &Authority) -> PathBuf {
    let file = folder.join("both.pem");
    let pem = |authority: &Authority| std::fs::read_to_string(authority.pem()).expect("read");
    std::fs::write(&file, pem(one) + &pem(other)).expect("written");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_certificate_is_refused_with_the_reason() {
    let folder = folder();
    let (ca, other) = (Authority::new(folder.path(), "ca"), Authority::new(folder.path(), "other"));
    let (revoked, good) = (ca.client("CP1"), ca.client("CP2"));
    let (also_revoked, also_good) = (other.client("CP3"), other.client("CP4"));
    let cas = both(folder.path(), &ca, &other);
    let lists = [ca.revoke(&[&revoked], NextUpdate::Later), other.revoke_der(&[&also_revoked])];
    let gateway = Running::start(&with_lists(&ca.server(), &cas, &[&lists[0], &lists[1]], "")).await;
    for (client, id, expected) in [
        (&revoked, "CP1", None),
        (&good, "CP2", Some(101)),
        (&also_revoked, "CP3", None),
        (&also_good, "CP4", Some(101)),
    ] {
        assert_eq!(status(gateway.ocpp(), &ca, client, id).await, expected, "{id}");
        if expected.is_none() {
            let texts = refusal_texts(&gateway, &format!("CN={id}")).await;
            assert_eq!(texts, ["no TLS: the certificate has been revoked"]);
        }
    }
    let page = gateway.metrics().await;
    for list in &lists {
        let labels = format!("certificate=\"client_crl\",file=\"{}\"", list.display());
        assert!(page.metric(&format!("ocpp_gateway_certificate_days_left{{{labels}}}")) > 0.0);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_chain_is_looked_up_except_where_an_authority_has_no_list() {
    let folder = folder();
    let root = Authority::new(folder.path(), "root");
    let (good, revoked) = (root.intermediate("good"), root.intermediate("revoked"));
    let list = root.revoke(&[&revoked.certified()], NextUpdate::Later);
    let gateway = Running::start(&with_lists(&root.server(), &root.pem(), &[&list], "")).await;
    // The intermediate authorities have no list of their own.
    assert_eq!(status(gateway.ocpp(), &root, &good.client("CP1"), "CP1").await, Some(101));
    assert_eq!(status(gateway.ocpp(), &root, &revoked.client("CP2"), "CP2").await, None);
    assert_eq!(refusal_texts(&gateway, "CN=CP2").await, ["no TLS: the certificate has been revoked"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_revocation_list_is_reloaded_and_one_of_another_ca_is_not_used() {
    let folder = folder();
    let (ca, other) = (Authority::new(folder.path(), "ca"), Authority::new(folder.path(), "other"));
    let (first, second) = (ca.client("CP1"), ca.client("CP2"));
    let list = ca.revoke(&[&first], NextUpdate::Later);
    let config = folder.path().join("config.toml");
    let toml = FREE_PORTS.to_owned() + &with_lists(&ca.server(), &ca.pem(), &[&list], "");
    std::fs::write(&config, toml).expect("written");
    let program = ConfiguredProgram::start(&config, folder.path().join("log"), "info", "wss://");
    program.wait_until_ready().await;
    let both =
        async || (status(program.ocpp, &ca, &first, "CP1").await, status(program.ocpp, &ca, &second, "CP2").await);
    assert_eq!(both().await, (None, Some(101)));
    ca.revoke(&[&second], NextUpdate::Later);
    program.log_with("ocpp.tls: reloaded").await;
    assert_eq!(both().await, (Some(101), None));
    std::fs::copy(other.revoke(&[], NextUpdate::Later), &list).expect("copied");
    let log = program.log_with("ocpp.tls: the files that were read before stay in use").await;
    assert!(log.contains("ca.crl: it is the list of CN=other, which is no CA in client_ca: add that CA"), "{log}");
    assert_eq!(both().await, (Some(101), None));
    program.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_list_that_has_ended_stays_in_force_unless_it_is_configured_to_refuse() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let (revoked, good) = (ca.client("CP1"), ca.client("CP2"));
    let list = ca.revoke(&[&revoked], NextUpdate::Passed);
    for (more, expected, severity) in [("", Some(101), "warning"), ("client_crl_expired = \"refuse\"\n", None, "error")]
    {
        let gateway = Running::start(&with_lists(&ca.server(), &ca.pem(), &[&list], more)).await;
        let problems = get(&gateway, "/api/v1/problems").await.json();
        let problem = &problems["problems"][0];
        assert_eq!((&problem["severity"], &problem["subject"]), (&json!(severity), &json!("ocpp.tls.client_crl")));
        assert!(problem["text"].as_str().is_some_and(|text| text.contains("has ended on 2024-02-01")), "{problem}");
        assert_eq!(status(gateway.ocpp(), &ca, &revoked, "CP1").await, None);
        assert_eq!(status(gateway.ocpp(), &ca, &good, "CP2").await, expected, "{more}");
        let labels = format!("certificate=\"client_crl\",file=\"{}\"", list.display());
        assert!(gateway.metric(&format!("ocpp_gateway_certificate_days_left{{{labels}}}")).await < 0.0);
        if expected.is_none() {
            let texts = refusal_texts(&gateway, "CN=CP2").await;
            let reason = "no TLS: the revocation list of the CA of the certificate has ended: see ocpp.tls";
            assert!(texts.len() == 1 && texts[0].starts_with(reason), "{texts:?}");
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_another_organization_is_refused_with_both_names() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let more = format!("client_ca = {:?}\norganization = \"Example CPO\"\n", ca.pem());
    let gateway = Running::start(&tls(&ca.server(), &more)).await;
    assert_eq!(status(gateway.ocpp(), &ca, &ca.client_of("CP1", "Example CPO"), "CP1").await, Some(101));
    for (client, subject, reason) in [
        (
            ca.client_of("CP2", "Other CPO"),
            "CN=CP2, O=Other CPO",
            "no TLS: the organization (O) of the certificate is \"Other CPO\", not \"Example CPO\"",
        ),
        (
            ca.client_of("CP3", "example cpo"),
            "CN=CP3, O=example cpo",
            "no TLS: the organization (O) of the certificate is \"example cpo\", not \"Example CPO\"",
        ),
        (
            ca.client("CP4"),
            "CN=CP4",
            "no TLS: the certificate names no organization (O), which has to be \"Example CPO\"",
        ),
    ] {
        assert_eq!(status(gateway.ocpp(), &ca, &client, "CP2").await, None, "{subject}");
        assert_eq!(refusal_texts(&gateway, subject).await, [reason]);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transforms_see_subject_and_serial_of_the_certificate() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let more = format!("client_ca = {:?}\n", ca.pem());
    let transforms =
        transform("admission", "tell what it sees", "") + &transform("uplink", "publish the attributes", "");
    let gateway = Running::start(&(tls(&ca.server(), &more) + &transforms)).await;
    let mut back_end = gateway.back_end().await;
    let client = ca.client_of("BAD1", "Example CPO");
    let stream = connect(gateway.ocpp(), &ca.pem(), Some(&client), &[&TLS13]).await.expect("TLS");
    let mut charge_point = ChargePoint::over(stream, "/ocpp/BAD1", &["ocpp1.6"], &[]).await.expect("accepted");
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    let seen = back_end.expect_on("ocpp/cp/BAD1/news").await;
    // The gateway's own, then those of the transform, which has seen them.
    let subject = r#"certificate_subject", "CN=BAD1, O=Example CPO")"#;
    let serial = format!(r#"certificate_serial", "{:X}")"#, client.serial);
    let start = format!(r#"[("{subject}, ("{serial}, ("user", "BAD1"), ("given {subject}, ("given {serial}, "#);
    assert!(seen.starts_with(&start), "{seen}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_that_has_to_be_renewed_is_logged_at_the_start() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let list = ca.revoke(&[], NextUpdate::Passed);
    let config = folder.path().join("config.toml");
    let server = ca.ending_server(Duration::from_secs(86_400 * 5 / 2));
    let toml = FREE_PORTS.to_owned() + &with_lists(&server, &ca.pem(), &[&list], "");
    std::fs::write(&config, toml).expect("written");
    let program = ConfiguredProgram::start(&config, folder.path().join("log"), "info", "wss://");
    program.log_with("The certificate CN=ending in ").await;
    let log = program.log_with("The revocation list of CN=ca in ").await;
    for text in ["(ocpp.tls.cert) ends in 2 days, on ", "(ocpp.tls.client_crl) has ended on 2024-02-01: what its CA"] {
        assert!(log.lines().any(|line| line.contains(" WARN ") && line.contains(text)), "{log}");
    }
    program.stop();
}

/// OCPP 2.0.1 part 2, A00.FR.318 wants these four, and charge points may have only two of them (319).
#[cfg(feature = "tls-openssl")]
#[tokio::test(flavor = "multi_thread")]
async fn each_cipher_suite_of_the_specification_works_alone_with_openssl() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let [ecdsa, rsa] = [KeyKind::Ecdsa, KeyKind::Rsa].map(|kind| ca.server_of("gateway.example", kind));
    let client = ca.client("CP1");
    let gateway = Running::start(&(several(&[&ecdsa, &rsa]) + &format!("client_ca = {:?}\n", ca.pem()))).await;
    for suite in
        ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "AES128-GCM-SHA256", "AES256-GCM-SHA384"]
    {
        let said = s_client(gateway.ocpp(), &["-tls1_2", "-cipher", suite], &ca, &client).await;
        assert!(said.contains("HTTP/1.1 101 Switching Protocols"), "{suite}: {said}");
        assert!(said.contains(&format!("Ciphersuite: {suite}")) && said.contains("Verification: OK"), "{said}");
    }
    // Without forward secrecy is not without the rest: no older TLS, no CBC, no renegotiation.
    for (arguments, reason) in [
        (&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"][..], "no TLS: unsupported protocol"),
        (&["-tls1_2", "-cipher", "AES128-SHA256:ECDHE-RSA-AES128-SHA"], "no TLS: no shared cipher"),
    ] {
        let said = s_client(gateway.ocpp(), arguments, &ca, &client).await;
        assert!(!said.contains("HTTP/1.1"), "{arguments:?}: {said}");
        let page = get(&gateway, "/api/v1/refusals").await.json();
        let texts: Vec<_> = page["refusals"].as_array().expect("a list").iter().map(|one| &one["text"]).collect();
        assert!(texts.contains(&&json!(reason)), "{arguments:?}: {texts:?}");
    }
    gateway.stop().await;
}

/// What `openssl s_client` and then the gateway say when it asks for `/ocpp/CP1`.
#[cfg(feature = "tls-openssl")]
async fn s_client(gateway: SocketAddr, arguments: &[&str], ca: &Authority, client: &Certified) -> String {
    let mut command = tokio::process::Command::new("openssl");
    command.args(["s_client", "-brief", "-connect", &gateway.to_string(), "-CAfile"]).arg(ca.pem()).args(arguments);
    command.arg("-cert").arg(&client.cert).arg("-key").arg(&client.key).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("openssl");
    // Once its input ends, it does not wait for what is answered.
    let mut input = process.stdin.take().expect("piped");
    let request = "GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n";
    // An error: it has left. Its output says why.
    let _ = input.write_all(request.as_bytes()).await;
    let mut answer = BufReader::new(process.stdout.take().expect("piped")).lines();
    let head = timeout(TIMEOUT, answer.next_line()).await.expect("a line or the end").expect("text");
    drop(input);
    let output = timeout(TIMEOUT, process.wait_with_output()).await.expect("an end").expect("an output");
    String::from_utf8_lossy(&output.stderr).into_owned() + &head.unwrap_or_default()
}
