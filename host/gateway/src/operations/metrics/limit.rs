//! Limits, as they are counted.

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// A limit that is counted. Limits of the size of a request or message, of the time of a handshake and of silence are
/// not: they are reasons of refused or closed connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Limit {
    #[strum(serialize = "max_connections")]
    Connections,
    #[strum(serialize = "max_connections_per_address")]
    ConnectionsPerAddress,
    AcceptRate,
    MessageRate,
    TotalMessageRate,
    OpenCalls,
    QueueMemory,
    Sockets,
    #[strum(serialize = "handshakes_per_address")]
    Handshakes,
}
