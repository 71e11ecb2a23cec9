//! The embedded broker, with a publisher and a subscriber connected to it.

mod support;

use std::{net::SocketAddr, sync::Arc};

use ocpp_gateway_mqtt::{
    BrokerLimits, EmbeddedBroker, EmbeddedBrokerError, Options, Publication, Publisher, QoS, Subscriber,
};
use support::{
    Mailbox, ObserverEvent, TIMEOUT, TestObserver, VERSIONS, eventually, next_event, options, options_in, publication,
    receive,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Bytes of the largest packet.
const LIMIT: usize = 1 << 20;

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn broker_carries_messages_from_publisher_to_subscriber() {
    for version in VERSIONS {
        carries_messages(|url| options_in(version, url)).await;
    }
}

async fn carries_messages(options: impl Fn(&str) -> Options) {
    let broker = EmbeddedBroker::start(any_port(), BrokerLimits::new(LIMIT)).await.expect("a broker");
    let options = Arc::new(options(&format!("mqtt://{}", broker.local_addr())));
    let subscriber = Subscriber::start(Arc::clone(&options), Box::new(drop));
    let publisher = Publisher::start(options, subscriber.current());
    let (mailbox, mut inbox) = Mailbox::new();
    let filters = vec![("ocpp/#".to_owned(), QoS::AtLeastOnce)];
    subscriber.subscribe(1, filters, mailbox).await.expect("subscribed");
    for number in 0..1000 {
        let permit = publisher.reserve().await.expect("running");
        permit.send(publication("ocpp/cp/x", number.to_string())).expect("publishable");
    }
    for number in 0..1000 {
        assert_eq!(receive(&mut inbox).await.payload, number.to_string());
    }
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    subscriber.stop(TIMEOUT).await;
    broker.stop().await;
}

/// With each version and QoS: the broker is asked, inside the process, before anything is sent.
#[tokio::test]
async fn publication_without_subscribers_is_returned() {
    for version in VERSIONS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            publication_without_subscribers(|url| options_in(version, url), qos).await;
        }
    }
}

async fn publication_without_subscribers(options: impl Fn(&str) -> Options, qos: QoS) {
    let broker = EmbeddedBroker::start(any_port(), BrokerLimits::new(LIMIT)).await.expect("a broker");
    let options = options(&format!("mqtt://{}", broker.local_addr()));
    let subscribers = Some(broker.subscriber_lookup("gw-sub"));
    let own = Arc::new(Options { subscribers, ..options.clone() });
    let own_subscriber = Subscriber::start(Arc::clone(&own), Box::new(drop));
    let publisher = Publisher::start(own, own_subscriber.current());
    let (own_mailbox, _own_inbox) = Mailbox::new();
    own_subscriber.subscribe(1, vec![("t".to_owned(), qos)], own_mailbox).await.expect("subscribed");
    let (observer, mut events) = TestObserver::new();
    let publish = |number, confirm, payload: &str| {
        let publication = Publication { qos, ..publication("t", payload) };
        publisher.try_publish(observer.watch(number, confirm, publication)).expect("room");
    };
    publish(1, false, "1");
    assert_eq!(next_event(&mut events).await, ObserverEvent::NoSubscriber(b"1".to_vec(), 1));

    let back_end = Subscriber::start(Arc::new(Options { client_id: "back-end".into(), ..options }), Box::new(drop));
    let (mailbox, mut inbox) = Mailbox::new();
    back_end.subscribe(1, vec![("t".to_owned(), qos)], mailbox).await.expect("subscribed");
    publish(2, false, "2");
    publish(3, true, "3");
    assert_eq!(next_event(&mut events).await, ObserverEvent::Delivered(3));
    for payload in ["2", "3"] {
        assert_eq!(receive(&mut inbox).await.payload, payload);
    }

    back_end.unsubscribe(1).await;
    eventually("unsubscribed", || back_end.stats().unsubscribe_packets.get() == 1).await;
    back_end.stop(TIMEOUT).await;
    publish(4, false, "4");
    assert_eq!(next_event(&mut events).await, ObserverEvent::NoSubscriber(b"4".to_vec(), 4));
    assert_eq!(publisher.stats().without_subscriber(), [("test", 2)]);
    broker.stop().await;
}

