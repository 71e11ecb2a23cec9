//! Trials: properties that must hold under load with faults, or over a long time. Each passes or fails.

mod hostile;
mod outage;
mod reconnect;
mod rig;
mod soak;
mod stalled_broker;
mod swap;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Trial {
    /// Kill and restart the gateway: how long until all charge points have reconnected, and how they are refused
    /// meanwhile
    Reconnect(reconnect::ReconnectArgs),
    /// Restart the broker under load: whether each CALL is answered
    Outage(outage::OutageArgs),
    /// Let a transform do harm to a few charge points: whether others are slowed down
    Hostile(hostile::HostileArgs),
    /// Run the CALLs of a day, commands and reconnects for a long time: whether memory stays constant
    Soak(soak::SoakArgs),
    /// Stall the broker while every charge point sends a large message: how much memory the gateway uses
    StalledBroker(stalled_broker::StalledBrokerArgs),
    /// Swap mappings with other topics under load: whether each CALL is answered once and in order
    Swap(swap::SwapArgs),
}

pub(crate) async fn trial(trial: Trial) -> Result<()> {
    match trial {
        Trial::Reconnect(args) => reconnect::reconnect(args).await,
        Trial::Outage(args) => outage::outage(args).await,
        Trial::Hostile(args) => hostile::hostile(args).await,
        Trial::Soak(args) => soak::soak(args).await,
        Trial::StalledBroker(args) => stalled_broker::stalled_broker(args).await,
        Trial::Swap(args) => swap::swap(args).await,
    }
}
