//! Passwords, certificates and allow lists: OCPP's security profiles 1, 2 and 3.

use crate::transforms::transform;
use crate::{Running, result_object};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::authority::{Authority, Certified, connect};
use ocpp_gateway_testkit::charge_point::{ChargePoint, Refused};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The line of a users file that `ocpp-gateway user` prints for a password.
pub(crate) fn entry(identity: &str, password: &[u8]) -> String {
    entry_with("argon2id", identity, password)
}

fn entry_with(hash: &str, identity: &str, password: &[u8]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    command.args(["user", identity, "--hash", hash]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(password).expect("written");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("a line")
}

pub(crate) fn basic(user: &str, password: &[u8]) -> String {
    let credentials = [user.as_bytes(), b":", password].concat();
    format!("Basic {}", data_encoding::BASE64.encode(&credentials))
}

pub(crate) fn auth(users: &Path) -> String {
    format!("[ocpp.auth]\nmode = \"basic\"\nusers = {users:?}\n")
}

pub(crate) fn tls(server: &Certified, rest: &str) -> String {
    format!("[ocpp.tls]\ncert = {:?}\nkey = {:?}\n{rest}", server.cert, server.key)
}

async fn connect_as(gateway: &Running, id: &str, authorization: Option<&str>) -> Result<ChargePoint, Refused> {
    let stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
    let lines = authorization.map(|value| ("authorization", value));
    ChargePoint::over(stream, &format!("/ocpp/{id}"), &["ocpp1.6"], lines.as_slice()).await
}

async fn status(gateway: &Running, id: &str, authorization: Option<&str>) -> u16 {
    connect_as(gateway, id, authorization).await.err().map_or(101, |refused| refused.status)
}

/// Waits until `is_so`, which becomes true once a changed file is read.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("{what} in time"));
}