#[tokio::test]
async fn port_in_use_is_named_in_the_error() {
    let first = EmbeddedBroker::start(any_port(), BrokerLimits::new(LIMIT)).await.expect("a broker");
    let error = EmbeddedBroker::start(first.local_addr(), BrokerLimits::new(LIMIT))
        .await
        .err()
        .expect("no second broker on the port");
    assert!(matches!(error, EmbeddedBrokerError::Listen { .. }));
    assert!(error.to_string().contains(&first.local_addr().to_string()), "{error}");
    first.stop().await;
}

#[tokio::test]
async fn connections_notice_that_the_broker_has_stopped() {
    let broker = EmbeddedBroker::start(any_port(), BrokerLimits::new(LIMIT)).await.expect("a broker");
    let options = Arc::new(options(&format!("mqtt://{}", broker.local_addr())));
    let subscriber = Subscriber::<Mailbox>::start(options, Box::new(drop));
    eventually("connected", || subscriber.stats().connection.status().connected).await;
    broker.stop().await;
    eventually("disconnected", || !subscriber.stats().connection.status().connected).await;
}

/// A client that sends exactly these bytes.
struct Raw(TcpStream);

impl Raw {
    async fn connect(broker: &EmbeddedBroker, bytes: &[u8]) -> Self {
        let mut raw = Raw(TcpStream::connect(broker.local_addr()).await.expect("connected"));
        raw.send(bytes).await;
        raw
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("sent");
    }

    /// The next packet, whose size takes one byte.
    async fn packet(&mut self) -> Vec<u8> {
        let read = async {
            let mut packet = vec![0; 2];
            self.0.read_exact(&mut packet).await.expect("a packet");
            packet.resize(2 + usize::from(packet[1]), 0);
            self.0.read_exact(&mut packet[2..]).await.expect("all of it");
            packet
        };
        timeout(TIMEOUT, read).await.expect("a packet in time")
    }

    /// What arrives before the connection ends.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // It may end with a reset.
        let _ = timeout(TIMEOUT, self.0.read_to_end(&mut rest)).await.expect("an end");
        rest
    }
}

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";
const CONNECT_V5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01b";
const ACCEPTED: &[u8] = b"\x20\x02\x00\x00";

