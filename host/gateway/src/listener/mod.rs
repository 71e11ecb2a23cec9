//! Accepts connections of charge points: limits, TLS, HTTP handshake and authentication.
//!
//! - `accept`: the accept loop, and the steps from a socket to a connected charge point.
//! - `limits`, `proxies`: limits on connections, and client addresses behind proxies.
//! - `handshake`: HTTP, up to the WebSocket.
//! - `authentication`: allow list, passwords, TLS and certificates.

mod accept;
pub mod authentication;
mod handshake;
mod limits;
mod proxies;

pub use accept::Acceptor;
pub use handshake::{Handshake, HandshakeSettings, Refused, UpgradeRequest};
