//! Several listeners: what each of them asks for, and what a reload changes.

use crate::secrets::{ConfiguredProgram, TOKEN};
use crate::security::{auth, basic, entry, folder, tls};
use crate::{Running, configuration, pause};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::authority::{self, Authority, NextUpdate};
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::{ChargePoint, Refused};
use rustls::version::TLS12;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A listener of this name, with more keys.
fn listener(name: &str, more: &str) -> String {
    format!("[[listeners]]\nname = \"{name}\"\nlisten = \"127.0.0.1:0\"\n{more}\n")
}

impl Running {
    fn listener(&self, name: &str) -> SocketAddr {
        let all = self.listeners.status();
        all.iter().find(|one| one.settings.name == name).unwrap_or_else(|| panic!("no {name}")).address
    }

    /// Replaces the listeners by those of this configuration.
    fn replace_listeners(&self, toml: &str) {
        let prepared = self.listeners.prepare(&configuration(toml).all_listeners()).expect("prepared");
        self.listeners.replace(prepared);
    }

    async fn page(&self, path: &str) -> Value {
        let page = self.admin(path).await;
        let (head, body) = page.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{page}");
        serde_json::from_str(body).expect("JSON")
    }
}

async fn connect(address: SocketAddr, path: &str, versions: &[&str]) -> Result<ChargePoint, Refused> {
    ChargePoint::connect(address, path, versions).await
}

