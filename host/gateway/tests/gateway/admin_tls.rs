//! TLS of the admin listener.

use crate::ctl::{failed, printed, program};
use crate::security::folder;
use crate::{Running, exchange_raw, pause};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::authority::{Authority, Certified, connect};
use rustls::version::{TLS12, TLS13};
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::block_in_place;
use tokio::time::timeout;

fn tls(server: &Certified) -> String {
    format!("[admin.tls]\ncert = {:?}\nkey = {:?}\n", server.cert, server.key)
}

/// The answer to GET with these header lines, over TLS.
async fn get(gateway: &Running, ca: &Path, path: &str, lines: &str) -> String {
    let mut stream = connect(gateway.addresses.admin, ca, None, &[&TLS13, &TLS12]).await.expect("TLS");
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    timeout(TIMEOUT, stream.read_to_string(&mut answer)).await.expect("in time").expect("an answer");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_listener_with_a_certificate_speaks_tls_only() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let gateway = Running::start_unready(&tls(&ca.server())).await;
    for version in [&TLS12, &TLS13] {
        connect(gateway.addresses.admin, &ca.pem(), None, &[version]).await.expect("TLS");
    }
    assert!(get(&gateway, &ca.pem(), "/healthz", "").await.starts_with("HTTP/1.1 200"));
    assert!(get(&gateway, &ca.pem(), "/", "").await.contains("<!doctype html>"));
    let metrics = get(&gateway, &ca.pem(), "/metrics", "").await;
    assert!(metrics.contains("ocpp_gateway_certificate_days_left{certificate=\"admin\",file="), "{metrics}");

    let plain = exchange_raw(gateway.addresses.admin, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 400") && plain.contains("this listener speaks TLS only"), "{plain}");
    let unknown = Authority::new(folder.path(), "unknown");
    assert!(connect(gateway.addresses.admin, &unknown.pem(), None, &[&TLS13]).await.is_err());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_listener_itself_may_use_it_over_tls_without_a_token() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let gateway = Running::start_unready(&tls(&ca.server())).await;
    let pem = ca.pem();
    let me = |origin: &'static str| get(&gateway, &pem, "/api/v1/me", origin);
    assert!(me("Origin: https://127.0.0.1:1\r\n").await.starts_with("HTTP/1.1 200"));
    assert!(me("Origin: http://127.0.0.1:1\r\n").await.starts_with("HTTP/1.1 403"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_certificate_of_the_admin_listener_is_used_without_a_restart() {
    let folder = folder();
    let (before, after) = (Authority::new(folder.path(), "before"), Authority::new(folder.path(), "after"));
    let server = before.server();
    let gateway = Running::start_unready(&tls(&server)).await;
    let accepts = async |ca: &Authority| connect(gateway.addresses.admin, &ca.pem(), None, &[&TLS13]).await.is_ok();
    assert!(accepts(&before).await && !accepts(&after).await);
    let renewed = after.server();
    std::fs::copy(&renewed.cert, &server.cert).expect("copied");
    std::fs::copy(&renewed.key, &server.key).expect("copied");
    let is_renewed = async {
        while !accepts(&after).await {
            pause().await;
        }
    };
    timeout(TIMEOUT, is_renewed).await.expect("read again in time");
    assert!(!accepts(&before).await);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctl_speaks_https_with_a_gateway_whose_authority_it_trusts() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let gateway = Running::start_unready(&tls(&ca.server())).await;
    let (url, pem) = (format!("https://{}", gateway.addresses.admin), ca.pem().display().to_string());
    let ctl = |arguments: &[&str]| {
        let arguments = [&["ctl", "--url", &*url, "transforms", "list"][..], arguments].concat();
        block_in_place(|| program(&arguments).output()).expect("the program runs")
    };
    assert!(printed(&ctl(&["--ca", &pem])).contains("builtin:standard"));
    let error = failed(&ctl(&[]), 1);
    assert!(error.contains("UnknownIssuer") && error.contains("--ca or OCPP_GATEWAY_CA"), "{error}");
    let error = failed(&ctl(&["--ca", "/nowhere/at/all"]), 1);
    assert!(error.contains("/nowhere/at/all"), "{error}");
    let plain = format!("http://{}", gateway.addresses.admin);
    let plain = ["ctl", "--url", &plain, "transforms", "list"];
    let error = failed(&block_in_place(|| program(&plain).output()).expect("the program runs"), 1);
    assert!(error.contains("this listener speaks TLS only: use https://"), "{error}");
    gateway.stop().await;
}
