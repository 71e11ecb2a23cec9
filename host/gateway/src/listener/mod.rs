//! Accepts connections of charge points: limits, TLS, HTTP handshake and authentication.
//!
//! - `listeners`: all listeners, and their accept loops; they change while the gateway runs.
//! - `accept`: the steps from a socket to a connected charge point; `counts`: how many there were.
//! - `metrics`: of all listeners.
//! - `limits`, `proxies`: limits on connections, and client addresses behind proxies.
//! - `handshake`: HTTP, up to the WebSocket.
//! - `authentication`: allow list, passwords, TLS and certificates.

mod accept;
pub mod authentication;
mod counts;
mod handshake;
mod limits;
mod listeners;
mod metrics;
mod proxies;

pub use handshake::{Handshake, HandshakeSettings, Refused, UpgradeRequest};
pub use listeners::{
    BoundListeners, ListenerError, ListenerStatus, Listeners, PreparedListeners, bind, expected_peers,
};
pub use metrics::listener_metrics;
