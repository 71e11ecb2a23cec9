//! Features of MQTT 5.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use ocpp_gateway_mqtt::{
    Credentials, Loss, Message, Options, ProtocolVersion, Publication, Publisher, QoS, Subscriber,
};
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use rumqttc::v5::{
    AsyncClient, Event, Incoming, MqttOptions,
    mqttbytes::{
        QoS as ConsumerQoS,
        v5::{Publish, SubAck},
    },
};
use tokio::{sync::mpsc, time::timeout};

use crate::support::{
    Mailbox, ObserverEvent, TIMEOUT, TestObserver, always_current, eventually, next_event, options_in, publication,
    receive,
};

fn options(broker: &Mosquitto) -> Options {
    options_in(ProtocolVersion::V5, &broker.url())
}

fn start(options: Options) -> Publisher {
    Publisher::start(Arc::new(options), always_current())
}

/// Publishes, waiting for room.
async fn publish(publisher: &Publisher, publication: Publication) {
    publisher.reserve().await.expect("running").send(publication).expect("publishable");
}

/// The messages on all topics, as received by rumqttc's own client for MQTT 5.
async fn consumer(port: u16) -> mpsc::Receiver<Publish> {
    let mut options = MqttOptions::new("consumer", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = AsyncClient::new(options, 10);
    let (seen, inbox) = mpsc::channel(1000);
    let (subscribed, mut confirmation) = mpsc::channel::<SubAck>(1);
    client.subscribe("#", ConsumerQoS::AtLeastOnce).await.expect("asked");
    tokio::spawn(async move {
        let _client = client;
        while let Ok(event) = events.poll().await {
            match event {
                Event::Incoming(Incoming::Publish(publish)) => {
                    // A test that has seen enough drops the receiver.
                    let _ = seen.send(publish).await;
                }
                Event::Incoming(Incoming::SubAck(ack)) => subscribed.send(ack).await.expect("awaited"),
                _ => {}
            }
        }
    });
    timeout(TIMEOUT, confirmation.recv()).await.expect("in time").expect("subscribed");
    inbox
}

async fn seen(inbox: &mut mpsc::Receiver<Publish>) -> Publish {
    timeout(TIMEOUT, inbox.recv()).await.expect("in time").expect("a running consumer")
}

/// Mosquitto has a Receive Maximum of 20, and ends a connection that exceeds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_in_flight_stay_within_the_receive_maximum_of_the_broker() {
    const COUNT: u32 = 5000;
    let broker = Mosquitto::start(false).await;
    let options = options(&broker);
    assert!(options.in_flight > 20);
    let publisher = start(options);
    for number in 0..COUNT {
        publish(&publisher, publication("t", number.to_string())).await;
    }
    let (stats, mut most) = (publisher.stats(), 0);
    let watching = async {
        while stats.acknowledged.get() < COUNT.into() {
            most = most.max(stats.in_flight.get());
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, watching).await.expect("acknowledged in time");
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(most, 20);
    assert_eq!((publisher.stats().acknowledged.get(), publisher.stats().losses()), (COUNT.into(), vec![]));
    assert_eq!(publisher.stats().connection.connects.get(), 1);
}

#[tokio::test]
async fn consumer_receives_the_expiry_of_a_message() {
    let broker = Mosquitto::start(false).await;
    let mut inbox = consumer(broker.port()).await;
    let publisher = start(options(&broker));
    publish(&publisher, publication("t", "lasting")).await;
    let expires = Some(Instant::now() + Duration::from_millis(29_500));
    publish(&publisher, Publication { expires, ..publication("t", "call") }).await;
    let mut expiries = Vec::new();
    for _ in 0..2 {
        expiries.push(seen(&mut inbox).await.properties.and_then(|properties| properties.message_expiry_interval));
    }
    // The broker subtracts the time for which it had the message.
    assert!(matches!(expiries[..], [None, Some(29 | 30)]), "{expiries:?}");
}

#[tokio::test]
async fn publication_too_large_for_the_broker_is_counted() {
    let broker = Mosquitto::with("max_packet_size 2000\n", false).await;
    let mut inbox = consumer(broker.port()).await;
    let publisher = start(options(&broker));
    // The packet has 9 bytes beside its payload.
    for (payload, qos) in [(1992, QoS::AtLeastOnce), (5000, QoS::AtMostOnce), (1991, QoS::AtLeastOnce)] {
        publish(&publisher, Publication { qos, ..publication("t", vec![b'x'; payload]) }).await;
    }
    assert_eq!(seen(&mut inbox).await.payload.len(), 1991);
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(publisher.stats().losses(), [(Loss::Unpublishable, "test", 2)]);
    assert_eq!(publisher.stats().connection.connects.get(), 1);
}

#[tokio::test]
async fn publication_refused_by_the_broker_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("acl");
    fs::write(&rules, "topic write open/#\ntopic read #\n").expect("written");
    let broker = Mosquitto::with(&format!("acl_file {}\n", rules.display()), false).await;
    let publisher = start(Options { in_flight: 2, ..options(&broker) });
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce] {
        publish(&publisher, Publication { qos, ..publication("secret", "no") }).await;
        publish(&publisher, Publication { qos, ..publication("open/t", "yes") }).await;
    }
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(publisher.stats().losses(), [(Loss::Refused, "test", 3)]);
    assert_eq!(publisher.stats().acknowledged.get(), 3);
    assert_eq!(publisher.stats().connection.connects.get(), 1);
}

