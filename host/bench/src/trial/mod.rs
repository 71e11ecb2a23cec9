//! Trials: what has to hold under load when something ends, or goes on for long. Each is passed or failed.

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
    /// Kill the gateway and start it again: how long until all charge points are back, and what they are told meanwhile
    Reconnect(reconnect::ReconnectArgs),
    /// Restart the broker under load: what becomes of each CALL
    Outage(outage::OutageArgs),
    /// A transform that does harm to a few charge points: what the others feel of it
    Hostile(hostile::HostileArgs),
    /// Messages of a day, commands, and charge points that come and go, for long: whether memory stays as it is
    Soak(soak::SoakArgs),
    /// Let the broker stand still while every charge point sends a large message: how much memory the gateway takes
    StalledBroker(stalled_broker::StalledBrokerArgs),
    /// Put mappings with other topics in place under load: whether each CALL is answered once, and in order
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
