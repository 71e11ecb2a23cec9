//! Faults of network, broker, back end, charge points and gateway under load: every message is accounted for. It is
//! delivered, answered with an error, or reported and counted.

mod back_end;
mod delivery_log;
mod fleet;
mod network;
mod outage;
mod process;
mod program;
mod slow;
mod swap;

use back_end::{Answering, BackEnd};
use delivery_log::DeliveryLog;
use fleet::Fleet;
use ocpp_gateway_testkit::TIMEOUT;
use program::Program;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Number of charge points in a test. Each always has a CALL open in both directions.
const SIZE: usize = 200;

/// Number of CALLs to be answered, in both directions together, before and after a fault.
const ROUND: usize = 2000;

/// A gateway under load between charge points and a back end.
struct Stand {
    gateway: Program,
    back_end: BackEnd,
    fleet: Fleet,
    log: DeliveryLog,
    /// At most two of these tests run at a time, as they load the machine.
    _permit: SemaphorePermit<'static>,
}

impl Stand {
    /// The gateway reaches the broker at `gateway_url`, the back end at `back_end_url`.
    async fn start(gateway_url: &str, back_end_url: &str, toml: &str) -> Self {
        Self::start_with(gateway_url, back_end_url, toml, Answering::default()).await
    }

    async fn start_with(gateway_url: &str, back_end_url: &str, toml: &str, answering: Answering) -> Self {
        static PERMITS: Semaphore = Semaphore::const_new(2);
        let permit = PERMITS.acquire().await.expect("never closed");
        let log = DeliveryLog::default();
        let gateway = Program::start(gateway_url, toml).await;
        let back_end = BackEnd::open(back_end_url, SIZE, &log, answering).await;
        let fleet = Fleet::start(gateway.ocpp, SIZE, &log).await;
        let stand = Stand { gateway, back_end, fleet, log, _permit: permit };
        stand.until_subscribed().await;
        stand.back_end.start_calling("first").await;
        stand.wait_for_round().await;
        stand
    }

    /// Waits until the topics of every charge point are subscribed: before that, a broker drops what back ends publish.
    async fn until_subscribed(&self) {
        let subscribed = async {
            while self.gateway.metrics().await.get("subscribed") < SIZE {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(TIMEOUT, subscribed).await.expect("subscribed in time");
    }

    /// Waits until [`ROUND`] more CALLs are answered.
    async fn wait_for_round(&self) {
        let goal = self.log.answered() + ROUND;
        let answered = async {
            while self.log.answered() < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(TIMEOUT, answered).await.is_err() {
            panic!("{} of {goal} are answered\n{}", self.log.answered(), self.gateway.log());
        }
    }

    /// Waits until the counters of the gateway satisfy the condition.
    async fn until(&self, what: &str, condition: impl Fn(&program::Counters) -> bool) {
        let satisfied = async {
            while !condition(&self.gateway.metrics().await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(TIMEOUT, satisfied).await.is_err() {
            panic!("{what}: {:?}", self.gateway.metrics().await);
        }
    }

    async fn wait_until_broker_is_lost(&self) {
        let connected = ["subscriber", "publisher"].map(|name| format!("mqtt_connected{{connection=\"{name}\"}}"));
        self.until("the broker is lost", |metrics| connected.iter().all(|name| metrics.get(name) == 0)).await;
    }

    /// Waits until everything has an outcome, and checks all outcomes and counters.
    async fn finish_and_check(self) {
        let nothing = BTreeSet::new();
        self.fleet.finish().await;
        self.back_end.finish(&nothing).await;
        self.back_end.flush().await;
        self.until("everything has been sent", |metrics| {
            metrics.get("mqtt_backlog") == 0 && metrics.get("mqtt_in_flight") == 0
        })
        .await;
        // The last answers of the back end, or the reports about them, may still be in transit.
        let arriving = async {
            loop {
                let metrics = self.gateway.metrics().await;
                if self.log.entries().all_answers_arrived(&metrics) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // On a timeout, the assertions below tell what is missing.
        let _ = timeout(Duration::from_secs(5), arriving).await;
        let metrics = self.gateway.metrics().await;
        {
            let entries = self.log.entries();
            entries.assert_uplink_calls_answered(false);
            entries.assert_downlink_calls_answered_or_reported(&nothing, self.back_end.resent());
            entries.assert_counters_match(&metrics, self.back_end.resent());
        }
        self.fleet.disconnect().await;
    }
}
