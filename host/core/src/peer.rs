//! A charge point, before and after it is accepted.

use crate::identity::Identity;
use crate::publish::Attributes;
use crate::version::Version;

/// A connected charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub identity: Identity,
    pub version: Version,
    /// Unique within this gateway process.
    pub connection: u32,
    /// Facts from the gateway, and from the transforms that admitted it.
    pub attributes: Attributes,
}

/// The request of a charge point to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub identity: Identity,
    pub remote_address: String,
    /// The request path, as it was sent.
    pub path: String,
    /// The offered subprotocols, in the order of the request.
    pub protocols: Vec<String>,
    /// The request headers without credentials; names are in lower case.
    pub headers: Attributes,
    /// The authenticated user, if the gateway requires credentials.
    pub user: Option<String>,
    /// Facts from the gateway. They become attributes of the peer.
    pub attributes: Attributes,
}

/// Whether a charge point may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may connect; these are its attributes.
    Accept(Attributes),
    /// It may not connect; the response has this HTTP status (400 to 599).
    Refuse { status: u16, reason: String },
}
