//! MQTT 5 against a mock broker whose bytes the test writes.

mod support;

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use ocpp_gateway_mqtt::{Loss, Options, ProtocolVersion, Publication, Publisher, QoS, SubscribeError, Subscriber};
use rumqttc::v5::mqttbytes::{
    Error,
    v5::{Packet, Publish},
};
use support::{Mailbox, TIMEOUT, always_current, eventually, options_in, publication, receive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// CONNACK of a broker without limits, for a new session and for one that it kept.
const NEW: &[u8] = b"\x20\x03\x00\x00\x00";
const KEPT: &[u8] = b"\x20\x03\x01\x00\x00";
/// How long a connection has to be silent to count as quiet.
const QUIET: Duration = Duration::from_millis(50);

struct MockBroker(TcpListener);

impl MockBroker {
    async fn start() -> (MockBroker, Options) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("mqtt://{}", listener.local_addr().expect("bound"));
        (MockBroker(listener), options_in(ProtocolVersion::V5, &url))
    }

    /// Accepts the next connection, and sends this answer to its CONNECT.
    async fn accept(&self, answer: &[u8]) -> Connection {
        let (stream, _) = timeout(TIMEOUT, self.0.accept()).await.expect("in time").expect("a connection");
        let mut connection = Connection { stream, input: BytesMut::new() };
        assert!(matches!(connection.next().await, Packet::Connect(..)));
        connection.send(answer).await;
        connection
    }
}

struct Connection {
    stream: TcpStream,
    input: BytesMut,
}

impl Connection {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("written");
    }

    async fn next(&mut self) -> Packet {
        loop {
            match Packet::read(&mut self.input, None) {
                Ok(packet) => return packet,
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("{error}"),
            }
            let read = timeout(TIMEOUT, self.stream.read_buf(&mut self.input)).await.expect("in time");
            assert!(read.expect("readable") > 0, "closed");
        }
    }

    async fn publish(&mut self) -> Publish {
        match self.next().await {
            Packet::Publish(publish) => publish,
            other => panic!("{other:?}"),
        }
    }

    /// The topics of the next `count` publishes, with their packet ids and DUP flags.
    async fn publishes(&mut self, count: usize) -> Vec<(String, u16, bool)> {
        let mut publishes = Vec::new();
        for _ in 0..count {
            let publish = self.publish().await;
            let topic = String::from_utf8_lossy(&publish.topic).into_owned();
            publishes.push((topic, publish.pkid, publish.dup));
        }
        publishes
    }

    async fn is_quiet(&mut self) -> bool {
        self.input.is_empty() && timeout(QUIET, self.stream.read_buf(&mut self.input)).await.is_err()
    }
}

fn start(options: Options) -> Publisher {
    Publisher::start(Arc::new(options), always_current())
}

fn publish(publisher: &Publisher, topics: &[&str], qos: QoS) {
    for topic in topics {
        publisher.try_publish(Publication { qos, ..publication(topic, "x") }).expect("room");
    }
}

fn sent(topic: &str, pkid: u16, dup: bool) -> (String, u16, bool) {
    (topic.to_owned(), pkid, dup)
}

async fn connection_error(publisher: &Publisher) -> String {
    let error = || publisher.stats().connection.status().last_error;
    eventually("it fails", || error().is_some()).await;
    error().expect("an error")
}

#[tokio::test]
async fn lower_receive_maximum_after_a_reconnect_is_respected() {
    let (broker, options) = MockBroker::start().await;
    let publisher = start(options);
    let mut first = broker.accept(NEW).await;
    publish(&publisher, &["a", "b", "c", "d"], QoS::AtLeastOnce);
    first.publishes(4).await;
    drop(first);

    // Receive Maximum: 2.
    let mut second = broker.accept(b"\x20\x06\x01\x00\x03\x21\x00\x02").await;
    assert_eq!(second.publishes(2).await, [sent("a", 1, true), sent("b", 2, true)]);
    publish(&publisher, &["e"], QoS::AtLeastOnce);
    assert!(second.is_quiet().await);
    // No subscribers: acknowledged all the same.
    second.send(b"\x40\x03\x00\x02\x10").await;
    assert_eq!(second.publishes(1).await, [sent("c", 3, true)]);
    second.send(b"\x40\x02\x00\x01").await;
    assert_eq!(second.publishes(1).await, [sent("d", 4, true)]);
    assert!(second.is_quiet().await);
    second.send(b"\x40\x02\x00\x03").await;
    assert_eq!(second.publishes(1).await, [sent("e", 5, false)]);
    second.send(b"\x40\x02\x00\x04\x40\x02\x00\x05").await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!((publisher.stats().acknowledged.get(), publisher.stats().resent.get()), (5, 4));
    assert_eq!(publisher.stats().losses(), []);
}

