//! Publications about connected charge points: events for back ends, and claims for other gateways on the same broker.
//! Both are off unless a topic is configured.

mod claims;
mod connection_events;

pub use claims::{ClaimListener, Connections, GatewayClaims};
pub use connection_events::ConnectionEvents;