/// Mosquitto's bridge tries the protocol level 0x84 for MQTT 3.1.1 first. It understands no other answer.
#[tokio::test]
async fn bridge_bit_in_the_protocol_level_is_refused_as_in_3_1_1() {
    let broker = EmbeddedBroker::start(any_port(), BrokerLimits::new(LIMIT)).await.expect("a broker");
    let bridge = CONNECT.iter().map(|byte| if *byte == 4 { 0x84 } else { *byte }).collect::<Vec<u8>>();
    // The length of the name is a 4 too.
    let bridge = [&CONNECT[..4], &bridge[4..]].concat();
    assert_eq!(Raw::connect(&broker, &bridge).await.rest().await, b"\x20\x02\x00\x01");
    let mut again = Raw::connect(&broker, CONNECT).await;
    assert_eq!(again.packet().await, ACCEPTED);
    // A CONNECT may arrive byte by byte.
    let mut slow = Raw::connect(&broker, b"").await;
    for byte in CONNECT_V5 {
        slow.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    let answer = slow.packet().await;
    assert_eq!((answer[0], answer[3]), (0x20, 0), "{answer:?}");
    broker.stop().await;
}

#[tokio::test]
async fn maximum_packet_size_is_announced_and_enforced() {
    for (limit, announced) in [(LIMIT, LIMIT), (1 << 30, 268_435_455), (1, 1024)] {
        let broker = EmbeddedBroker::start(any_port(), BrokerLimits::new(limit)).await.expect("a broker");
        let mut client = Raw::connect(&broker, CONNECT_V5).await;
        let answer = client.packet().await;
        let property = [&[0x27][..], &(announced as u32).to_be_bytes()].concat();
        assert!(answer.windows(5).any(|window| window == property), "{limit}: {answer:?}");
        broker.stop().await;
    }
    let broker = EmbeddedBroker::start(any_port(), BrokerLimits::new(1024)).await.expect("a broker");
    for connect in [CONNECT, CONNECT_V5] {
        let mut client = Raw::connect(&broker, connect).await;
        client.packet().await;
        // QoS 0 on `t` with 2000 bytes.
        client.send(b"\x30\xd3\x0f\x00\x01t").await;
        let _ = client.0.write_all(&[0; 2000]).await;
        client.rest().await;
    }
    broker.stop().await;
}

/// The deviations of mqtt5 that docs/broker.md lists. Those that a newer mqtt5 does not have are to be removed there.
#[tokio::test]
async fn mqtt5_deviates_from_the_specification() {
    let broker = EmbeddedBroker::start(any_port(), BrokerLimits::new(LIMIT)).await.expect("a broker");
    let (mut old, mut receiver) = (Raw::connect(&broker, CONNECT).await, Raw::connect(&broker, CONNECT_V5).await);
    assert_eq!(old.packet().await, ACCEPTED);
    receiver.packet().await;
    receiver.send(b"\x82\x07\x00\x01\x00\x00\x01t\x00").await;
    receiver.packet().await;
    // A packet id of 0 (MQTT 3.1.1 section 2.3.1) is taken.
    old.send(b"\x32\x06\x00\x01t\x00\x00x").await;
    assert_eq!(old.packet().await, b"\x40\x02\x00\x00");
    // The message names the client that published it.
    let message = receiver.packet().await;
    let property = b"\x26\x00\x10x-mqtt-client-id\x00\x01a";
    assert!(message.windows(property.len()).any(|window| window == property), "{message:?}");
    // 3.1.1 has no DISCONNECT of a broker (MQTT 3.1.1 section 3.14).
    let mut new = Raw::connect(&broker, CONNECT).await;
    assert_eq!(new.packet().await, ACCEPTED);
    assert_eq!(old.rest().await.first(), Some(&0xe0));
    broker.stop().await;
}

/// The payloads that are retained on topics below `t/`, as a new subscriber gets them.
async fn retained(broker: &EmbeddedBroker, number: usize) -> Vec<String> {
    let options = Arc::new(Options::new(format!("mqtt://{}", broker.local_addr()).parse().expect("a URL"), "late"));
    let subscriber = Subscriber::start(options, Box::new(drop));
    let (mailbox, mut inbox) = Mailbox::new();
    subscriber.subscribe(1, vec![("t/#".to_owned(), QoS::AtLeastOnce)], mailbox).await.expect("subscribed");
    let mut found = Vec::new();
    for _ in 0..number {
        found.push(String::from_utf8_lossy(&receive(&mut inbox).await.payload).into_owned());
    }
    assert!(timeout(std::time::Duration::from_millis(100), inbox.recv()).await.is_err(), "no more than that");
    subscriber.stop(TIMEOUT).await;
    found.sort();
    found
}

#[tokio::test]
async fn retained_messages_are_bounded_in_number_and_in_bytes() {
    for version in VERSIONS {
        let limits = BrokerLimits { retained: 3, retained_memory: 50_000, ..BrokerLimits::new(LIMIT) };
        let broker = EmbeddedBroker::start(any_port(), limits).await.expect("a broker");
        let options = Arc::new(options_in(version, &format!("mqtt://{}", broker.local_addr())));
        let subscriber = Subscriber::start(Arc::clone(&options), Box::new(drop));
        let publisher = Publisher::start(options, subscriber.current());
        let (mailbox, mut inbox) = Mailbox::new();
        subscriber.subscribe(1, vec![("t/#".to_owned(), QoS::AtLeastOnce)], mailbox).await.expect("subscribed");
        let large = "x".repeat(30_000);
        for (topic, payload, refused) in [
            ("t/1", "a", 0),
            ("t/2", "b", 0),
            // Clearing a message frees its place.
            ("t/2", "", 0),
            ("t/2", large.as_str(), 1),
            ("t/3", "c", 1),
            ("t/4", "d", 1),
            ("t/5", "e", 2),
            // A message replaces the one before.
            ("t/1", "f", 2),
        ] {
            let message = Publication { retain: true, ..publication(topic, payload) };
            publisher.try_publish(message).expect("room");
            // Subscribers get it, retained or not.
            while receive(&mut inbox).await.payload != payload {}
            assert_eq!(broker.retained_refused().get(), refused, "{topic}");
        }
        assert_eq!(retained(&broker, 3).await, ["c", "d", "f"]);
        publisher.drain(TIMEOUT).await;
        subscriber.stop(TIMEOUT).await;
        broker.stop().await;
    }
}