#[tokio::test]
async fn publish_too_large_after_a_reconnect_is_counted_and_the_rest_sent_again() {
    let (broker, options) = MockBroker::start().await;
    let publisher = start(options);
    let mut first = broker.accept(NEW).await;
    publish(&publisher, &["a", "a/much/longer/topic", "b"], QoS::AtLeastOnce);
    first.publishes(3).await;
    drop(first);

    // Maximum Packet Size: 20.
    let mut second = broker.accept(b"\x20\x08\x01\x00\x05\x27\x00\x00\x00\x14").await;
    assert_eq!(second.publishes(2).await, [sent("a", 1, true), sent("b", 3, true)]);
    second.send(b"\x40\x02\x00\x01\x40\x02\x00\x03").await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(publisher.stats().losses(), [(Loss::Unpublishable, "test", 1)]);
}

#[tokio::test]
async fn open_publish_starts_again_if_its_qos_is_not_supported_any_more() {
    let (broker, options) = MockBroker::start().await;
    let publisher = start(options);
    let mut first = broker.accept(NEW).await;
    publish(&publisher, &["a"], QoS::ExactlyOnce);
    first.publishes(1).await;
    drop(first);

    // Maximum QoS: 1.
    let mut second = broker.accept(b"\x20\x05\x01\x00\x02\x24\x01").await;
    let again = second.publish().await;
    assert_eq!((again.qos, again.dup), (rumqttc::v5::mqttbytes::QoS::AtLeastOnce, false));
    second.send(b"\x40\x02\x00\x01").await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(publisher.stats().acknowledged.get(), 1);
}

/// With any reason code, in PUBACK and in PUBREC. With one in flight, the next publish shows that the packet id is free
/// again.
#[tokio::test]
async fn refused_publication_frees_its_packet_id_for_the_next() {
    let (broker, options) = MockBroker::start().await;
    let publisher = start(Options { in_flight: 1, ..options });
    let mut connection = broker.accept(NEW).await;
    publish(&publisher, &["a", "b"], QoS::AtLeastOnce);
    publish(&publisher, &["c", "d"], QoS::ExactlyOnce);
    for (topic, answer) in [
        // Quota exceeded.
        ("a", &b"\x40\x03\x00\x01\x97"[..]),
        ("b", b"\x40\x03\x00\x01\xc0"),
        ("c", b"\x50\x03\x00\x01\x99"),
        ("d", b"\x50\x03\x00\x01\x10"),
    ] {
        assert_eq!(connection.publishes(1).await, [sent(topic, 1, false)]);
        connection.send(answer).await;
    }
    assert!(matches!(connection.next().await, Packet::PubRel(release) if release.pkid == 1));
    // Packet id not found: it was released before.
    connection.send(b"\x70\x03\x00\x01\x92").await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(publisher.stats().losses(), [(Loss::Refused, "test", 3)]);
    assert_eq!(publisher.stats().acknowledged.get(), 1);
}

#[tokio::test]
async fn shorter_keep_alive_of_the_broker_is_respected() {
    let (broker, options) = MockBroker::start().await;
    // By the client's own keep alive it would send nothing during the test.
    let publisher = start(Options { keep_alive: Duration::from_secs(3600), ..options });
    // Server Keep Alive: 1 s.
    let mut connection = broker.accept(b"\x20\x06\x00\x00\x03\x13\x00\x01").await;
    let next = connection.next().await;
    assert!(matches!(next, Packet::PingReq(_)), "{next:?}");
    drop(publisher);
}

