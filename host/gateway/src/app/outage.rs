//! Disconnects charge points during a long outage of the broker.
//!
//! A charge point that gets a CALLERROR discards its transaction message after a few attempts; one that is offline
//! keeps it. So CALLs wait while the broker is unreachable, and their deadlines do not run. If the broker does not
//! come back, charge points are disconnected before any CALL is answered with an error.

use crate::charge_point::Registry;
use ocpp_gateway_mqtt::Publisher;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

/// How waiting for an unreachable broker has ended.
enum BrokerWait {
    Back,
    /// Charge points are disconnected.
    Outage,
    /// The gateway stops.
    Stopped,
}

/// Accepts charge points while the broker is reachable, and none once it has been unreachable for `outage_after`. Ends
/// when the publisher stops.
pub(super) async fn watch(registry: Arc<Registry>, publisher: Publisher, outage_after: Duration) {
    let mut reached = publisher.availability().reached();
    while wait_until(&mut reached, true).await {
        registry.end_outage();
        registry.set_open(true);
        info!("the broker has been reached: charge points are accepted");
        loop {
            if !wait_until(&mut reached, false).await {
                return;
            }
            let outcome = match timeout(outage_after, wait_until(&mut reached, true)).await {
                Ok(true) => BrokerWait::Back,
                Ok(false) => BrokerWait::Stopped,
                Err(_) => begin_outage(&registry, &publisher, outage_after).await,
            };
            match outcome {
                BrokerWait::Back => {}
                BrokerWait::Outage => break,
                BrokerWait::Stopped => return,
            }
        }
    }
}

/// Refuses new connections, withdraws CALLs that were not sent, and disconnects all charge points with 1013.
async fn begin_outage(registry: &Registry, publisher: &Publisher, outage_after: Duration) -> BrokerWait {
    registry.set_open(false);
    match publisher.withdraw().await {
        Err(_) => BrokerWait::Stopped,
        // The broker has just come back.
        Ok(None) => {
            registry.set_open(true);
            BrokerWait::Back
        }
        Ok(Some(withdrawn)) => {
            let connected = registry.begin_outage();
            warn!(
                "the broker has been unreachable for {outage_after:?}: {connected} charge points are disconnected and \
                 none is accepted until it is back; {withdrawn} messages that were not sent are withdrawn"
            );
            BrokerWait::Outage
        }
    }
}

/// Waits until the broker is reachable, or not, as `wanted`. `false`: the gateway stops.
async fn wait_until(reached: &mut watch::Receiver<bool>, wanted: bool) -> bool {
    reached.wait_for(|reached| *reached == wanted).await.is_ok()
}