/// Sends a Heartbeat and checks its answer.
async fn send_heartbeat<S>(gateway: &Running, id: &str, charge_point: &mut ChargePoint<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    gateway.until_subscribed().await;
    let mut back_end = gateway.back_end().await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on(&format!("ocpp/cp/{id}")).await;
    back_end.publish(&format!("ocpp/cs/{id}"), result_object("1", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_1_checks_the_password_of_the_charge_point() {
    let folder = folder();
    let users = folder.path().join("users");
    let odd = b"a:b:\xff\x00\xc3";
    let file = entry("CP1", b"secret\n") + "# a comment\n\n" + &entry("CP2", odd) + &entry("CP3", b"\xc3\xa9");
    std::fs::write(&users, file).expect("written");
    let gateway = Running::start(&auth(&users)).await;

    for (id, user, password, expected) in [
        ("CP1", "CP1", &b"secret"[..], 101),
        // Again, from the cache of verified passwords.
        ("CP1", "CP1", b"secret", 101),
        ("CP1", "CP1", b"secret\n", 401),
        ("CP1", "CP1", b"wrong", 401),
        ("CP1", "CP1", b"", 401),
        ("CP1", "CP2", odd, 401),
        ("CP2", "CP1", b"secret", 401),
        ("CP2", "CP2", odd, 101),
        ("CP2", "CP2", b"a", 401),
        ("CP3", "CP3", "é".as_bytes(), 101),
        ("NOBODY", "NOBODY", b"secret", 401),
        ("cp1", "cp1", b"secret", 401),
    ] {
        assert_eq!(status(&gateway, id, Some(&basic(user, password))).await, expected, "{id} as {user}: {password:?}");
    }
    for other in [None, Some("Bearer secret"), Some("Basic"), Some("Basic ?")] {
        let refused = connect_as(&gateway, "CP1", other).await.err().expect("refused");
        assert_eq!((refused.status, refused.challenge.as_deref()), (401, Some("Basic realm=\"ocpp\"")), "{other:?}");
    }
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="unauthorized"}"#).await, 12.0);
    let mut charge_point = connect_as(&gateway, "CP1", Some(&basic("CP1", b"secret"))).await.expect("accepted");
    send_heartbeat(&gateway, "CP1", &mut charge_point).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_of_every_hash_format_are_accepted() {
    let folder = folder();
    let users = folder.path().join("users");
    let password = b"a long and random one";
    let kinds = ["argon2id", "pbkdf2-sha256", "sha256"];
    let entries: String = kinds.iter().map(|kind| entry_with(kind, kind, password)).collect();
    assert!(entries.contains("pbkdf2-sha256:$pbkdf2-sha256$i=600000,l=32$") && entries.contains("sha256:sha256:"));
    std::fs::write(&users, entries).expect("written");
    let gateway = Running::start(&auth(&users)).await;
    for kind in kinds {
        assert_eq!(status(&gateway, kind, Some(&basic(kind, b"another"))).await, 401, "{kind}");
        assert_eq!(status(&gateway, kind, Some(&basic(kind, password))).await, 101, "{kind}");
    }
    assert_eq!(status(&gateway, "NOBODY", Some(&basic("NOBODY", password))).await, 401);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_receives_the_user_but_not_the_password() {
    let folder = folder();
    let users = folder.path().join("users");
    std::fs::write(&users, entry("BAD1", b"secret")).expect("written");
    let transforms =
        transform("admission", "tell what it sees", "") + &transform("uplink", "publish the attributes", "");
    let gateway = Running::start(&(auth(&users) + &transforms)).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = connect_as(&gateway, "BAD1", Some(&basic("BAD1", b"secret"))).await.expect("accepted");
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    let seen = back_end.expect_on("ocpp/cp/BAD1/news").await;
    assert!(seen.starts_with(r#"[("user", "BAD1"), "#) && seen.contains("sec-websocket-key"), "{seen}");
    let encoded = data_encoding::BASE64.encode(b"BAD1:secret");
    for secret in ["authorization", "secret", &encoded] {
        assert!(!seen.contains(secret), "{seen}");
    }
    charge_point.close().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_files_of_users_and_identities_are_reloaded() {
    let folder = folder();
    let (users, identities) = (folder.path().join("users"), folder.path().join("identities"));
    let (one, two) = (entry("CP1", b"one"), entry("CP2", b"two"));
    std::fs::write(&users, one + &two + &entry("CP3", b"three")).expect("written");
    std::fs::write(&identities, "CP1\nCP3\n").expect("written");
    let toml = format!("[ocpp]\nidentities = {identities:?}\n{}", auth(&users));
    let gateway = Running::start(&toml).await;
    let (first, second, third) = (basic("CP1", b"one"), basic("CP2", b"two"), basic("CP3", b"three"));
    let mut connected = connect_as(&gateway, "CP1", Some(&first)).await.expect("accepted");
    assert_eq!(status(&gateway, "CP2", Some(&second)).await, 401);
    // One file is replaced by rename, the other is overwritten.
    let new = folder.path().join("new");
    std::fs::write(&new, "CP1\nCP2\nCP3\n").expect("written");
    std::fs::rename(&new, &identities).expect("moved");
    until("CP2 is accepted", async || status(&gateway, "CP2", Some(&second)).await == 101).await;
    std::fs::write(&users, two).expect("written");
    until("CP3 is refused", async || status(&gateway, "CP3", Some(&third)).await == 401).await;
    assert_eq!(status(&gateway, "CP2", Some(&second)).await, 101);
    assert_eq!(status(&gateway, "CP1", Some(&first)).await, 401);
    send_heartbeat(&gateway, "CP1", &mut connected).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_do_not_reveal_which_identities_are_listed() {
    let folder = folder();
    let users = folder.path().join("users");
    std::fs::write(&users, entry("CP1", b"secret") + &entry("CP2", b"secret")).expect("written");
    let gateway = Running::start(&format!("[ocpp]\nidentities = [\"CP1\", \"CP3\"]\n{}", auth(&users))).await;
    let mut answers = Vec::new();
    // CP1 is on both lists, CP2 and CP3 on one each, CP4 on none. The password of CP2 is correct.
    for id in ["CP1", "CP2", "CP3", "CP4"] {
        let password: &[u8] = if id == "CP2" { b"secret" } else { b"wrong" };
        let refused = connect_as(&gateway, id, Some(&basic(id, password))).await.err().expect("refused");
        let without = connect_as(&gateway, id, None).await.err().expect("refused");
        assert_eq!((refused.status, without.status), (401, 401), "{id}");
        answers.push((refused.challenge, refused.text, without.text));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(status(&gateway, "CP1", Some(&basic("CP1", b"secret"))).await, 101);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unlisted_identity_with_a_certificate_is_forbidden() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let more = format!("client_ca = {:?}\n", ca.pem());
    let gateway = Running::start(&format!("[ocpp]\nidentities = [\"CP1\"]\n{}", tls(&ca.server(), &more))).await;
    let client = ca.client("CP2");
    for id in ["CP1", "CP2"] {
        assert_eq!(
            connect_with_tls(&gateway, id, &ca, Some(&client)).await.err().expect("refused").status,
            403,
            "{id}"
        );
    }
    gateway.stop().await;
}

/// Connects with TLS and sends an upgrade request.
async fn connect_with_tls(
    gateway: &Running,
    id: &str,
    ca: &Authority,
    client: Option<&Certified>,
) -> Result<ChargePoint<TlsStream<TcpStream>>, Refused> {
    let stream = connect(gateway.ocpp(), &ca.pem(), client, BOTH).await.expect("TLS");
    ChargePoint::over(stream, &format!("/ocpp/{id}"), &["ocpp1.6"], &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_2_encrypts_the_password_and_presents_a_server_certificate() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let users = folder.path().join("users");
    std::fs::write(&users, entry("CP1", b"secret")).expect("written");
    let gateway = Running::start(&(tls(&ca.server(), "") + &auth(&users))).await;
    for versions in [&[&TLS12][..], &[&TLS13]] {
        for (password, expected) in [(&b"wrong"[..], 401), (b"secret", 101)] {
            let stream = connect(gateway.ocpp(), &ca.pem(), None, versions).await.expect("TLS");
            let credentials = basic("CP1", password);
            let lines = [("authorization", credentials.as_str())];
            match ChargePoint::over(stream, "/ocpp/CP1", &["ocpp1.6"], &lines).await {
                Ok(mut charge_point) => {
                    assert_eq!(expected, 101);
                    send_heartbeat(&gateway, "CP1", &mut charge_point).await;
                    charge_point.close().await;
                }
                Err(refused) => assert_eq!(refused.status, expected, "{}", refused.text),
            }
        }
    }
    let unknown_ca = Authority::new(folder.path(), "unknown-ca");
    assert!(connect(gateway.ocpp(), &unknown_ca.pem(), None, BOTH).await.is_err(), "the certificate is not trusted");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_tls_are_closed() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let toml = format!("[ocpp]\nhandshake_timeout = \"2s\"\n{}", tls(&ca.server(), ""));
    let gateway = Running::start(&toml).await;
    for (bytes, reason) in [("", "timed_out"), ("GET /ocpp/CP1 HTTP/1.1\r\n\r\n", "tls")] {
        let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
        stream.write_all(bytes.as_bytes()).await.expect("sent");
        let _ = timeout(TIMEOUT, stream.read_to_end(&mut Vec::new())).await.expect("closed");
        assert_eq!(gateway.metric(&format!("ocpp_gateway_refused_total{{reason=\"{reason}\"}}")).await, 1.0);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_3_takes_the_identity_from_the_certificate() {
    let folder = folder();
    let (ca, unknown_ca) = (Authority::new(folder.path(), "ca"), Authority::new(folder.path(), "unknown-ca"));
    let more = format!("client_ca = {:?}\nidentities = {{ \"SN-1\" = \"CP1\" }}\n", ca.pem());
    let server = ca.server();
    let gateway = Running::start(&tls(&server, &more)).await;
    for (common_name, id, expected) in
        [("CP2", "CP2", 101), ("CP2", "CP3", 403), ("SN-1", "CP1", 101), ("SN-1", "SN-1", 403)]
    {
        let client = ca.client(common_name);
        match connect_with_tls(&gateway, id, &ca, Some(&client)).await {
            Ok(mut charge_point) => {
                assert_eq!(expected, 101, "{common_name} as {id}");
                send_heartbeat(&gateway, id, &mut charge_point).await;
            }
            Err(refused) => assert_eq!(refused.status, expected, "{common_name} as {id}: {}", refused.text),
        }
    }
    for (certificate, file) in [("server", &server.cert), ("client_ca", &ca.pem())] {
        let labels = format!("certificate=\"{certificate}\",file=\"{}\"", file.display());
        assert!(gateway.metric(&format!("ocpp_gateway_certificate_days_left{{{labels}}}")).await > 0.0, "{labels}");
    }
    let counted = gateway.metric(r#"ocpp_gateway_refused_total{reason="forbidden"}"#).await;
    assert_eq!(counted, 2.0);
    // The `identities` table maps CP1 to another certificate; the others are expired, of an unknown authority, or
    // absent.
    let bad = [Some(ca.client("CP1")), Some(ca.expired("CP2")), Some(unknown_ca.client("CP2")), None];
    for (number, client) in bad.into_iter().enumerate() {
        for versions in [&[&TLS12][..], &[&TLS13]] {
            let closed = is_closed_without_response(&gateway, &ca, client.as_ref(), versions).await;
            assert!(closed, "{number}: {client:?}");
        }
    }
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="tls"}"#).await, 8.0);
    gateway.stop().await;
}

/// Whether the connection ends without an HTTP response.
async fn is_closed_without_response(
    gateway: &Running,
    ca: &Authority,
    client: Option<&Certified>,
    versions: &[&'static SupportedProtocolVersion],
) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = connect(gateway.ocpp(), &ca.pem(), client, versions).await else { return true };
    // The connection may be closed already.
    let _ = stream.write_all(b"GET /ocpp/CP2 HTTP/1.1\r\n\r\n").await;
    let mut received = Vec::new();
    let _ = timeout(TIMEOUT, stream.read_to_end(&mut received)).await.expect("closed");
    received.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_certificate_is_used_for_new_connections_and_old_ones_stay() {
    let folder = folder();
    let (old, new) = (Authority::new(folder.path(), "old"), Authority::new(folder.path(), "new"));
    let server = old.server();
    let gateway = Running::start(&tls(&server, "")).await;
    let mut connected = connect_with_tls(&gateway, "CP1", &old, None).await.expect("accepted");
    // Between the copies the certificate does not match the key: the old one stays in use.
    let renewed = new.server();
    std::fs::copy(&renewed.cert, &server.cert).expect("copied");
    std::fs::copy(&renewed.key, &server.key).expect("copied");
    let is_new = async || connect(gateway.ocpp(), &new.pem(), None, BOTH).await.is_ok();
    until("the new certificate is used", is_new).await;
    assert!(connect(gateway.ocpp(), &old.pem(), None, BOTH).await.is_err());
    send_heartbeat(&gateway, "CP1", &mut connected).await;
    let mut other = connect_with_tls(&gateway, "CP2", &new, None).await.expect("accepted");
    send_heartbeat(&gateway, "CP2", &mut other).await;
    gateway.stop().await;
}
