//! From a socket to a charge point that is let in: who may come, from where, how many, and what it has to show.
//!
//! - `accept`: the listener itself, and the steps of a connection on its way in.
//! - `limits`, `proxies`: how many there may be, and from where a connection really comes.
//! - `handshake`: HTTP, up to the WebSocket.
//! - `authentication`: allow list, passwords, TLS and certificates.

mod accept;
pub mod authentication;
mod handshake;
mod limits;
mod proxies;

pub use accept::Acceptor;
pub use handshake::{Handshake, Refused, Terms, UpgradeRequest};
