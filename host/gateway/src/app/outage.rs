//! What happens while the broker is away for long.
//!
//! A charge point that is told CALLERROR discards what it had to say about a transaction after a few attempts; one that
//! is off line keeps it. So CALLs wait for a broker that is away, with their deadlines standing still; and when it does
//! not come back, charge points are disconnected before any of them is answered with an error.

use crate::charge_point::Registry;
use ocpp_gateway_mqtt::Publisher;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

/// What has come of waiting for a broker that is away.
enum Waited {
    Back,
    /// Charge points are disconnected.
    Outage,
    /// The gateway stops.
    Stopped,
}

/// Lets charge points in while the broker is there, and none once it has been away for `outage_after`, until the publisher
/// stops.
pub(super) async fn watch(registry: Arc<Registry>, publisher: Publisher, outage_after: Duration) {
    let mut reached = publisher.availability().reached();
    while becomes(&mut reached, true).await {
        registry.end_outage();
        registry.set_open(true);
        info!("the broker has been reached: charge points are let in");
        loop {
            if !becomes(&mut reached, false).await {
                return;
            }
            let waited = match timeout(outage_after, becomes(&mut reached, true)).await {
                Ok(true) => Waited::Back,
                Ok(false) => Waited::Stopped,
                Err(_) => begin(&registry, &publisher, outage_after).await,
            };
            match waited {
                Waited::Back => {}
                Waited::Outage => break,
                Waited::Stopped => return,
            }
        }
    }
}

/// Refuses new connections, withdraws CALLs that were not sent, and disconnects all charge points with 1013.
async fn begin(registry: &Registry, publisher: &Publisher, outage_after: Duration) -> Waited {
    registry.set_open(false);
    match publisher.withdraw().await {
        Err(_) => Waited::Stopped,
        // It has come back just now.
        Ok(None) => {
            registry.set_open(true);
            Waited::Back
        }
        Ok(Some(withdrawn)) => {
            let connected = registry.begin_outage();
            warn!(
                "the broker has been away for {outage_after:?}: {connected} charge points are disconnected and none is \
                 let in until it is back; {withdrawn} messages that were not sent are withdrawn"
            );
            Waited::Outage
        }
    }
}

/// Waits until the broker can be reached, or cannot. `false`: the gateway stops.
async fn becomes(reached: &mut watch::Receiver<bool>, wanted: bool) -> bool {
    reached.wait_for(|reached| *reached == wanted).await.is_ok()
}
