//! Kills and restarts a real mosquitto under load and accounts for every message.

mod consumer;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod version5;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use consumer::Consumer;
use ocpp_gateway_mqtt::{Loss, Options, ProtocolVersion, Publication, Publisher};
use ocpp_gateway_testkit::mosquitto::Mosquitto;
use rumqttc::QoS;
use support::{TIMEOUT, VERSIONS, eventually, options_in, publication};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

const RESTARTS: usize = 5;
/// Acknowledgements between two restarts.
const ROUND: u64 = 2000;
const TASKS: usize = 4;

/// Tasks that publish consecutive numbers until they are stopped.
struct Load {
    next: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    fn start(publisher: &Publisher, make: impl Fn(u32) -> Publication + Clone + Send + 'static) -> Load {
        let (next, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (publisher, next, stop, make) = (publisher.clone(), Arc::clone(&next), Arc::clone(&stop), make.clone());
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..20 {
                        let permit = publisher.reserve().await.expect("a running publisher");
                        permit.send(make(next.fetch_add(1, Ordering::Relaxed))).expect("publishable");
                    }
                    // About 16,000 a second from all tasks together, whether or not the broker is there.
                    sleep(Duration::from_millis(5)).await;
                }
            });
        }
        Load { next, stop, tasks }
    }

    /// Stops, and says how many were published.
    async fn finish(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        self.next.load(Ordering::Relaxed)
    }
}

/// Waits until this many more publications are acknowledged.
async fn acknowledged(publisher: &Publisher, more: u64) {
    let goal = publisher.stats().acknowledged.get() + more;
    eventually("publications are acknowledged", || publisher.stats().acknowledged.get() >= goal).await;
}

/// Ends the load, and checks that no publication was lost and that all are received.
async fn everything_arrives(load: Load, publisher: &Publisher, consumer: &Consumer) {
    let published = load.finish().await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    assert_eq!(publisher.stats().losses(), []);
    eventually("everything is received", || consumer.count() == published as usize).await;
    assert!(consumer.received().into_iter().eq(0..published));
}

async fn becomes(state: &mut watch::Receiver<bool>, expected: bool) {
    timeout(TIMEOUT, state.wait_for(|state| *state == expected)).await.expect("in time").expect("a running consumer");
}

/// SIGKILL loses what the broker acknowledged but still held for the consumer. Mosquitto writes a QoS 0 message to a
/// subscriber before it acknowledges it to the publisher. So with QoS 0 to a consumer that keeps up, and with nothing
/// published while the consumer is away, an acknowledged message is received, and one that was not acknowledged must be
/// sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publisher_loses_nothing_if_a_broker_without_persistence_is_killed() {
    for version in VERSIONS {
        killed_without_persistence(|url| options_in(version, url)).await;
    }
}

async fn killed_without_persistence(options: impl Fn(&str) -> Options) {
    let mut broker = Mosquitto::start(false).await;
    let consumer = Consumer::start(broker.port(), QoS::AtMostOnce);
    let mut options = options(&broker.url());
    options.backlog_messages = usize::MAX;
    let publisher = Publisher::start(Arc::new(options), consumer.subscribed());
    let load = Load::start(&publisher, |number| publication("t", number.to_string()));
    let mut subscribed = consumer.subscribed();
    for _ in 0..RESTARTS {
        acknowledged(&publisher, ROUND).await;
        broker.kill();
        becomes(&mut subscribed, false).await;
        broker.restart().await;
        becomes(&mut subscribed, true).await;
    }
    everything_arrives(load, &publisher, &consumer).await;
}

/// SIGTERM lets the broker save its sessions: a consumer with a session gets each message at least once, and the
/// publisher resumes its session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publisher_loses_nothing_if_a_broker_with_persistence_restarts() {
    for version in VERSIONS {
        restarted_with_persistence(|url| options_in(version, url), QoS::AtLeastOnce).await;
    }
}

/// With QoS 2 only MQTT 5, where mosquitto announces a Receive Maximum of 20. At a restart it forgets what a client of
/// 3.1.1 has in flight above that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publisher_loses_nothing_of_qos_2_if_a_broker_with_persistence_restarts() {
    restarted_with_persistence(|url| options_in(ProtocolVersion::V5, url), QoS::ExactlyOnce).await;
}

async fn restarted_with_persistence(options: impl Fn(&str) -> Options, qos: QoS) {
    let mut broker = Mosquitto::start(true).await;
    let consumer = Consumer::start(broker.port(), QoS::AtLeastOnce);
    becomes(&mut consumer.subscribed(), true).await;
    let mut options = options(&broker.url());
    options.backlog_messages = usize::MAX;
    let publisher = Publisher::start(Arc::new(options), support::always_current());
    let load = Load::start(&publisher, move |number| Publication { qos, ..publication("t", number.to_string()) });
    for _ in 0..RESTARTS {
        acknowledged(&publisher, ROUND).await;
        broker.terminate();
        broker.restart().await;
    }
    everything_arrives(load, &publisher, &consumer).await;
}

/// With a small backlog and an early expiry some publications are dropped. Each that is missing was counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_publications_are_counted() {
    for version in VERSIONS {
        dropped_publications(|url| options_in(version, url)).await;
    }
}

async fn dropped_publications(options: impl Fn(&str) -> Options) {
    let mut broker = Mosquitto::start(false).await;
    let consumer = Consumer::start(broker.port(), QoS::AtMostOnce);
    let mut options = options(&broker.url());
    options.backlog_messages = 500;
    let publisher = Publisher::start(Arc::new(options), consumer.subscribed());
    // Even numbers are calls, which expire; odd ones are answers.
    let availability = Arc::clone(publisher.availability());
    let load = Load::start(&publisher, move |number| match number % 2 {
        0 => {
            let expires = Some(availability.broker_time(Instant::now()) + Duration::from_millis(30));
            Publication { expires, kind: "call", ..publication("t", number.to_string()) }
        }
        _ => Publication { kind: "answer", ..publication("t", number.to_string()) },
    });
    let mut subscribed = consumer.subscribed();
    for _ in 0..3 {
        acknowledged(&publisher, ROUND).await;
        broker.kill();
        becomes(&mut subscribed, false).await;
        // An outage long enough for calls and answers to pile up.
        let lost = publisher.stats().lost(Loss::Evicted) + publisher.stats().lost(Loss::Expired);
        eventually("some are dropped", || {
            publisher.stats().lost(Loss::Evicted) + publisher.stats().lost(Loss::Expired) > lost + 500
        })
        .await;
        broker.restart().await;
        becomes(&mut subscribed, true).await;
    }
    let published = load.finish().await;
    assert_eq!(publisher.drain(TIMEOUT).await, 0);
    let losses = publisher.stats().losses();
    let lost =
        |kind| losses.iter().filter(|(_, of, _)| *of == kind).map(|(_, _, count)| *count as usize).sum::<usize>();
    // A publication that was sent, not acknowledged and then dropped may have arrived all the same, hence "at most".
    let all_accounted_for = || {
        let received = consumer.received();
        let missing = |parity| (0..published).filter(|n| n % 2 == parity && !received.contains(n)).count();
        missing(0) <= lost("call") && missing(1) <= lost("answer")
    };
    eventually("what is missing was counted", all_accounted_for).await;
    assert!(losses.iter().any(|(loss, kind, _)| (*loss, *kind) == (Loss::Evicted, "call")), "{losses:?}");
}
