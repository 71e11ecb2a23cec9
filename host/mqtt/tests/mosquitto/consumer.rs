//! A consumer that shares no code with what is tested: rumqttc's own client.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

/// Collects the numbers published on `t`.
pub(crate) struct Consumer {
    received: Arc<Mutex<BTreeSet<u32>>>,
    subscribed: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Consumer {
    /// With QoS 1 in a session that the broker keeps, or with QoS 0 in none.
    pub(crate) fn start(port: u16, qos: QoS) -> Consumer {
        let mut options = MqttOptions::new("consumer", "127.0.0.1", port);
        options.set_clean_session(qos == QoS::AtMostOnce);
        let (client, events) = AsyncClient::new(options, 10);
        let received = Arc::new(Mutex::new(BTreeSet::new()));
        let (state, subscribed) = watch::channel(false);
        let task = tokio::spawn(consume(client, events, qos, Arc::clone(&received), state));
        Consumer { received, subscribed, task }
    }

    /// True while messages reach it.
    pub(crate) fn subscribed(&self) -> watch::Receiver<bool> {
        self.subscribed.clone()
    }

    pub(crate) fn received(&self) -> BTreeSet<u32> {
        self.received.lock().expect("not poisoned").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().expect("not poisoned").len()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn consume(
    client: AsyncClient,
    mut events: EventLoop,
    qos: QoS,
    received: Arc<Mutex<BTreeSet<u32>>>,
    state: watch::Sender<bool>,
) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => client.try_subscribe("t", qos).expect("room for a request"),
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                state.send_replace(true);
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let number = std::str::from_utf8(&publish.payload).expect("text").parse().expect("a number");
                received.lock().expect("not poisoned").insert(number);
            }
            Ok(_) => {}
            Err(_) => {
                state.send_replace(false);
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
