//! A charge point's first topics, from the mapping to the broker.

use super::Hall;
use super::outbox::NotSubscribed;
use crate::presence::Addressee;
use ocpp_gateway_core::Peer;
use ocpp_gateway_pipeline::Generation;
use std::sync::Arc;

/// Under which name the subscriber knows this connection.
pub(super) fn owner(peer: &Peer) -> u64 {
    u64::from(peer.connection)
}

/// Subscribes to what the mapping of this generation wants for `peer`; done once the broker has confirmed it.
pub(super) async fn subscribe(
    hall: Arc<Hall>,
    generation: Generation,
    peer: Peer,
    mailbox: Addressee,
) -> Result<(), NotSubscribed> {
    let filters = hall.road.subscriptions(&generation, &peer).map_err(NotSubscribed::Mapping)?;
    hall.subscriber.subscribe(owner(&peer), filters, mailbox).await.map_err(NotSubscribed::Broker)?;
    hall.road.metrics.subscribed.inc();
    Ok(())
}
