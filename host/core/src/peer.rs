//! The other end of a connection, before and after it is let in.

use crate::identity::Identity;
use crate::publish::Attributes;
use crate::version::Version;

/// A connected charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub identity: Identity,
    pub version: Version,
    /// Different for each connection of this gateway process.
    pub connection: u32,
    /// What the transforms that admitted it know of it.
    pub attributes: Attributes,
}

/// A charge point that wants to connect, as far as it has said who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub identity: Identity,
    pub remote_address: String,
    /// Of the request, as it was sent.
    pub path: String,
    /// The subprotocols that it offers, in its order.
    pub protocols: Vec<String>,
    /// Names in lower case, without credentials.
    pub headers: Attributes,
    /// Whom the gateway has authenticated, if it asks for credentials.
    pub user: Option<String>,
}

/// Whether a charge point may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may; these are its attributes.
    Accept(Attributes),
    /// It may not, and is told so with this HTTP status (400 to 599).
    Refuse { status: u16, reason: String },
}
