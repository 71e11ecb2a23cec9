//! The certificates that the gateway shows, and what it wants of those of charge points.

use crate::Running;
use crate::security::{folder, tls};
use ocpp_gateway_testkit::authority::{Authority, Certified, KeyKind, certificate_for, certificate_in};
use rustls::version::{TLS12, TLS13};

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
