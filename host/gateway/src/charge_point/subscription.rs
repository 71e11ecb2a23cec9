//! A charge point's topics, from the mapping to the broker.

use super::Hall;
use super::outbox::NotSubscribed;
use crate::presence::Addressee;
use ocpp_gateway_core::Peer;
use ocpp_gateway_mqtt::SubscribeError;
use std::sync::Arc;

/// Under which name the subscriber knows this connection.
pub(super) fn owner(peer: &Peer) -> u64 {
    u64::from(peer.connection)
}

/// Subscribes to what the mapping wants for `peer`, once the broker has confirmed; and again, should another mapping have
/// taken over meanwhile: until this charge point is subscribed nobody else can do it for it.
pub(super) async fn subscribe(hall: Arc<Hall>, peer: Peer, mailbox: Addressee) -> Result<(), NotSubscribed> {
    let pipeline = &hall.road.pipeline;
    loop {
        let generation = pipeline.generation();
        let filters = hall.road.subscriptions(&peer);
        let subscribed = match filters {
            Ok(filters) => {
                let subscribed = hall.subscriber.subscribe(owner(&peer), filters, mailbox.clone()).await;
                subscribed.map_err(NotSubscribed::Broker)
            }
            Err(failure) => Err(NotSubscribed::Mapping(failure)),
        };
        match subscribed {
            _ if generation != pipeline.generation() => {}
            // By whoever sees to it that charge points change their topics after an exchange.
            Err(NotSubscribed::Broker(SubscribeError::Superseded)) => {}
            Err(error) => return Err(error),
            Ok(()) => {
                hall.road.metrics.subscribed.inc();
                return Ok(());
            }
        }
    }
}
