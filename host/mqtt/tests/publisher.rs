//! The publisher against a broker that misbehaves on demand.

mod support;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use ocpp_gateway_mqtt::{Loss, Options, Publication, PublishError, Publisher, QoS, Status, Unpublishable};
use ocpp_gateway_testkit::broker::{Script, ScriptedBroker, Seen};
use ocpp_gateway_testkit::port::ReservedPort;
use rumqttc::{ConnectReturnCode, Packet};
use support::{ObserverEvent, TIMEOUT, TestObserver, always_current, eventually, next_event, options, publication};
use tokio::{sync::watch, time::timeout};

fn start(options: Options) -> Publisher {
    Publisher::start(Arc::new(options), always_current())
}

/// Accepts the publication, waiting for room.
async fn publish(publisher: &Publisher, publication: Publication) {
    let permit = timeout(TIMEOUT, publisher.reserve()).await.expect("room in time").expect("a running publisher");
    permit.send(publication).expect("publishable");
}

async fn publish_numbered(publisher: &Publisher, numbers: std::ops::Range<u32>) {
    for number in numbers {
        publish(publisher, publication("t", number.to_string())).await;
    }
}

/// The payloads published, in order of arrival, over all connections or one.
fn payloads(seen: &[Seen], connection: Option<usize>) -> Vec<u32> {
    let of = seen.iter().filter(|seen| connection.is_none_or(|number| seen.connection == number));
    of.filter_map(Seen::publish)
        .map(|publish| std::str::from_utf8(&publish.payload).expect("text").parse().expect("a number"))
        .collect()
}

fn count(seen: &[Seen], connection: usize) -> usize {
    seen.iter().filter(|seen| seen.connection == connection && seen.publish().is_some()).count()
}

/// A burst of many tasks costs a few writes, not one each, although the first of them wakes the publisher.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn publications_of_a_burst_share_a_write() {
    const TASKS: u64 = 50;
    let broker = ScriptedBroker::start().await;
    let publisher = start(options(&broker.url()));
    publish_numbered(&publisher, 0..1).await;
    eventually("acknowledged", || publisher.stats().acknowledged.get() == 1).await;
    let written = publisher.stats().connection.writes.get();
    let burst = publisher.clone();
    // From a task of the only worker, so that all of them are ready before the first one runs.
    let spawning = tokio::spawn(async move {
        for number in 1..=TASKS {
            let publisher = burst.clone();
            tokio::spawn(async move { publisher.try_publish(publication("t", number.to_string())).expect("room") });
        }
    });
    spawning.await.expect("no panic");
    eventually("acknowledged", || publisher.stats().acknowledged.get() == 1 + TASKS).await;
    let writes = publisher.stats().connection.writes.get() - written;
    assert!(writes <= 3, "{writes} writes for {TASKS} publications");
}

#[tokio::test]
async fn a_lost_session_loses_no_publication() {
    let broker = ScriptedBroker::start_with(Script { acknowledge: false, ..Script::default() }).await;
    let publisher = start(options(&broker.url()));
    publish_numbered(&publisher, 0..200).await;
    broker.seen_by(|seen| count(seen, 0) == 200).await;
    // Out of order, so that the free packet ids are scattered.
    broker.acknowledge((2..100).step_by(3));
    eventually("acknowledged", || publisher.stats().acknowledged.get() == 33).await;
    publish_numbered(&publisher, 200..300).await;
    broker.seen_by(|seen| count(seen, 0) == 233).await;

    broker.script(|script| script.acknowledge = true);
    broker.drop_connections(None);
    let seen = broker.seen_by(|seen| count(seen, 1) == 267).await;
    let open: Vec<u32> = (0..300).filter(|number| !(1..99).contains(number) || (number + 1) % 3 != 2).collect();
    assert_eq!(payloads(&seen, Some(1)), open, "all that was open, in its order");
    assert!(seen.iter().filter(|seen| seen.connection == 1).filter_map(Seen::publish).all(|publish| !publish.dup));
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(publisher.stats().losses(), []);
}