#[tokio::test]
async fn publication_without_subscribers_is_returned() {
    let broker = Mosquitto::start(false).await;
    let publisher = start(options(&broker));
    let (observer, mut events) = TestObserver::new();
    publish(&publisher, observer.watch(1, false, publication("t", "call"))).await;
    assert_eq!(next_event(&mut events).await, ObserverEvent::NoSubscriber(b"call".to_vec(), 1));
    publish(&publisher, publication("t", "answer")).await;
    eventually("both are counted", || publisher.stats().without_subscriber() == [("test", 2)]).await;

    let mut inbox = consumer(broker.port()).await;
    publish(&publisher, observer.watch(2, false, publication("t", "2"))).await;
    publish(&publisher, observer.watch(3, true, publication("t", "3"))).await;
    // A success is reported only if that was asked for.
    assert_eq!(next_event(&mut events).await, ObserverEvent::Delivered(3));
    for payload in ["2", "3"] {
        assert_eq!(seen(&mut inbox).await.payload, payload);
    }
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!((publisher.stats().acknowledged.get(), publisher.stats().losses()), (4, vec![]));
}

#[tokio::test]
async fn wrong_password_is_reported_as_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let users = folder.path().join("users");
    fs::write(&users, "").expect("written");
    let broker = Mosquitto::with(&format!("password_file {}\n", users.display()), false).await;
    let credentials = Some(Credentials { username: "gateway".into(), password: "wrong".into() });
    let publisher = start(Options { credentials, ..options(&broker) });
    let error = || publisher.stats().connection.status().last_error;
    eventually("it fails", || error().is_some()).await;
    assert_eq!(error().as_deref(), Some("the broker refuses the connection: not authorized"));
}

#[tokio::test]
async fn a_broker_without_qos_2_and_retained_messages_gets_neither() {
    let broker = Mosquitto::with("max_qos 1\nretain_available false\n", false).await;
    let mut inbox = consumer(broker.port()).await;
    let publisher = start(options(&broker));
    publish(&publisher, Publication { qos: QoS::ExactlyOnce, retain: true, ..publication("t", "1") }).await;
    assert_eq!(&seen(&mut inbox).await.payload[..], b"1");
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!((publisher.stats().acknowledged.get(), publisher.stats().connection.connects.get()), (1, 1));
}

/// The session outlives both the connection and the broker: messages wait in it, and no filter is subscribed again.
#[tokio::test]
async fn a_session_outlives_its_connection() {
    let mut broker = Mosquitto::start(true).await;
    let options = options(&broker);
    let filters = || vec![("t".to_owned(), QoS::AtLeastOnce)];
    let subscriber = Subscriber::start(Arc::new(options.clone()), Box::new(drop));
    let (mailbox, mut inbox) = Mailbox::new();
    subscriber.subscribe(1, filters(), mailbox).await.expect("subscribed");
    broker.terminate();
    broker.restart().await;
    let publisher = start(options.clone());
    publish(&publisher, publication("t", "1")).await;
    assert_eq!(receive(&mut inbox).await.payload, "1");
    assert_eq!(subscriber.stats().subscribe_packets.get(), 1);

    subscriber.stop(TIMEOUT).await;
    publish(&publisher, publication("t", "2")).await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    let (unrouted, mut waiting) = mpsc::channel::<Message>(10);
    let handler = Box::new(move |message| unrouted.try_send(message).expect("room"));
    let _successor = Subscriber::<Mailbox>::start(Arc::new(options), handler);
    assert_eq!(receive(&mut waiting).await.payload, "2");
}
