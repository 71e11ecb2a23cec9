//! Limits, as they are counted.

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// What may be limited. The sizes of a request and of a message, the time of a handshake and silence are counted as what
/// they end.
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
