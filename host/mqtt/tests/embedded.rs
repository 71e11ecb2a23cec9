//! The embedded broker with both connections on it.

mod support;

use std::{net::SocketAddr, sync::Arc};

use ocpp_gateway_mqtt::{EmbeddedBroker, EmbeddedBrokerError, Options, Publisher, QoS, Subscriber};
use support::{Mailbox, PATIENCE, VERSIONS, eventually, options, options_in, publication, receive};

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn carries_messages_from_publisher_to_subscriber() {
    for version in VERSIONS {
        carries_messages(|url| options_in(version, url)).await;
    }
}

async fn carries_messages(options: impl Fn(&str) -> Options) {
    let broker = EmbeddedBroker::start(anywhere()).await.expect("a broker");
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
    assert_eq!(publisher.drain(PATIENCE).await, 0);
    subscriber.stop(PATIENCE).await;
    broker.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = EmbeddedBroker::start(anywhere()).await.expect("a broker");
    let error = EmbeddedBroker::start(first.local_addr()).await.err().expect("no second broker on the port");
    assert!(matches!(error, EmbeddedBrokerError::Listen { .. }));
    assert!(error.to_string().contains(&first.local_addr().to_string()), "{error}");
    first.stop().await;
}

#[tokio::test]
async fn its_end_is_noticed_by_the_connections() {
    let broker = EmbeddedBroker::start(anywhere()).await.expect("a broker");
    let options = Arc::new(options(&format!("mqtt://{}", broker.local_addr())));
    let subscriber = Subscriber::<Mailbox>::start(options, Box::new(drop));
    eventually("connected", || subscriber.stats().connection.status().connected).await;
    broker.stop().await;
    eventually("disconnected", || !subscriber.stats().connection.status().connected).await;
}
