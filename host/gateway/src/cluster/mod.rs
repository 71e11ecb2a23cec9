//! What the gateway tells others about who is connected: events for back ends, claims for other gateways on the same
//! broker. Both are off unless they are given a topic.

mod claims;
mod presence;

pub use claims::{ClaimListener, Connections, GatewayClaims};
pub use presence::PresenceEvents;
