//! Helpers for the tests of both connections.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ocpp_gateway_mqtt::{
    Message, Observer, Options, ProtocolVersion, Publication, Recipient, SubscribeError, Tracking,
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

/// How long an operation may take before a test fails.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// Options for a client called `gw`, with short pauses.
pub(crate) fn options(url: &str) -> Options {
    let mut options = Options::new(url.parse().expect("a broker URL"), "gw");
    options.reconnect_min = Duration::from_millis(10);
    options.reconnect_max = Duration::from_millis(100);
    options
}

/// The versions of MQTT with which a test runs.
pub(crate) const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V4, ProtocolVersion::V5];

/// The same options with this version, which is printed so that a failing test names it.
pub(crate) fn options_in(version: ProtocolVersion, url: &str) -> Options {
    println!("{version:?}");
    Options { version, ..options(url) }
}

pub(crate) fn publication(topic: &str, payload: impl Into<Vec<u8>>) -> Publication {
    Publication::new(topic, payload.into(), "test")
}

/// An event that an observer receives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ObserverEvent {
    /// Payload and number of the publication that is returned.
    NoSubscriber(Vec<u8>, u32),
    Delivered(u32),
    Evicted(u32),
}

#[derive(Clone)]
pub(crate) struct TestObserver(mpsc::UnboundedSender<ObserverEvent>);

impl TestObserver {
    pub(crate) fn new() -> (TestObserver, mpsc::UnboundedReceiver<ObserverEvent>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (TestObserver(sender), receiver)
    }

    /// The same publication, observed.
    pub(crate) fn watch(&self, number: u32, confirm: bool, publication: Publication) -> Publication {
        let tracking = Some(Tracking { observer: Arc::new(self.clone()), number, confirm });
        Publication { tracking, ..publication }
    }

    fn send(&self, event: ObserverEvent) {
        self.0.send(event).expect("a receiver");
    }
}

impl Observer for TestObserver {
    fn no_subscriber(&self, publication: Publication) {
        let number = publication.tracking.expect("its own").number;
        self.send(ObserverEvent::NoSubscriber(publication.payload.to_vec(), number));
    }

    fn delivered(&self, number: u32) {
        self.send(ObserverEvent::Delivered(number));
    }

    fn evicted(&self, number: u32) {
        self.send(ObserverEvent::Evicted(number));
    }
}

pub(crate) async fn next_event(receiver: &mut mpsc::UnboundedReceiver<ObserverEvent>) -> ObserverEvent {
    timeout(TIMEOUT, receiver.recv()).await.expect("an event in time").expect("a running publisher")
}

/// A subscriber's readiness that never changes.
pub(crate) fn always_current() -> watch::Receiver<bool> {
    watch::channel(true).1
}

/// Fails the test when the condition does not come true in time.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if timeout(TIMEOUT, poll).await.is_err() {
        panic!("{what}");
    }
}

/// A recipient that sends its messages to a channel, and records refusals.
#[derive(Clone)]
pub(crate) struct Mailbox(Arc<mpsc::Sender<Message>>, Arc<Mutex<Vec<SubscribeError>>>);

impl Mailbox {
    pub(crate) fn new() -> (Mailbox, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(10_000);
        (Mailbox(Arc::new(sender), Arc::default()), receiver)
    }

    /// The subscriptions that the broker refused after they had been granted.
    pub(crate) fn refusals(&self) -> Vec<SubscribeError> {
        self.1.lock().expect("not poisoned").clone()
    }
}

impl Recipient for Mailbox {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        self.0.try_send(message).expect("a mailbox with room");
        Ok(())
    }

    fn return_undeliverable(&self, message: Message) {
        panic!("no recipient takes {message:?}");
    }

    fn refused(&self, error: SubscribeError) {
        self.1.lock().expect("not poisoned").push(error);
    }
}

pub(crate) async fn receive(inbox: &mut mpsc::Receiver<Message>) -> Message {
    timeout(TIMEOUT, inbox.recv()).await.expect("a message in time").expect("an open mailbox")
}