async fn status(address: SocketAddr, path: &str) -> u16 {
    connect(address, path, &["ocpp1.6"]).await.err().map_or(101, |refused| refused.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_has_its_own_path_versions_passwords_and_identities() {
    let folder = folder();
    let users = folder.path().join("users");
    std::fs::write(&users, entry("CP1", b"secret")).expect("written");
    let old = listener("old", "path = \"/old\"\nversions = [\"ocpp1.6\"]\nidentities = [\"CP1\"]");
    let closed = listener("closed", &auth(&users).replace("ocpp.auth", "listeners.auth"));
    let gateway = Running::start(&(old + &closed)).await;
    // That of [ocpp] takes all.
    assert_eq!(status(gateway.ocpp(), "/ocpp/CP9").await, 101);
    let old = gateway.listener("old");
    assert_eq!(status(old, "/old/CP1").await, 101);
    assert_eq!(status(old, "/ocpp/CP1").await, 404, "another path");
    assert_eq!(status(old, "/old/CP2").await, 404, "not in its list");
    let newer = "GET /old/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \
                 dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\n\r\n";
    let answer = crate::exchange_raw(old, newer.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 101") && !answer.contains("ocpp2.0.1"),
        "closed, for another version: {answer}"
    );
    let closed = gateway.listener("closed");
    assert_eq!(status(closed, "/ocpp/CP1").await, 401);
    let stream = TcpStream::connect(closed).await.expect("connected");
    let lines = [("authorization", &*basic("CP1", b"secret"))];
    let known = ChargePoint::over(stream, "/ocpp/CP1", &["ocpp1.6"], &lines).await;
    assert!(known.is_ok(), "the right password");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_points_are_found_and_counted_by_their_listener() {
    let gateway = Running::start(&(listener("a", "") + &listener("b", "identities = []"))).await;
    let (a, b) = (gateway.listener("a"), gateway.listener("b"));
    let _first = gateway.charge_point("CP1").await;
    let _second = connect(a, "/ocpp/CP2", &["ocpp1.6"]).await.expect("accepted");
    assert_eq!(status(b, "/ocpp/CP3").await, 404);
    gateway.until("ocpp_gateway_connections", 2.0).await;
    let found = gateway.page("/api/v1/charge-points?listener=a").await;
    assert_eq!(found["matching"], 1);
    assert_eq!(
        (&found["charge_points"][0]["id"], &found["charge_points"][0]["listener"]),
        (&"CP2".into(), &"a".into())
    );
    assert_eq!(gateway.page("/api/v1/charge-points/CP1").await["listener"], "default");
    assert_eq!(gateway.page("/api/v1/refusals").await["refusals"][0]["listener"], "b");
    let page = gateway.page("/api/v1/listeners").await;
    let numbers: Vec<_> = page
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let number = |name: &str| one[name].as_u64().expect("a number");
            (one["name"].as_str().expect("a name"), number("connections"), number("accepted"), number("refused"))
        })
        .collect();
    assert_eq!(numbers, [("default", 1, 1, 0), ("a", 1, 1, 0), ("b", 0, 0, 1)]);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.metric("ocpp_gateway_listener_connections{listener=\"a\"}"), 1.0);
    assert_eq!(metrics.metric("ocpp_gateway_listener_accepted_total{listener=\"default\"}"), 1.0);
    assert_eq!(metrics.metric("ocpp_gateway_listener_refused_total{listener=\"b\"}"), 1.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mount_point_of_a_listener_is_before_the_topics_of_its_charge_points() {
    let gateway = Running::start(&listener("acme", "mountpoint = \"tenants/acme/\"")).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "#").await;
    let mut charge_point = connect(gateway.listener("acme"), "/ocpp/CP1", &["ocpp1.6"]).await.expect("accepted");
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    let call = back_end.expect_on("tenants/acme/ocpp/cp/CP1").await;
    assert!(call.contains("Heartbeat"), "{call}");
    gateway.until("ocpp_gateway_subscribed", 1.0).await;
    back_end.publish("tenants/acme/ocpp/cs/CP1", crate::result_object("1", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_rules_decide_by_the_address_that_a_trusted_proxy_reports() {
    let rules = "access = [\"deny 203.0.113.0/24\", \"allow all\"]";
    let behind = format!("trusted_proxies = [\"127.0.0.1\"]\n{rules}");
    let none = "access = [\"allow 10.0.0.0/8\", \"deny all\"]";
    let gateway = Running::start(&(listener("behind", &behind) + &listener("none", none))).await;
    for (forwarded, wanted) in [("203.0.113.7", 403), ("198.51.100.1", 101)] {
        let stream = TcpStream::connect(gateway.listener("behind")).await.expect("connected");
        let lines = [("x-forwarded-for", forwarded)];
        let answer = ChargePoint::over(stream, "/ocpp/CP1", &["ocpp1.6"], &lines).await;
        assert_eq!(answer.err().map_or(101, |refused| refused.status), wanted, "{forwarded}");
    }
    let answer = crate::exchange_raw(gateway.listener("none"), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(answer, "", "closed without an answer");
    gateway.until("ocpp_gateway_listener_refused_total{listener=\"none\"}", 1.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_of_a_listener_leaves_the_others_alone() {
    let gateway = Running::start(&(listener("small", "max_connections = 1") + &listener("large", ""))).await;
    let (small, large) = (gateway.listener("small"), gateway.listener("large"));
    let _first = connect(small, "/ocpp/CP1", &["ocpp1.6"]).await.expect("accepted");
    gateway.until("ocpp_gateway_connections", 1.0).await;
    assert_eq!(status(small, "/ocpp/CP2").await, 503);
    let _again = connect(small, "/ocpp/CP1", &["ocpp1.6"]).await.expect("its new connection replaces the old one");
    gateway.until("ocpp_gateway_closed_total{reason=\"replaced\"}", 1.0).await;
    assert_eq!(status(small, "/ocpp/CP2").await, 503, "the new one is counted");
    gateway.until("ocpp_gateway_listener_connections{listener=\"small\"}", 1.0).await;
    assert_eq!(status(large, "/ocpp/CP2").await, 101);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_stay_while_listeners_are_added_changed_and_removed() {
    let before = listener("stays", "") + &listener("changes", "") + &listener("goes", "");
    let gateway = Running::start(&before).await;
    let mut connected = Vec::new();
    for (name, id) in [("stays", "CP1"), ("changes", "CP2"), ("goes", "CP3")] {
        connected.push(connect(gateway.listener(name), &format!("/ocpp/{id}"), &["ocpp1.6"]).await.expect("accepted"));
    }
    gateway.until("ocpp_gateway_subscribed", 3.0).await;
    let addresses = ["stays", "changes", "goes"].map(|name| gateway.listener(name));
    gateway
        .replace_listeners(&(listener("new", "") + &listener("changes", "path = \"/other\"") + &listener("stays", "")));
    let [stays, changes, goes] = addresses;
    assert_eq!([gateway.listener("stays"), gateway.listener("changes")], [stays, changes]);
    let (code, reason) = connected.pop().expect("CP3").closed().await.expect("a close code");
    assert_eq!((code, &*reason), (1001, "the configuration no longer has this listener, or has changed it"));
    for charge_point in &mut connected {
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    }
    gateway.until("ocpp_gateway_connections", 2.0).await;
    assert_eq!(gateway.metric("ocpp_gateway_listener_connections{listener=\"changes\"}").await, 1.0);
    assert_eq!(status(gateway.listener("new"), "/ocpp/CP4").await, 101);
    assert_eq!(status(changes, "/ocpp/CP5").await, 404, "it has another path");
    assert_eq!(status(changes, "/other/CP5").await, 101);
    let ended = async {
        while TcpStream::connect(goes).await.is_ok() {
            pause().await;
        }
    };
    timeout(TIMEOUT, ended).await.expect("it no longer listens");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_if_one_listener_cannot_be_had() {
    let gateway = Running::start(&listener("a", "")).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address");
    let wanted = listener("b", "") + &listener("c", "").replace("127.0.0.1:0", &address.to_string());
    let fault = gateway.listeners.prepare(&configuration(&wanted).all_listeners()).err().expect("a fault");
    assert!(fault.to_string().starts_with(&format!("listeners.c.listen = {address}: ")), "{fault}");
    let names: Vec<_> = gateway.listeners.status().into_iter().map(|one| one.settings.name).collect();
    assert_eq!(names, ["default", "a"]);
    assert_eq!(status(gateway.listener("a"), "/ocpp/CP1").await, 101);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_the_listeners_again() {
    let folder = folder();
    let (file, log) = (folder.path().join("gateway.toml"), folder.path().join("log"));
    let common =
        format!("[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n[mqtt.embedded]\nlisten = \"127.0.0.1:0\"\n");
    std::fs::write(&file, common.clone() + &listener("first", "")).expect("written");
    let program = ConfiguredProgram::start(&file, log, "info", "ws://");
    program.wait_until_ready().await;
    let mut charge_point = connect(program.ocpp, "/ocpp/CP1", &["ocpp1.6"]).await.expect("accepted");
    std::fs::write(&file, common.clone() + &listener("first", "mountpoint = \"a/#\"")).expect("written");
    program.hang_up();
    program.log_with("listeners.first.mountpoint: is the beginning of topics").await;
    let rules = "access = [\"deny 10.0.0.0/8\", \"allow 10.1.0.0/16\"]";
    let second = listener("second", &format!("path = \"/second\"\n{rules}"));
    std::fs::write(&file, common + &second).expect("written");
    program.hang_up();
    program.log_with("listeners.second.access[1]: ").await;
    assert_eq!(charge_point.closed().await.expect("a close code").0, 1001);
    let page = program.page("/api/v1/listeners").await;
    let list: Value = serde_json::from_str(page.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    assert_eq!((list.as_array().map(Vec::len), &list[0]["name"]), (Some(1), &"second".into()));
    let address = list[0]["address"].as_str().expect("an address").parse().expect("an address");
    assert_eq!(status(address, "/second/CP1").await, 101);
    let log = program.stop();
    assert!(!log.contains("require a restart"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_of_a_removed_listener_are_broken_off() {
    let gateway = Running::start(&(listener("goes", "") + &listener("changes", ""))).await;
    let mut begun = Vec::new();
    for name in ["goes", "changes"] {
        let mut stream = TcpStream::connect(gateway.listener(name)).await.expect("connected");
        stream.write_all(b"GET /ocpp/CP1 HTTP/1.1\r\n").await.expect("sent");
        begun.push(stream);
    }
    // They are accepted by now: these came later.
    for name in ["goes", "changes"] {
        assert_eq!(status(gateway.listener(name), "/ocpp/CP9").await, 101);
    }
    gateway.replace_listeners(&listener("changes", "path = \"/other\""));
    for mut stream in begun {
        let mut answer = Vec::new();
        let ended = timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.expect("in time");
        assert!(answer.is_empty(), "{ended:?}: {}", String::from_utf8_lossy(&answer));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_that_has_not_changed_is_left_alone() {
    let gateway = Running::start(&listener("stays", "")).await;
    let begun = TcpStream::connect(gateway.listener("stays")).await.expect("connected");
    assert_eq!(status(gateway.listener("stays"), "/ocpp/CP9").await, 101);
    gateway.replace_listeners(&(listener("new", "") + &listener("stays", "")));
    // Its handshake goes on.
    let known = ChargePoint::over(begun, "/ocpp/CP1", &["ocpp1.6"], &[]).await;
    assert!(known.is_ok());
    let names: Vec<_> = gateway.listeners.status().into_iter().map(|one| one.settings.name).collect();
    assert_eq!(names, ["default", "new", "stays"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_name_the_keys_of_the_listener_wherever_it_stands() {
    let folder = folder();
    let users = folder.path().join("users");
    std::fs::write(&users, entry("CP1", b"secret")).expect("written");
    let open = listener("open", "");
    let closed = listener("closed", &auth(&users).replace("ocpp.auth", "listeners.auth"));
    let behind = "trusted_proxies = [\"10.0.0.1\"]\nauth = { proxy_certificate = true }";
    let behind = listener("behind", behind);
    let gateway = Running::start(&(open.clone() + &closed + &behind)).await;
    for _ in 0..2 {
        for (name, line, reason) in [
            ("open", ("origin", "http://elsewhere.example"), "they are not in listeners.open.origins"),
            ("behind", ("x", "y"), "does not come through one of listeners.behind.trusted_proxies"),
            ("closed", ("authorization", &*basic("CP2", b"secret")), "wrong user name or password"),
        ] {
            let stream = TcpStream::connect(gateway.listener(name)).await.expect("connected");
            let refused = ChargePoint::over(stream, "/ocpp/CP2", &["ocpp1.6"], &[line]).await.err().expect("refused");
            assert!(refused.text.contains(reason), "{name}: {}", refused.text);
        }
        let page = gateway.page("/api/v1/refusals").await;
        let texts: Vec<_> = page["refusals"].as_array().expect("a list").iter().map(|one| &one["text"]).collect();
        let detail = "401: wrong user name or password: it has no entry in listeners.closed.auth.users";
        assert!(texts.contains(&&json!(detail)), "{texts:?}");
        // The others stand behind a new one now, and are left alone.
        gateway.replace_listeners(&(listener("new", "") + &behind + &closed + &open));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_about_certificates_name_the_keys_of_the_listener() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let (ending, client) = (ca.expired("server"), ca.client("CP1"));
    let list = ca.revoke(&[], NextUpdate::Passed);
    let clients = format!("client_ca = {:?}\nclient_crl = [{list:?}]\nclient_crl_expired = \"refuse\"\n", ca.pem());
    let of = |name: &str, server, rest: &str| listener(name, &tls(server, rest).replace("ocpp.tls", "listeners.tls"));
    let gateway = Running::start(&(of("wss", &ca.server(), &clients) + &of("old", &ending, ""))).await;
    let problems = gateway.page("/api/v1/problems").await;
    let subjects: Vec<_> = problems["problems"].as_array().expect("a list").iter().map(|one| &one["subject"]).collect();
    assert_eq!(subjects, [&json!("listeners.old.tls.cert"), &json!("listeners.wss.tls.client_crl")]);
    let refused = authority::connect(gateway.listener("wss"), &ca.pem(), Some(&client), &[&TLS12]).await;
    assert!(refused.is_err(), "its CA has no list in force");
    gateway.until("ocpp_gateway_listener_refused_total{listener=\"wss\"}", 1.0).await;
    let page = gateway.page("/api/v1/refusals").await;
    let text = page["refusals"][0]["text"].as_str().expect("a text");
    assert!(text.ends_with("has ended: see listeners.wss.tls.client_crl_expired"), "{text}");
    gateway.stop().await;
}
