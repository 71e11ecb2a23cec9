//! `https://`.

use super::server::{Get, Reply, Server};
use super::*;
use ocpp_gateway_testkit::authority::Authority;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::sync::Arc;
use ureq::tls::Certificate;

/// An authority of some name, and a server with a certificate of it.
struct Secure {
    root: Certificate<'static>,
    server: Server,
}

impl Secure {
    fn start(name: &str, reply: impl Fn(&Get) -> Reply + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new(folder.path(), name);
        let certified = authority.server();
        let chain = vec![CertificateDer::from_pem_file(certified.cert).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(certified.key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        let pem = fs::read(authority.pem()).expect("a certificate");
        Secure { root: Certificate::from_pem(&pem).expect("a certificate"), server: Server::start_tls(config, reply) }
    }

    fn source(&self) -> RemoteSource {
        source(&format!("https://{}/a.wasm", self.server.host()))
    }

    fn fetcher(&self) -> Fetcher {
        Fetcher { roots: vec![self.root.clone()], ..fetcher() }
    }
}

#[test]
fn component_is_fetched_from_a_server_whose_authority_is_trusted() {
    let secure = Secure::start("ca", |_| Reply::ok("application/wasm", COMPONENT));
    assert_eq!(secure.fetcher().fetch(&secure.source(), false).expect("a component").bytes, COMPONENT);
}

#[test]
fn server_of_another_authority_gets_no_request() {
    let secure = Secure::start("ca", |_| Reply::ok("application/wasm", COMPONENT));
    let other = Secure::start("other", |_| Reply::not_found());
    let error = http_error(other.fetcher().fetch(&secure.source(), false).expect_err("not trusted"));
    assert!(matches!(error, HttpError::Certificate { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("UnknownIssuer") && text.contains("SSL_CERT_FILE"), "{text}");
    assert!(secure.server.requests().is_empty());
}

#[test]
fn system_without_certificates_is_named() {
    let secure = Secure::start("ca", |_| Reply::ok("application/wasm", COMPONENT));
    let error = http_error(fetcher().fetch(&secure.source(), false).expect_err("no roots"));
    assert!(matches!(error, HttpError::NoRoots { .. }), "{error}");
}

#[test]
fn redirect_from_https_to_http_is_refused_even_on_loopback() {
    let plain = Server::start(|_| Reply::ok("application/wasm", COMPONENT));
    let there = format!("http://{}/a.wasm", plain.host());
    let secure = Secure::start("ca", move |_| Reply::redirect(there.clone()));
    let error = http_error(secure.fetcher().fetch(&secure.source(), false).expect_err("a downgrade"));
    assert!(matches!(error, HttpError::Downgrade { .. }), "{error}");
    assert!(plain.requests().is_empty());
}

#[test]
fn handshake_that_does_not_end_is_left_in_the_time_of_a_connection() {
    // Accepts connections, and reads what it takes for a request.
    let silent = Server::start(|_| Reply::Silent);
    let secure = Secure::start("ca", |_| Reply::not_found());
    let impatient = Fetcher { time: TimeLimits { connect: SHORT, whole: LONG }, ..secure.fetcher() };
    let error = impatient.fetch(&source(&format!("https://{}/a.wasm", silent.host())), false).expect_err("silent");
    assert!(matches!(http_error(error), HttpError::ConnectTimeout { .. }));
}
