//! The shutdown of a gateway.

use crate::charge_point::Context;
use ocpp_gateway_mqtt::Loss;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// Ends all connections of charge points, those with open calls last, and then both connections to the broker.
pub(super) async fn drain(context: &Context, tasks: &TaskTracker, grace: Duration) {
    let deadline = Instant::now() + grace;
    let connected = context.registry.len();
    if connected > 0 {
        info!("waiting up to {grace:?} for the open calls of {connected} charge points");
    }
    context.registry.stop_all(deadline.into());
    tasks.close();
    // Longer than the grace time: connections that are closed at its end still send a close frame.
    if tokio::time::timeout_at(deadline + Duration::from_secs(3), tasks.wait()).await.is_err() {
        warn!("{} connections did not end in time", tasks.len());
    }
    let publisher = &context.router.publisher;
    let lost = publisher.stats().lost(Loss::Abandoned);
    // First stop receiving, then return undeliverable messages to their senders, then publish everything.
    context.subscriber.stop(Duration::from_secs(2)).await;
    context.undeliverable.flush(Duration::from_secs(2)).await;
    publisher.drain(Duration::from_secs(5).max(deadline - Instant::now())).await;
    // Tasks that still wait to publish get an error now.
    let _ = tokio::time::timeout(Duration::from_secs(1), tasks.wait()).await;
    let lost = publisher.stats().lost(Loss::Abandoned) - lost;
    if lost > 0 {
        warn!("{lost} messages were not acknowledged by the broker");
    }
}
