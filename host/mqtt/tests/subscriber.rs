//! The subscriber against a broker that misbehaves on demand.

mod support;

use std::{sync::Arc, time::Duration};

use ocpp_gateway_mqtt::{QoS, SubscribeError, Subscriber};
use ocpp_gateway_testkit::broker::{Script, ScriptedBroker, Seen};
use rumqttc::Packet;
use support::{Mailbox, TIMEOUT, eventually, options, receive};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::mpsc, task::JoinSet, time::timeout};

fn start(broker: &ScriptedBroker) -> Subscriber<Mailbox> {
    Subscriber::start(Arc::new(options(&broker.url())), Box::new(drop))
}

fn filters(filters: &[&str]) -> Vec<(String, QoS)> {
    filters.iter().map(|filter| ((*filter).to_owned(), QoS::AtLeastOnce)).collect()
}

async fn current(subscriber: &Subscriber<Mailbox>, expected: bool) {
    let mut current = subscriber.current();
    timeout(TIMEOUT, current.wait_for(|current| *current == expected)).await.expect("in time").expect("running");
}

/// The filters of all SUBSCRIBE packets of a connection, sorted.
fn subscribed(seen: &[Seen], connection: usize) -> Vec<&str> {
    let of = seen.iter().filter(|seen| seen.connection == connection);
    let mut filters: Vec<&str> = of.filter_map(Seen::subscribed).flatten().collect();
    filters.sort_unstable();
    filters
}

fn refusal(filter: &str) -> SubscribeError {
    SubscribeError::Refused { filter: filter.into(), reason: "unspecified error".into() }
}

fn acknowledged(seen: &[Seen], pkid: u16) -> bool {
    seen.iter().any(|seen| matches!(&seen.packet, Packet::PubAck(ack) if ack.pkid == pkid))
}

#[tokio::test]
async fn a_message_reaches_its_owner_and_is_acknowledged() {
    let broker = ScriptedBroker::start().await;
    let subscriber = start(&broker);
    let (mailbox, mut inbox) = Mailbox::new();
    subscriber.subscribe(1, filters(&["cs/a"]), mailbox).await.expect("subscribed");
    broker.inject("gw-sub", "cs/a", "hello", rumqttc::QoS::AtLeastOnce, 7);
    let message = receive(&mut inbox).await;
    assert_eq!((message.topic.as_str(), &message.payload[..], message.qos), ("cs/a", &b"hello"[..], QoS::AtLeastOnce));
    broker.seen_by(|seen| acknowledged(seen, 7)).await;
}

/// No later packet would wake the subscriber.
#[tokio::test]
async fn message_that_arrives_together_with_connack_is_delivered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let options = options(&format!("mqtt://{}", listener.local_addr().expect("bound")));
    let (unrouted, mut inbox) = mpsc::channel(1);
    let handler = Box::new(move |message| unrouted.try_send(message).expect("room"));
    let _subscriber = Subscriber::<Mailbox>::start(Arc::new(options), handler);
    let (mut stream, _) = listener.accept().await.expect("a connection");
    stream.write_all(b"\x20\x02\x01\x00\x30\x06\x00\x01they").await.expect("written");
    assert_eq!(receive(&mut inbox).await.payload, "hey");
}

#[tokio::test]
async fn many_simultaneous_subscriptions_need_few_packets() {
    let broker = ScriptedBroker::start().await;
    let subscriber = start(&broker);
    let mut storm = JoinSet::new();
    for owner in 0..10_000 {
        let (subscriber, mailbox) = (subscriber.clone(), Mailbox::new().0);
        storm.spawn(async move { subscriber.subscribe(owner, filters(&[&format!("cs/{owner}")]), mailbox).await });
    }
    let results = timeout(TIMEOUT, storm.join_all()).await.expect("in time");
    assert!(results.iter().all(Result::is_ok));
    let seen = broker.seen();
    let sizes: Vec<usize> = seen.iter().filter_map(Seen::subscribed).map(|filters| filters.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 10_000);
    assert!(sizes.len() <= 100 && sizes.iter().all(|size| *size <= 200), "{sizes:?}");
    assert_eq!(subscriber.stats().subscriptions.get(), 10_000);
}

