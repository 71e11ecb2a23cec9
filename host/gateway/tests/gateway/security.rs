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

/// What the command makes of a password.
pub(crate) fn entry(identity: &str, password: &[u8]) -> String {
    entry_with("argon2id", identity, password)
}

fn entry_with(hash: &str, identity: &str, password: &[u8]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    command.args(["user", identity, "--hash", hash]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(password).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
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

async fn knock(gateway: &Running, id: &str, authorization: Option<&str>) -> Result<ChargePoint, Refused> {
    let stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
    let lines = authorization.map(|value| ("authorization", value));
    ChargePoint::over(stream, &format!("/ocpp/{id}"), &["ocpp1.6"], lines.as_slice()).await
}

async fn status(gateway: &Running, id: &str, authorization: Option<&str>) -> u16 {
    knock(gateway, id, authorization).await.err().map_or(101, |refused| refused.status)
}

/// Waits for what changes once a file has been read.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("{what} in time"));
}

/// A Heartbeat there and its answer back.
async fn beat<S>(gateway: &Running, id: &str, charge_point: &mut ChargePoint<S>)
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
async fn profile_1_asks_for_the_password_of_the_charge_point() {
    let folder = folder();
    let users = folder.path().join("users");
    let odd = b"a:b:\xff\x00\xc3";
    let file = entry("CP1", b"secret\n") + "# a comment\n\n" + &entry("CP2", odd) + &entry("CP3", b"\xc3\xa9");
    std::fs::write(&users, file).expect("written");
    let gateway = Running::start(&auth(&users)).await;

    for (id, user, password, expected) in [
        ("CP1", "CP1", &b"secret"[..], 101),
        // Once more: known from before.
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
        let refused = knock(&gateway, "CP1", other).await.err().expect("refused");
        assert_eq!((refused.status, refused.challenge.as_deref()), (401, Some("Basic realm=\"ocpp\"")), "{other:?}");
    }
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="unauthorized"}"#).await, 12.0);
    let mut charge_point = knock(&gateway, "CP1", Some(&basic("CP1", b"secret"))).await.expect("let in");
    beat(&gateway, "CP1", &mut charge_point).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_may_be_hashed_in_each_form_there_is() {
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
async fn admission_sees_the_user_and_never_the_password() {
    let folder = folder();
    let users = folder.path().join("users");
    std::fs::write(&users, entry("BAD1", b"secret")).expect("written");
    let transforms =
        transform("admission", "tell what it sees", "") + &transform("uplink", "publish the attributes", "");
    let gateway = Running::start(&(auth(&users) + &transforms)).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = knock(&gateway, "BAD1", Some(&basic("BAD1", b"secret"))).await.expect("let in");
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
async fn users_and_identities_come_and_go_while_the_gateway_runs() {
    let folder = folder();
    let (users, identities) = (folder.path().join("users"), folder.path().join("identities"));
    let (one, two) = (entry("CP1", b"one"), entry("CP2", b"two"));
    std::fs::write(&users, one + &two + &entry("CP3", b"three")).expect("written");
    std::fs::write(&identities, "CP1\nCP3\n").expect("written");
    let toml = format!("[ocpp]\nidentities = {identities:?}\n{}", auth(&users));
    let gateway = Running::start(&toml).await;
    let (first, second, third) = (basic("CP1", b"one"), basic("CP2", b"two"), basic("CP3", b"three"));
    let mut connected = knock(&gateway, "CP1", Some(&first)).await.expect("let in");
    assert_eq!(status(&gateway, "CP2", Some(&second)).await, 401);
    // A new file in the place of the old one, and an old one with new content.
    let new = folder.path().join("new");
    std::fs::write(&new, "CP1\nCP2\nCP3\n").expect("written");
    std::fs::rename(&new, &identities).expect("moved");
    until("CP2 is let in", async || status(&gateway, "CP2", Some(&second)).await == 101).await;
    std::fs::write(&users, two).expect("written");
    until("CP3 is forgotten", async || status(&gateway, "CP3", Some(&third)).await == 401).await;
    assert_eq!(status(&gateway, "CP2", Some(&second)).await, 101);
    assert_eq!(status(&gateway, "CP1", Some(&first)).await, 401);
    beat(&gateway, "CP1", &mut connected).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_learn_which_identities_are_on_the_list() {
    let folder = folder();
    let users = folder.path().join("users");
    std::fs::write(&users, entry("CP1", b"secret") + &entry("CP2", b"secret")).expect("written");
    let gateway = Running::start(&format!("[ocpp]\nidentities = [\"CP1\", \"CP3\"]\n{}", auth(&users))).await;
    let mut answers = Vec::new();
    // One on both lists, one on either, and one on none; with the password of CP2 even if it is right.
    for id in ["CP1", "CP2", "CP3", "CP4"] {
        let password: &[u8] = if id == "CP2" { b"secret" } else { b"wrong" };
        let refused = knock(&gateway, id, Some(&basic(id, password))).await.err().expect("refused");
        let without = knock(&gateway, id, None).await.err().expect("refused");
        assert_eq!((refused.status, without.status), (401, 401), "{id}");
        answers.push((refused.challenge, refused.text, without.text));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(status(&gateway, "CP1", Some(&basic("CP1", b"secret"))).await, 101);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_certificate_and_is_not_on_the_list_is_forbidden() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let more = format!("client_ca = {:?}\n", ca.pem());
    let gateway = Running::start(&format!("[ocpp]\nidentities = [\"CP1\"]\n{}", tls(&ca.server(), &more))).await;
    let client = ca.client("CP2");
    for id in ["CP1", "CP2"] {
        assert_eq!(knock_tls(&gateway, id, &ca, Some(&client)).await.err().expect("refused").status, 403, "{id}");
    }
    gateway.stop().await;
}

/// Connects with TLS and asks for a WebSocket.
async fn knock_tls(
    gateway: &Running,
    id: &str,
    ca: &Authority,
    client: Option<&Certified>,
) -> Result<ChargePoint<TlsStream<TcpStream>>, Refused> {
    let stream = connect(gateway.ocpp(), &ca.pem(), client, BOTH).await.expect("TLS");
    ChargePoint::over(stream, &format!("/ocpp/{id}"), &["ocpp1.6"], &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_2_hides_the_password_and_shows_the_gateways_certificate() {
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
                    beat(&gateway, "CP1", &mut charge_point).await;
                    charge_point.close().await;
                }
                Err(refused) => assert_eq!(refused.status, expected, "{}", refused.text),
            }
        }
    }
    let stranger = Authority::new(folder.path(), "stranger");
    assert!(connect(gateway.ocpp(), &stranger.pem(), None, BOTH).await.is_err(), "it is not vouched for");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_speak_tls_is_not_waited_for() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let toml = format!("[ocpp]\nhandshake_timeout = \"2s\"\n{}", tls(&ca.server(), ""));
    let gateway = Running::start(&toml).await;
    for (said, reason) in [("", "timed_out"), ("GET /ocpp/CP1 HTTP/1.1\r\n\r\n", "tls")] {
        let mut stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
        stream.write_all(said.as_bytes()).await.expect("sent");
        let _ = timeout(TIMEOUT, stream.read_to_end(&mut Vec::new())).await.expect("closed");
        assert_eq!(gateway.metric(&format!("ocpp_gateway_refused_total{{reason=\"{reason}\"}}")).await, 1.0);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_3_takes_the_identity_from_the_certificate() {
    let folder = folder();
    let (ca, stranger) = (Authority::new(folder.path(), "ca"), Authority::new(folder.path(), "stranger"));
    let more = format!("client_ca = {:?}\nidentities = {{ \"SN-1\" = \"CP1\" }}\n", ca.pem());
    let gateway = Running::start(&tls(&ca.server(), &more)).await;
    for (common_name, id, expected) in
        [("CP2", "CP2", 101), ("CP2", "CP3", 403), ("SN-1", "CP1", 101), ("SN-1", "SN-1", 403)]
    {
        let client = ca.client(common_name);
        match knock_tls(&gateway, id, &ca, Some(&client)).await {
            Ok(mut charge_point) => {
                assert_eq!(expected, 101, "{common_name} as {id}");
                beat(&gateway, id, &mut charge_point).await;
            }
            Err(refused) => assert_eq!(refused.status, expected, "{common_name} as {id}: {}", refused.text),
        }
    }
    for certificate in ["server", "client_ca"] {
        let name = format!("ocpp_gateway_certificate_days_left{{certificate=\"{certificate}\"}}");
        assert!(gateway.metric(&name).await > 0.0, "{certificate}");
    }
    let counted = gateway.metric(r#"ocpp_gateway_refused_total{reason="forbidden"}"#).await;
    assert_eq!(counted, 2.0);
    // A table gives CP1 to another certificate; the rest is nobody that is vouched for.
    let bad = [Some(ca.client("CP1")), Some(ca.expired("CP2")), Some(stranger.client("CP2")), None];
    for (number, client) in bad.into_iter().enumerate() {
        for versions in [&[&TLS12][..], &[&TLS13]] {
            let closed = is_closed_unheard(&gateway, &ca, client.as_ref(), versions).await;
            assert!(closed, "{number}: {client:?}");
        }
    }
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="tls"}"#).await, 8.0);
    gateway.stop().await;
}

/// Whether the connection ends before anything of HTTP was answered.
async fn is_closed_unheard(
    gateway: &Running,
    ca: &Authority,
    client: Option<&Certified>,
    versions: &[&'static SupportedProtocolVersion],
) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = connect(gateway.ocpp(), &ca.pem(), client, versions).await else { return true };
    // It may have been closed by now.
    let _ = stream.write_all(b"GET /ocpp/CP2 HTTP/1.1\r\n\r\n").await;
    let mut heard = Vec::new();
    let _ = timeout(TIMEOUT, stream.read_to_end(&mut heard)).await.expect("closed");
    heard.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_stay() {
    let folder = folder();
    let (old, new) = (Authority::new(folder.path(), "old"), Authority::new(folder.path(), "new"));
    let server = old.server();
    let gateway = Running::start(&tls(&server, "")).await;
    let mut connected = knock_tls(&gateway, "CP1", &old, None).await.expect("let in");
    // First a certificate that does not belong to the key: for so long the old one stays.
    let renewed = new.server();
    std::fs::copy(&renewed.cert, &server.cert).expect("copied");
    std::fs::copy(&renewed.key, &server.key).expect("copied");
    let is_new = async || connect(gateway.ocpp(), &new.pem(), None, BOTH).await.is_ok();
    until("the new certificate is shown", is_new).await;
    assert!(connect(gateway.ocpp(), &old.pem(), None, BOTH).await.is_err());
    beat(&gateway, "CP1", &mut connected).await;
    let mut other = knock_tls(&gateway, "CP2", &new, None).await.expect("let in");
    beat(&gateway, "CP2", &mut other).await;
    gateway.stop().await;
}