#[tokio::test]
async fn a_kept_session_gets_the_same_packet_ids_with_dup() {
    let script = Script { acknowledge: false, session_present: true, ..Script::default() };
    let broker = ScriptedBroker::start_with(script).await;
    let publisher = start(options(&broker.url()));
    // The session that an earlier process left is cleared first: connections 0 and 1.
    publish_numbered(&publisher, 0..80).await;
    let seen = broker.seen_by(|seen| count(seen, 2) == 80).await;
    let first: HashMap<u32, u16> = numbered_pkids(&seen, 2, false);
    broker.acknowledge([5, 3]);
    eventually("acknowledged", || publisher.stats().acknowledged.get() == 2).await;

    broker.script(|script| script.acknowledge = true);
    broker.drop_connections(None);
    let seen = broker.seen_by(|seen| count(seen, 3) == 78).await;
    let open: Vec<u32> = (0..80).filter(|number| ![2, 4].contains(number)).collect();
    assert_eq!(payloads(&seen, Some(3)), open);
    for (number, pkid) in numbered_pkids(&seen, 3, true) {
        assert_eq!(first[&number], pkid);
    }
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(publisher.stats().acknowledged.get(), 80);
}

fn numbered_pkids(seen: &[Seen], connection: usize, dup: bool) -> HashMap<u32, u16> {
    let publishes = seen.iter().filter(|seen| seen.connection == connection).filter_map(Seen::publish);
    publishes
        .map(|publish| {
            assert_eq!(publish.dup, dup);
            (std::str::from_utf8(&publish.payload).expect("text").parse().expect("a number"), publish.pkid)
        })
        .collect()
}

