//! What happens while the broker is away for long.
//!
//! A charge point that is told CALLERROR discards what it had to say about a transaction after a few attempts; one that
//! is off line keeps it. So CALLs wait for a broker that is away, with their deadlines standing still; and when it does
//! not come back, charge points are disconnected before any of them is answered with an error.

use crate::charge_point::Hall;
use std::sync::Weak;
use std::sync::atomic::Ordering;
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

/// Lets charge points in while the broker is there, and none once it has been away for `outage_after`, until the
/// gateway stops. `reached`: see [`ocpp_gateway_mqtt::Availability::reached`].
pub async fn watch(hall: Weak<Hall>, mut reached: watch::Receiver<bool>, outage_after: Duration) {
    while becomes(&mut reached, true).await {
        let Some(strong) = hall.upgrade() else { return };
        strong.registry.end_outage();
        strong.open.store(true, Ordering::Relaxed);
        info!("the broker has been reached: charge points are let in");
        drop(strong);
        loop {
            if !becomes(&mut reached, false).await {
                return;
            }
            match wait(&hall, &mut reached, outage_after).await {
                Waited::Back => {}
                Waited::Outage => break,
                Waited::Stopped => return,
            }
        }
    }
}

async fn wait(hall: &Weak<Hall>, reached: &mut watch::Receiver<bool>, outage_after: Duration) -> Waited {
    match timeout(outage_after, becomes(reached, true)).await {
        Ok(true) => Waited::Back,
        Ok(false) => Waited::Stopped,
        Err(_) => match hall.upgrade() {
            Some(hall) => begin(&hall, outage_after).await,
            None => Waited::Stopped,
        },
    }
}

/// Nobody comes in any more, what was not sent is taken back, and everybody is told to come again.
async fn begin(hall: &Hall, outage_after: Duration) -> Waited {
    hall.open.store(false, Ordering::Relaxed);
    match hall.road.publisher.withdraw().await {
        Err(_) => Waited::Stopped,
        // It has come back just now.
        Ok(None) => {
            hall.open.store(true, Ordering::Relaxed);
            Waited::Back
        }
        Ok(Some(withdrawn)) => {
            let connected = hall.registry.begin_outage();
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
