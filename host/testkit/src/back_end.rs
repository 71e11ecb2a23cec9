//! A back end on a real broker. Its MQTT client shares no code with the gateway's client.

use crate::TIMEOUT;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tokio::time::timeout;

const MAX_PACKET: usize = 4 << 20;

/// A connected back end. Its connection ends when it is dropped.
pub struct BackEnd {
    client: AsyncClient,
    messages: mpsc::Receiver<(String, String)>,
    connection: tokio::task::JoinHandle<()>,
}

impl BackEnd {
    /// Connects and subscribes to `filter`. Receives every message that is published from then on.
    pub async fn listen(broker: SocketAddr, filter: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("back-end-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut options = MqttOptions::new(name, broker.ip().to_string(), broker.port());
        options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
        let (client, mut events) = AsyncClient::new(options, 1000);
        let mut network = events.network_options();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        let (sender, messages) = mpsc::channel(100_000);
        let (confirm, mut confirmed) = mpsc::channel(1);
        client.subscribe(filter, QoS::AtLeastOnce).await.expect("queued");
        let connection = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let text = String::from_utf8_lossy(&publish.payload).into_owned();
                        if sender.send((publish.topic, text)).await.is_err() {
                            return;
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => confirm.send(()).await.expect("awaited"),
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        timeout(TIMEOUT, confirmed.recv()).await.expect("subscribed in time").expect("subscribed");
        BackEnd { client, messages, connection }
    }

    pub async fn publish(&self, topic: &str, text: impl Into<Vec<u8>>) {
        self.client.publish(topic, QoS::AtLeastOnce, false, text).await.expect("published");
    }

    /// The same with the retain flag.
    pub async fn retain(&self, topic: &str, text: impl Into<Vec<u8>>) {
        self.client.publish(topic, QoS::AtLeastOnce, true, text).await.expect("published");
    }

    /// The next message: topic and text.
    pub async fn message(&mut self) -> (String, String) {
        timeout(TIMEOUT, self.messages.recv()).await.expect("a message in time").expect("a connection")
    }

    /// The text of the next message, which must be on `topic`.
    pub async fn expect_on(&mut self, topic: &str) -> String {
        let (found, text) = self.message().await;
        assert_eq!(found, topic, "{text}");
        text
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
