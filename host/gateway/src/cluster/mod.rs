//! Publications about connected charge points: events for back ends, and claims for other gateways on the same broker.
//! Both are off unless a topic is configured.

mod claims;
mod presence;

pub use claims::{ClaimListener, Connections, GatewayClaims};
pub use presence::PresenceEvents;
