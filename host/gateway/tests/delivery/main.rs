//! Everything between a gateway and its charge points and back ends breaks, under load, and every message is accounted
//! for: delivered, answered with an error, or reported and counted.

mod fleet;
mod ledger;
mod network;
mod office;
mod outage;
mod process;
mod program;
mod slow;
mod swap;

use fleet::Fleet;
use ledger::Ledger;
use ocpp_gateway_testkit::PATIENCE;
use office::{Answering, Office};
use program::Program;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Charge points in a test, each with a CALL open in both directions all the time.
const SIZE: usize = 200;

/// Answered CALLs, in both directions together, before and after what happens.
const ROUND: usize = 2000;

/// A gateway at work between charge points and a back end.
struct Stand {
    gateway: Program,
    office: Office,
    fleet: Fleet,
    ledger: Ledger,
    /// These tests keep a machine busy: two at a time.
    _permit: SemaphorePermit<'static>,
}

impl Stand {
    /// The gateway reaches the broker at `gateway_url`, the back end at `office_url`.
    async fn start(gateway_url: &str, office_url: &str, toml: &str) -> Self {
        Self::start_with(gateway_url, office_url, toml, Answering::default()).await
    }

    async fn start_with(gateway_url: &str, office_url: &str, toml: &str, answering: Answering) -> Self {
        static PERMITS: Semaphore = Semaphore::const_new(2);
        let permit = PERMITS.acquire().await.expect("never closed");
        let ledger = Ledger::default();
        let gateway = Program::start(gateway_url, toml).await;
        let office = Office::open(office_url, SIZE, &ledger, answering).await;
        let fleet = Fleet::start(gateway.ocpp, SIZE, &ledger).await;
        let stand = Stand { gateway, office, fleet, ledger, _permit: permit };
        stand.until_subscribed().await;
        stand.office.start_calling("first").await;
        stand.works().await;
        stand
    }

    /// Until back ends reach every charge point: before that, a broker has nowhere to send what they publish.
    async fn until_subscribed(&self) {
        let subscribed = async {
            while self.gateway.metrics().await.get("subscribed") < SIZE {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, subscribed).await.expect("subscribed in time");
    }

    /// Waits until that many more CALLs are answered.
    async fn works(&self) {
        let goal = self.ledger.answered() + ROUND;
        let answered = async {
            while self.ledger.answered() < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(PATIENCE, answered).await.is_err() {
            panic!("{} of {goal} are answered\n{}", self.ledger.answered(), self.gateway.log());
        }
    }

    /// Waits until a number that the gateway counts satisfies the condition.
    async fn until(&self, what: &str, condition: impl Fn(&program::Metrics) -> bool) {
        let satisfied = async {
            while !condition(&self.gateway.metrics().await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(PATIENCE, satisfied).await.is_err() {
            panic!("{what}: {:?}", self.gateway.metrics().await);
        }
    }

    async fn until_broker_is_missed(&self) {
        let connected = ["subscriber", "publisher"].map(|name| format!("mqtt_connected{{connection=\"{name}\"}}"));
        self.until("the broker is missed", |metrics| connected.iter().all(|name| metrics.get(name) == 0)).await;
    }

    /// Lets everything come to an end and balances the books.
    async fn settle(self) {
        let nothing = BTreeSet::new();
        self.fleet.finish().await;
        self.office.finish(&nothing).await;
        self.office.flush().await;
        self.until("everything has been sent", |metrics| {
            metrics.get("mqtt_backlog") == 0 && metrics.get("mqtt_in_flight") == 0
        })
        .await;
        // What the back end published last is on its way to the gateway, or back.
        let balanced = async {
            loop {
                let metrics = self.gateway.metrics().await;
                if self.ledger.book().is_balanced(&metrics) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // If it does not come to that, what follows says why not.
        let _ = timeout(Duration::from_secs(5), balanced).await;
        let metrics = self.gateway.metrics().await;
        {
            let book = self.ledger.book();
            book.each_uplink_call_is_answered(false);
            book.each_downlink_call_is_answered_or_reported(&nothing, self.office.resent());
            book.agrees_with(&metrics, self.office.resent());
        }
        self.fleet.leave().await;
    }
}