#[tokio::test]
async fn reason_for_a_failed_connection_is_reported() {
    for (answer, reason) in [
        (&b"\x20\x03\x00\x8a\x00"[..], "the broker refuses the connection: banned"),
        // A broker of 3.1.1, which knows no properties.
        (b"\x20\x02\x00\x01", "the broker refuses the connection: MQTT version not supported"),
        (b"\xe0\x01\x89", "the broker ends the connection: busy"),
        (b"\x20\x03\x00\x00\x00\xe0\x01\x8b", "the broker ends the connection: shutting down"),
        (b"\x20\x03\x00\x00\x00\x30\x03\x00\x01t", "the broker breaks the protocol: "),
    ] {
        let (broker, options) = MockBroker::start().await;
        let publisher = start(Options { reconnect_min: TIMEOUT, reconnect_max: TIMEOUT, ..options });
        let _connection = broker.accept(answer).await;
        let error = connection_error(&publisher).await;
        assert!(error.starts_with(reason), "{error}");
    }
}

#[tokio::test]
async fn oversized_message_with_properties_is_acknowledged() {
    let (broker, options) = MockBroker::start().await;
    let subscriber = Subscriber::start(Arc::new(Options { max_packet_size: 1000, ..options }), Box::new(drop));
    let mut connection = broker.accept(KEPT).await;
    let (mailbox, mut inbox) = Mailbox::new();
    let subscribing = tokio::spawn({
        let subscriber = subscriber.clone();
        async move { subscriber.subscribe(1, vec![("t".to_owned(), QoS::AtLeastOnce)], mailbox).await }
    });
    assert!(matches!(connection.next().await, Packet::Subscribe(_)));
    connection.send(b"\x90\x04\x00\x01\x00\x01").await;
    assert_eq!(subscribing.await.expect("no panic"), Ok(()));

    // 10,000 bytes from the topic on, with an expiry and a user property; then one that is not too large.
    let mut large = b"\x32\x90\x4e\x00\x01t\x00\x07\x0c\x02\x00\x00\x00\x09\x26\x00\x01k\x00\x01v".to_vec();
    large.resize(3 + 10_000, b'x');
    connection.send(&large).await;
    connection.send(b"\x32\x0d\x00\x01t\x00\x08\x05\x02\x00\x00\x00\x09hi").await;
    let beginning = receive(&mut inbox).await;
    assert_eq!((beginning.payload, beginning.oversized), (vec![b'x'; 4096].into(), Some(3 + 10_000)));
    assert_eq!(receive(&mut inbox).await.payload, "hi");
    for pkid in [7, 8] {
        assert!(matches!(connection.next().await, Packet::PubAck(ack) if ack.pkid == pkid));
    }
    assert_eq!(subscriber.stats().oversized.get(), 1);
}

#[tokio::test]
async fn refused_filter_is_reported_to_its_owner() {
    let (broker, options) = MockBroker::start().await;
    let subscriber = Subscriber::start(Arc::new(options), Box::new(drop));
    let mut connection = broker.accept(NEW).await;
    let filters = ["a", "b"].map(|filter| (filter.to_owned(), QoS::AtLeastOnce)).to_vec();
    let answering = async {
        let Packet::Subscribe(subscribe) = connection.next().await else { panic!("another packet") };
        let [granted, refused] = &subscribe.filters[..] else { panic!("{subscribe:?}") };
        connection.send(b"\x90\x05\x00\x01\x00\x01\x87").await;
        // The granted filter is unsubscribed. "No subscription existed" (0x11) is accepted as the answer.
        let Packet::Unsubscribe(unsubscribe) = connection.next().await else { panic!("another packet") };
        assert_eq!(unsubscribe.filters, [granted.path.as_str()]);
        connection.send(b"\xb0\x04\x00\x02\x00\x11").await;
        refused.path.clone()
    };
    let (answer, filter) = tokio::join!(subscriber.subscribe(1, filters, Mailbox::new().0), answering);
    assert_eq!(answer, Err(SubscribeError::Refused { filter, reason: "not authorized".into() }));
    subscriber.stop(TIMEOUT).await;
    assert_eq!(subscriber.stats().subscriptions.get(), 0);
}