#[tokio::test]
async fn a_lost_session_is_restored_in_batches_before_the_subscriber_is_current() {
    let broker = ScriptedBroker::start().await;
    let subscriber = start(&broker);
    let all: Vec<String> = (0..450).map(|number| format!("cs/{number:03}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    subscriber.subscribe(1, filters(&all), Mailbox::new().0).await.expect("subscribed");
    current(&subscriber, true).await;

    broker.script(|script| script.acknowledge_subscriptions = false);
    broker.drop_connections(None);
    let seen = broker.seen_by(|seen| subscribed(seen, 1).len() == 450).await;
    assert_eq!(subscribed(&seen, 1), all);
    assert_eq!(seen.iter().filter(|seen| seen.connection == 1 && seen.subscribed().is_some()).count(), 3);
    assert!(!*subscriber.current().borrow());
    broker.script(|script| script.acknowledge_subscriptions = true);
    current(&subscriber, true).await;
}

#[tokio::test]
async fn only_missing_filters_are_requested_in_a_kept_session() {
    let broker = ScriptedBroker::start().await;
    let subscriber = start(&broker);
    subscriber.subscribe(1, filters(&["cs/a"]), Mailbox::new().0).await.expect("subscribed");
    broker.script(|script| (script.session_present, script.acknowledge_subscriptions) = (true, false));
    let open = tokio::spawn({
        let subscriber = subscriber.clone();
        async move { subscriber.subscribe(2, filters(&["cs/b"]), Mailbox::new().0).await }
    });
    broker.seen_by(|seen| subscribed(seen, 0) == ["cs/a", "cs/b"]).await;
    broker.drop_connections(None);
    broker.script(|script| script.acknowledge_subscriptions = true);
    let seen = broker.seen_by(|seen| !subscribed(seen, 1).is_empty()).await;
    assert_eq!(subscribed(&seen, 1), ["cs/b"]);
    assert_eq!(open.await.expect("no panic"), Ok(()));
}

#[tokio::test]
async fn replacing_subscribes_before_it_unsubscribes() {
    let broker = ScriptedBroker::start().await;
    let subscriber = start(&broker);
    let (mailbox, mut inbox) = Mailbox::new();
    subscriber.subscribe(1, filters(&["old"]), mailbox).await.expect("subscribed");
    subscriber.replace(1, filters(&["new"])).await.expect("replaced");
    let seen = broker.seen_by(|seen| seen.iter().any(|seen| seen.unsubscribed().is_some())).await;
    let place = |which: &dyn Fn(&Seen) -> bool| seen.iter().position(which).expect("seen");
    let new = place(&|seen| seen.subscribed().is_some_and(|filters| filters == ["new"]));
    let old = place(&|seen| seen.unsubscribed().is_some_and(|filters| filters == ["old"]));
    assert!(new < old);
    broker.inject("gw-sub", "new", "", rumqttc::QoS::AtMostOnce, 0);
    assert_eq!(receive(&mut inbox).await.topic, "new");
}

#[tokio::test]
async fn refusal_is_reported_to_its_owner_only() {
    let script = Script { refuse: ["secret".to_owned()].into(), ..Script::default() };
    let broker = ScriptedBroker::start_with(script).await;
    let subscriber = start(&broker);
    let (refused, granted) = tokio::join!(
        subscriber.subscribe(1, filters(&["open/1", "secret"]), Mailbox::new().0),
        subscriber.subscribe(2, filters(&["open/2"]), Mailbox::new().0),
    );
    assert_eq!(refused, Err(refusal("secret")));
    assert_eq!(granted, Ok(()));
    let unknown = subscriber.replace(1, filters(&["open/1"])).await;
    assert_eq!(unknown, Err(SubscribeError::UnknownOwner));
}

#[tokio::test]
async fn refusal_after_a_reconnect_is_reported_to_its_owner_only() {
    let broker = ScriptedBroker::start().await;
    let subscriber = start(&broker);
    let (one, two) = (Mailbox::new().0, Mailbox::new().0);
    subscriber.subscribe(1, filters(&["cs/1"]), one.clone()).await.expect("subscribed");
    subscriber.subscribe(2, filters(&["cs/2"]), two.clone()).await.expect("subscribed");
    broker.script(|script| script.refuse = ["cs/1".to_owned()].into());
    broker.drop_connections(None);
    eventually("the refusal is told", || one.refusals() == [refusal("cs/1")]).await;
    // The other subscription is restored, so the subscriber is current.
    current(&subscriber, true).await;
    assert_eq!(two.refusals(), []);
    subscriber.unsubscribe(1).await;
    broker.script(|script| script.refuse.clear());
    subscriber.subscribe(3, filters(&["cs/1"]), Mailbox::new().0).await.expect("subscribed again");
}

#[tokio::test]
async fn topics_of_another_process_are_acknowledged_counted_and_unsubscribed() {
    let broker = ScriptedBroker::start_with(Script { session_present: true, ..Script::default() }).await;
    let subscriber = start(&broker);
    current(&subscriber, true).await;
    for pkid in 1..=3 {
        broker.inject("gw-sub", "cs/gone", "hello?", rumqttc::QoS::AtLeastOnce, pkid);
    }
    let seen = broker.seen_by(|seen| acknowledged(seen, 3) && seen.iter().any(|it| it.unsubscribed().is_some())).await;
    let left: Vec<_> = seen.iter().filter_map(Seen::unsubscribed).collect();
    assert_eq!(left, [["cs/gone"]]);
    assert_eq!(subscriber.stats().unrouted.get(), 3);
}

#[tokio::test]
async fn oversized_message_is_acknowledged_and_the_connection_stays() {
    let broker = ScriptedBroker::start().await;
    let mut options = options(&broker.url());
    options.max_packet_size = 10_000;
    let subscriber = Subscriber::start(Arc::new(options), Box::new(drop));
    let (mailbox, mut inbox) = Mailbox::new();
    subscriber.subscribe(1, filters(&["cs/a"]), mailbox).await.expect("subscribed");
    broker.inject("gw-sub", "cs/a", vec![7; 3_000_000], rumqttc::QoS::AtLeastOnce, 1);
    broker.inject("gw-sub", "cs/a", "small", rumqttc::QoS::AtLeastOnce, 2);
    // The recipient gets the beginning, marked as oversized.
    let beginning = receive(&mut inbox).await;
    assert!(beginning.oversized.is_some_and(|size| size > 3_000_000), "{beginning:?}");
    assert!(beginning.topic == "cs/a" && beginning.payload == vec![7; 4096], "{beginning:?}");
    let small = receive(&mut inbox).await;
    assert_eq!((&small.payload[..], small.oversized), (&b"small"[..], None));
    let seen = broker.seen_by(|seen| acknowledged(seen, 1) && acknowledged(seen, 2)).await;
    assert!(seen.iter().all(|seen| seen.connection == 0));
    assert_eq!(subscriber.stats().oversized.get(), 1);
}

#[tokio::test]
async fn qos_2_message_is_delivered_once() {
    let broker = ScriptedBroker::start().await;
    let subscriber = start(&broker);
    let (mailbox, mut inbox) = Mailbox::new();
    subscriber.subscribe(1, filters(&["cs/a"]), mailbox).await.expect("subscribed");
    // The repetition comes before the release, as after a reconnect.
    broker.inject("gw-sub", "cs/a", "1", rumqttc::QoS::ExactlyOnce, 9);
    broker.inject("gw-sub", "cs/a", "1", rumqttc::QoS::ExactlyOnce, 9);
    broker.seen_by(|seen| seen.iter().any(|seen| matches!(seen.packet, Packet::PubComp(_)))).await;
    broker.inject("gw-sub", "cs/a", "2", rumqttc::QoS::ExactlyOnce, 9);
    assert_eq!(receive(&mut inbox).await.payload, "1");
    assert_eq!(receive(&mut inbox).await.payload, "2");
}

#[tokio::test]
async fn non_ascii_topics_are_routed() {
    let broker = ScriptedBroker::start().await;
    let subscriber = start(&broker);
    let (mailbox, mut inbox) = Mailbox::new();
    subscriber.subscribe(1, filters(&["é/+", "cs/ü"]), mailbox).await.expect("subscribed");
    broker.inject("gw-sub", "é/1", "", rumqttc::QoS::AtMostOnce, 0);
    broker.inject("gw-sub", "cs/ü", "", rumqttc::QoS::AtMostOnce, 0);
    assert_eq!((receive(&mut inbox).await.topic, receive(&mut inbox).await.topic), ("é/1".into(), "cs/ü".into()));
}

#[tokio::test]
async fn stopping_sends_pending_unsubscribes_and_disconnects() {
    let broker = ScriptedBroker::start().await;
    let subscriber = start(&broker);
    for owner in 0..3 {
        let topic = format!("cs/{owner}");
        subscriber.subscribe(owner, filters(&[&topic]), Mailbox::new().0).await.expect("subscribed");
    }
    for owner in 0..3 {
        subscriber.unsubscribe(owner).await;
    }
    subscriber.stop(TIMEOUT).await;
    let seen = broker.seen();
    assert_eq!(seen.iter().filter_map(Seen::unsubscribed).flatten().count(), 3);
    assert!(matches!(seen.last().map(|seen| &seen.packet), Some(Packet::Disconnect)));
    let late = subscriber.subscribe(9, filters(&["late"]), Mailbox::new().0).await;
    assert_eq!(late, Err(SubscribeError::Stopped));
}

#[tokio::test]
async fn subscriber_connects_to_a_broker_that_starts_later() {
    let broker = ScriptedBroker::start_with(Script { connect: None, ..Script::default() }).await;
    let mut options = options(&broker.url());
    options.connect_timeout = Duration::from_millis(50);
    let subscriber = Subscriber::start(Arc::new(options), Box::new(drop));
    let waiting = tokio::spawn({
        let subscriber = subscriber.clone();
        async move { subscriber.subscribe(1, filters(&["cs/a"]), Mailbox::new().0).await }
    });
    eventually("failed attempts", || subscriber.stats().connection.failures.get() >= 2).await;
    broker.script(|script| *script = Script::default());
    assert_eq!(timeout(TIMEOUT, waiting).await.expect("in time").expect("no panic"), Ok(()));
}
