//! TLS, against a broker that requires it.

use std::{path::Path, sync::Arc};

use ocpp_gateway_mqtt::{Options, Publisher, QoS, Subscriber, TlsFiles};
use ocpp_gateway_testkit::{
    authority::{Authority, Certified},
    mosquitto::Mosquitto,
};

use crate::support::{Mailbox, TIMEOUT, always_current, eventually, options, publication, receive};

struct Fixture {
    folder: tempfile::TempDir,
    ca: Authority,
    broker: Mosquitto,
}

async fn fixture(more: &str) -> Fixture {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = Authority::new(folder.path(), "ca");
    let Certified { cert, key, .. } = ca.server();
    let lines =
        format!("cafile {}\ncertfile {}\nkeyfile {}\n{more}", ca.pem().display(), cert.display(), key.display());
    let broker = Mosquitto::with(&lines, false).await;
    Fixture { folder, ca, broker }
}

impl Fixture {
    fn options(&self, ca: &Path, client: Option<Certified>) -> Arc<Options> {
        let (cert, key) = client.map(|Certified { cert, key, .. }| (cert, key)).unzip();
        let tls = TlsFiles { ca: Some(ca.to_owned()), cert, key };
        Arc::new(Options { tls, ..options(&self.broker.url().replace("mqtt://", "mqtts://")) })
    }
}

/// The error of a connection that cannot be made.
async fn connection_error(options: Arc<Options>) -> String {
    let publisher = Publisher::start(options, always_current());
    eventually("it fails", || publisher.stats().connection.status().last_error.is_some()).await;
    publisher.stats().connection.status().last_error.expect("an error")
}

async fn carries_messages(options: Arc<Options>) {
    let subscriber = Subscriber::start(Arc::clone(&options), Box::new(drop));
    let publisher = Publisher::start(options, subscriber.current());
    let (mailbox, mut inbox) = Mailbox::new();
    subscriber.subscribe(1, vec![("t".to_owned(), QoS::AtLeastOnce)], mailbox).await.expect("subscribed");
    // Together larger than the buffers of TLS and the operating system.
    let payload = |number: u8| vec![number; 900_000];
    for number in 0..8 {
        let permit = publisher.reserve().await.expect("running");
        permit.send(publication("t", payload(number))).expect("publishable");
    }
    for number in 0..8 {
        assert!(receive(&mut inbox).await.payload == payload(number), "{number}");
    }
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    subscriber.stop(TIMEOUT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_of_the_broker_is_checked() {
    let fixture = fixture("").await;
    carries_messages(fixture.options(&fixture.ca.pem(), None)).await;
    let other = Authority::new(fixture.folder.path(), "other");
    let error = connection_error(fixture.options(&other.pem(), None)).await;
    assert!(error.contains("no TLS") && error.contains("UnknownIssuer"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_certificate_is_sent_to_a_broker_that_requests_one() {
    let fixture = fixture("require_certificate true\nuse_identity_as_username true\n").await;
    carries_messages(fixture.options(&fixture.ca.pem(), Some(fixture.ca.client("gateway")))).await;
    let other = Authority::new(fixture.folder.path(), "other").client("gateway");
    for client in [None, Some(other)] {
        let error = connection_error(fixture.options(&fixture.ca.pem(), client)).await;
        assert!(error.to_lowercase().contains("alert") || error.contains("closed"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusable_files_are_named_in_the_error() {
    let fixture = fixture("").await;
    let Certified { cert, key, .. } = fixture.ca.client("gateway");
    let nowhere = fixture.folder.path().join("nowhere.pem");
    let some = |path: &Path| Some(path.to_owned());
    for (files, named) in [
        (TlsFiles { ca: some(&nowhere), ..TlsFiles::default() }, "nowhere.pem: "),
        (TlsFiles { ca: some(&key), ..TlsFiles::default() }, "gateway.key: there is no certificate in it"),
        (TlsFiles { ca: some(&cert), cert: some(&cert), key: None }, "only one of them"),
        (TlsFiles { ca: some(&cert), cert: some(&cert), key: some(&cert) }, "gateway.crt: "),
    ] {
        let problem = files.check().expect_err(named).to_string();
        assert!(problem.contains(named), "{problem}");
    }
}
