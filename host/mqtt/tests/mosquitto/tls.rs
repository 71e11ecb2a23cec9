//! TLS, against a broker that is strict about it.

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
    let Certified { cert, key } = ca.server();
    let lines =
        format!("cafile {}\ncertfile {}\nkeyfile {}\n{more}", ca.pem().display(), cert.display(), key.display());
    let broker = Mosquitto::with(&lines, false).await;
    Fixture { folder, ca, broker }
}

impl Fixture {
    fn options(&self, ca: &Path, client: Option<Certified>) -> Arc<Options> {
        let (cert, key) = client.map(|Certified { cert, key }| (cert, key)).unzip();
        let tls = TlsFiles { ca: Some(ca.to_owned()), cert, key };
        Arc::new(Options { tls, ..options(&self.broker.url().replace("mqtt://", "mqtts://")) })
    }
}

/// What a connection says that is not made.
async fn complaint(options: Arc<Options>) -> String {
    let publisher = Publisher::start(options, always_current());
    eventually("it fails", || publisher.stats().connection.status().last_error.is_some()).await;
    publisher.stats().connection.status().last_error.expect("an error")
}

async fn carries_messages(options: Arc<Options>) {
    let subscriber = Subscriber::start(Arc::clone(&options), Box::new(drop));
    let publisher = Publisher::start(options, subscriber.current());
    let (mailbox, mut inbox) = Mailbox::new();
    subscriber.subscribe(1, vec![("t".to_owned(), QoS::AtLeastOnce)], mailbox).await.expect("subscribed");
    // Each larger than what TLS and the system take at once, all in all.
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
async fn the_brokers_certificate_is_checked() {
    let fixture = fixture("").await;
    carries_messages(fixture.options(&fixture.ca.pem(), None)).await;
    let stranger = Authority::new(fixture.folder.path(), "stranger");
    let complaint = complaint(fixture.options(&stranger.pem(), None)).await;
    assert!(complaint.contains("no TLS") && complaint.contains("UnknownIssuer"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_shown_to_a_broker_that_asks_for_one() {
    let fixture = fixture("require_certificate true\nuse_identity_as_username true\n").await;
    carries_messages(fixture.options(&fixture.ca.pem(), Some(fixture.ca.client("gateway")))).await;
    let stranger = Authority::new(fixture.folder.path(), "stranger").client("gateway");
    for client in [None, Some(stranger)] {
        let complaint = complaint(fixture.options(&fixture.ca.pem(), client)).await;
        assert!(complaint.to_lowercase().contains("alert") || complaint.contains("closed"), "{complaint}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_used_are_named() {
    let fixture = fixture("").await;
    let Certified { cert, key } = fixture.ca.client("gateway");
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
