//! The other end of a connection.

use crate::identity::Identity;
use crate::version::Version;

/// A connected charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub identity: Identity,
    pub version: Version,
    /// Different for each connection of this gateway process.
    pub connection: u32,
}
