//! The end of a gateway.

use crate::charge_point::Context;
use ocpp_gateway_mqtt::Loss;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// Ends all connections, those with open calls last, and then both connections to the broker.
pub(super) async fn drain(context: &Context, tasks: &TaskTracker, grace: Duration) {
    let by = Instant::now() + grace;
    let connected = context.registry.len();
    if connected > 0 {
        info!("waiting up to {grace:?} for the open calls of {connected} charge points");
    }
    context.registry.stop_all(by.into());
    tasks.close();
    // A little more than the grace time: connections that are cut off then still have to say why.
    if tokio::time::timeout_at(by + Duration::from_secs(3), tasks.wait()).await.is_err() {
        warn!("{} connections did not end in time", tasks.len());
    }
    let publisher = &context.router.publisher;
    let lost = publisher.stats().lost(Loss::Abandoned);
    // First stop receiving, then report messages that did not arrive to their senders, then publish all of that.
    context.subscriber.stop(Duration::from_secs(2)).await;
    context.undeliverable.flush(Duration::from_secs(2)).await;
    publisher.drain(Duration::from_secs(5).max(by - Instant::now())).await;
    // Tasks that still wait to publish learn now that they cannot.
    let _ = tokio::time::timeout(Duration::from_secs(1), tasks.wait()).await;
    let lost = publisher.stats().lost(Loss::Abandoned) - lost;
    if lost > 0 {
        warn!("{lost} messages were not taken by the broker");
    }
}