#[tokio::test]
async fn packet_ids_are_unique_and_in_flight_is_bounded_with_slow_acknowledgements() {
    let broker = ScriptedBroker::start_with(Script { acknowledge: false, ..Script::default() }).await;
    let mut options = options(&broker.url());
    options.in_flight = 20;
    let publisher = start(options);
    let publishing = tokio::spawn({
        let publisher = publisher.clone();
        async move { publish_numbered(&publisher, 0..500).await }
    });
    let mut arrived = 0;
    while arrived < 500 {
        arrived = broker.seen_by(|seen| count(seen, 0) > arrived).await.len() - 1;
        let open = broker.held();
        assert!(open.len() <= 20);
        let distinct: HashSet<&u16> = open.iter().collect();
        assert_eq!(distinct.len(), open.len(), "two open publishes share a packet id");
        // The newest first, and the oldest only when nothing else is left.
        broker.acknowledge(open.into_iter().rev().take(7));
    }
    publishing.await.expect("published");
    broker.script(|script| script.acknowledge = true);
    broker.acknowledge(broker.held());
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(payloads(&broker.seen(), None), (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn qos_2_publish_resumes_after_a_reconnect() {
    let broker = ScriptedBroker::start_with(Script { acknowledge: false, ..Script::default() }).await;
    let publisher = start(options(&broker.url()));
    for number in 0..2 {
        let publication = publication("t", number.to_string());
        publish(&publisher, Publication { qos: QoS::ExactlyOnce, ..publication }).await;
    }
    broker.seen_by(|seen| count(seen, 0) == 2).await;
    broker.acknowledge([1]);
    broker.seen_by(|seen| seen.iter().any(|seen| matches!(seen.packet, Packet::PubRel(_)))).await;

    broker.script(|script| (script.session_present, script.acknowledge) = (true, true));
    broker.drop_connections(None);
    eventually("acknowledged", || publisher.stats().acknowledged.get() == 2).await;
    let seen = broker.seen();
    assert_eq!(payloads(&seen, Some(1)), [1], "the released one is not published again");
}

#[tokio::test]
async fn expired_publication_is_counted_and_not_sent() {
    let broker = ScriptedBroker::start_with(Script { connect: None, ..Script::default() }).await;
    let mut options = options(&broker.url());
    options.connect_timeout = Duration::from_millis(100);
    let publisher = start(options);
    let before = Instant::now().checked_sub(Duration::from_secs(1));
    publish(&publisher, Publication { expires: before, kind: "call", ..publication("t", "0") }).await;
    publish_numbered(&publisher, 1..3).await;
    broker.script(|script| script.connect = Some(ConnectReturnCode::Success));
    let seen = broker.seen_by(|seen| seen.iter().filter(|seen| seen.publish().is_some()).count() == 2).await;
    assert_eq!(payloads(&seen, None), [1, 2]);
    assert_eq!(publisher.stats().losses(), [(Loss::Expired, "call", 1)]);
}

/// A call that expires this long after now.
fn call(publisher: &Publisher, number: u32, after: Duration) -> Publication {
    let expires = Some(publisher.availability().broker_time(Instant::now()) + after);
    Publication { expires, kind: "call", ..publication("t", number.to_string()) }
}

#[tokio::test]
async fn nothing_expires_while_the_broker_is_away() {
    const LEFT: Duration = Duration::from_millis(300);
    let broker = ScriptedBroker::start().await;
    let publisher = start(options(&broker.url()));
    let availability = Arc::clone(publisher.availability());
    eventually("reached", || !availability.is_away()).await;
    broker.script(|script| script.connect = Some(ConnectReturnCode::ServiceUnavailable));
    broker.drop_connections(None);
    eventually("away", || availability.is_away()).await;
    let away = Instant::now();
    publish(&publisher, call(&publisher, 0, LEFT)).await;
    while away.elapsed() < 2 * LEFT {
        tokio::time::sleep(LEFT).await;
    }
    broker.script(|script| script.connect = Some(ConnectReturnCode::Success));
    broker.seen_by(|seen| payloads(seen, None) == [0]).await;
    assert_eq!(publisher.stats().losses(), []);
    eventually("reached again", || !availability.is_away()).await;
    assert!(availability.time_away(Instant::now()) >= 2 * LEFT);
}

#[tokio::test]
async fn expiring_publications_that_were_never_sent_are_withdrawn() {
    let broker = ScriptedBroker::start_with(Script { acknowledge: false, ..Script::default() }).await;
    let publisher = start(options(&broker.url()));
    eventually("reached", || !publisher.availability().is_away()).await;
    assert_eq!(publisher.withdraw().await, Ok(None), "the broker is there");
    publish(&publisher, call(&publisher, 0, TIMEOUT)).await;
    broker.seen_by(|seen| count(seen, 0) == 1).await;
    broker.script(|script| script.connect = Some(ConnectReturnCode::ServiceUnavailable));
    broker.drop_connections(None);
    eventually("away", || publisher.availability().is_away()).await;
    publish_numbered(&publisher, 1..2).await;
    for number in [2, 3] {
        publish(&publisher, call(&publisher, number, TIMEOUT)).await;
    }
    eventually("all wait", || publisher.stats().backlog.get() == 3).await;
    assert_eq!(publisher.withdraw().await, Ok(Some(2)));
    // Later calls are taken back on arrival.
    publish(&publisher, call(&publisher, 4, TIMEOUT)).await;
    publish_numbered(&publisher, 5..6).await;
    eventually("all have arrived", || publisher.stats().lost(Loss::Withdrawn) == 3).await;

    broker.script(|script| (script.connect, script.acknowledge) = (Some(ConnectReturnCode::Success), true));
    eventually("back", || !publisher.availability().is_away()).await;
    publish(&publisher, call(&publisher, 6, TIMEOUT)).await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    let seen = broker.seen();
    let connection = seen.iter().map(|seen| seen.connection).max();
    assert_eq!(payloads(&seen, connection), [0, 1, 5, 6], "the first may have arrived, and is sent again");
    assert_eq!(publisher.stats().losses(), [(Loss::Withdrawn, "call", 3)]);
}

#[tokio::test]
async fn observer_is_notified_of_an_evicted_publication() {
    let script = Script { connect: Some(ConnectReturnCode::ServiceUnavailable), ..Script::default() };
    let broker = ScriptedBroker::start_with(script).await;
    let publisher = start(Options { backlog_messages: 1, ..options(&broker.url()) });
    let (observer, mut events) = TestObserver::new();
    for number in 0..2 {
        publish(&publisher, observer.watch(number, false, call(&publisher, number, TIMEOUT))).await;
    }
    assert_eq!(next_event(&mut events).await, ObserverEvent::Evicted(0));
    assert_eq!(publisher.stats().losses(), [(Loss::Evicted, "call", 1)]);
}

#[tokio::test]
async fn full_backlog_evicts_and_counts_the_oldest() {
    let broker =
        ScriptedBroker::start_with(Script { connect: Some(ConnectReturnCode::NotAuthorized), ..Script::default() });
    let broker = broker.await;
    let mut options = options(&broker.url());
    options.backlog_messages = 10;
    let publisher = start(options);
    publish_numbered(&publisher, 0..50).await;
    eventually("evicted", || publisher.stats().lost(Loss::Evicted) == 40).await;
    let refused = || publisher.stats().connection.status().last_error;
    let reason = "the broker refuses the connection: not authorized";
    eventually("the reason is known", || refused().as_deref() == Some(reason)).await;
    broker.script(|script| script.connect = Some(ConnectReturnCode::Success));
    let seen = broker.seen_by(|seen| seen.iter().filter(|seen| seen.publish().is_some()).count() == 10).await;
    assert_eq!(payloads(&seen, None), (40..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn unpublishable_publications_are_refused_and_the_connection_stays() {
    let broker = ScriptedBroker::start().await;
    let mut options = options(&broker.url());
    options.max_packet_size = 1000;
    let publisher = start(options);
    let large = publisher.try_publish(publication("t", vec![b'x'; 1000]));
    assert!(matches!(large, Err(PublishError::Unpublishable(Unpublishable::TooLarge { limit: 1000, .. }))));
    for topic in ["", "a/+", "#", "a\0", &"a".repeat(65_536)] {
        assert!(matches!(publisher.try_publish(publication(topic, "")), Err(PublishError::Unpublishable(_))));
    }
    publish(&publisher, publication("t", "1")).await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(publisher.stats().losses(), [(Loss::Unpublishable, "test", 6)]);
    assert_eq!(payloads(&broker.seen(), Some(0)), [1]);
}

#[tokio::test]
async fn callers_wait_for_a_broker_that_does_not_acknowledge() {
    let broker = ScriptedBroker::start_with(Script { acknowledge: false, ..Script::default() }).await;
    let mut options = options(&broker.url());
    (options.in_flight, options.queue) = (4, 8);
    let publisher = start(options);
    eventually("connected", || publisher.stats().connection.status().connected).await;
    publish_numbered(&publisher, 0..12).await;
    let full = publisher.try_publish(publication("t", "12"));
    assert!(matches!(full, Err(PublishError::Full(publication)) if publication.payload == "12"));
    assert!(timeout(Duration::from_millis(50), publisher.reserve()).await.is_err());
    broker.acknowledge([1]);
    publish(&publisher, publication("t", "12")).await;
    eventually("in flight", || publisher.stats().in_flight.get() == 4).await;
}

#[tokio::test]
async fn drain_sends_waiting_publications_and_disconnects() {
    let broker = ScriptedBroker::start().await;
    let publisher = start(options(&broker.url()));
    publish_numbered(&publisher, 0..1000).await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    let seen = broker.seen();
    assert_eq!(payloads(&seen, None).len(), 1000);
    assert!(matches!(seen.last().map(|seen| &seen.packet), Some(Packet::Disconnect)));
    assert!(matches!(publisher.try_publish(publication("t", "late")), Err(PublishError::Stopped(_))));
    assert!(!publisher.stats().connection.status().connected);
}

#[tokio::test]
async fn drain_ends_at_its_deadline_and_returns_how_many_are_left() {
    let broker = ScriptedBroker::start_with(Script { acknowledge: false, ..Script::default() }).await;
    let publisher = start(options(&broker.url()));
    publish_numbered(&publisher, 0..10).await;
    broker.seen_by(|seen| count(seen, 0) == 10).await;
    broker.acknowledge([1, 2, 3]);
    assert_eq!(publisher.drain(Duration::from_millis(200)).await, 7);
    assert_eq!(publisher.stats().losses(), [(Loss::Abandoned, "test", 7)]);
}

#[tokio::test]
async fn a_drain_without_a_broker_ends_at_its_deadline() {
    let port = ReservedPort::new();
    let publisher = start(options(&format!("mqtt://{}", port.address())));
    publish_numbered(&publisher, 0..3).await;
    assert_eq!(publisher.drain(Duration::from_millis(100)).await, 3);
}

#[tokio::test]
async fn publications_wait_until_answers_would_arrive() {
    let broker = ScriptedBroker::start().await;
    let (subscriber, current) = watch::channel(false);
    let publisher = Publisher::start(Arc::new(options(&broker.url())), current);
    publish_numbered(&publisher, 0..3).await;
    eventually("backlog", || publisher.stats().backlog.get() == 3).await;
    eventually("connected", || publisher.stats().connection.status().connected).await;
    assert!(payloads(&broker.seen(), None).is_empty());
    subscriber.send_replace(true);
    broker.seen_by(|seen| count(seen, 0) == 3).await;
}

#[tokio::test]
async fn a_broker_that_never_answers_connect_is_tried_again() {
    let broker = ScriptedBroker::start_with(Script { connect: None, ..Script::default() }).await;
    let mut options = options(&broker.url());
    options.connect_timeout = Duration::from_millis(50);
    let publisher = start(options);
    broker.seen_by(|seen| seen.iter().any(|seen| seen.connection == 2)).await;
    let error = publisher.stats().connection.status().last_error;
    assert_eq!(error.as_deref(), Some("no connection and CONNACK within 50ms"));
}

#[tokio::test]
async fn a_broker_that_stops_answering_pings_is_given_up() {
    let broker = ScriptedBroker::start_with(Script { pong: false, ..Script::default() }).await;
    let mut options = options(&broker.url());
    options.keep_alive = Duration::from_millis(100);
    let publisher = start(options);
    broker.seen_by(|seen| seen.iter().any(|seen| seen.connection == 1)).await;
    let error = publisher.stats().connection.status().last_error;
    assert_eq!(error.as_deref(), Some("the broker does not answer pings"));
}

#[tokio::test]
async fn connection_is_closed_after_a_malformed_packet() {
    let broker = ScriptedBroker::start().await;
    let publisher = start(options(&broker.url()));
    publish(&publisher, publication("t", "0")).await;
    broker.seen_by(|seen| count(seen, 0) == 1).await;
    broker.inject_bytes("gw-pub", b"\xf0\x01\x00");
    broker.seen_by(|seen| seen.iter().any(|seen| seen.connection == 1)).await;
}

#[tokio::test]
async fn simultaneous_publications_need_few_writes() {
    let broker = ScriptedBroker::start().await;
    let publisher = start(options(&broker.url()));
    eventually("connected", || publisher.stats().connection.status().connected).await;
    let before = publisher.stats().connection.writes.get();
    for number in 0..1000 {
        let publication = publication("t", number.to_string());
        publisher.try_publish(Publication { qos: QoS::AtMostOnce, ..publication }).expect("room");
    }
    broker.seen_by(|seen| count(seen, 0) == 1000).await;
    let writes = publisher.stats().connection.writes.get() - before;
    assert!(writes <= 10, "{writes} writes for 1000 publications");
}

#[tokio::test]
async fn status_is_published_first_on_every_connection_and_last_on_stop() {
    let broker = ScriptedBroker::start().await;
    let (topic, online, offline) = ("gateways/gw".to_owned(), "online".to_owned(), "offline".to_owned());
    let status = Status { topic, online, offline };
    let publisher = start(Options { status: Some(status), ..options(&broker.url()) });
    publish(&publisher, publication("t", "1")).await;
    broker.seen_by(|seen| count(seen, 0) == 2).await;
    broker.drop_connections(None);
    publish(&publisher, publication("t", "2")).await;
    broker.seen_by(|seen| count(seen, 1) == 2).await;
    publish(&publisher, publication("t", "3")).await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    let seen = broker.seen_by(|seen| seen.iter().any(|seen| matches!(seen.packet, Packet::Disconnect))).await;
    let mut wills = 0;
    for connect in seen.iter().filter_map(|seen| if let Packet::Connect(it) = &seen.packet { Some(it) } else { None }) {
        let will = connect.last_will.as_ref().expect("a will");
        assert_eq!((will.topic.as_str(), &will.message[..], will.retain), ("gateways/gw", &b"offline"[..], true));
        wills += 1;
    }
    assert_eq!(wills, 2);
    let published: Vec<_> = seen.iter().filter_map(Seen::publish).collect();
    let texts: Vec<_> = published.iter().map(|it| String::from_utf8_lossy(&it.payload)).collect();
    assert_eq!(texts, ["online", "1", "online", "2", "3", "offline"]);
    assert!(published.iter().all(|it| it.retain == (it.topic == "gateways/gw")));
}
