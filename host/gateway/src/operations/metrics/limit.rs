//! Limits, as they are counted.

/// What may be limited. The sizes of a request and of a message, the time of a handshake and silence are counted as what
/// they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Connections,
    ConnectionsPerAddress,
    AcceptRate,
    MessageRate,
    TotalMessageRate,
    OpenCalls,
    QueueMemory,
    Sockets,
    Handshakes,
}

impl Limit {
    pub(super) const ALL: [Limit; 9] = [
        Limit::Connections,
        Limit::ConnectionsPerAddress,
        Limit::AcceptRate,
        Limit::MessageRate,
        Limit::TotalMessageRate,
        Limit::OpenCalls,
        Limit::QueueMemory,
        Limit::Sockets,
        Limit::Handshakes,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Limit::Connections => "max_connections",
            Limit::ConnectionsPerAddress => "max_connections_per_address",
            Limit::AcceptRate => "accept_rate",
            Limit::MessageRate => "message_rate",
            Limit::TotalMessageRate => "total_message_rate",
            Limit::OpenCalls => "open_calls",
            Limit::QueueMemory => "queue_memory",
            Limit::Sockets => "sockets",
            Limit::Handshakes => "handshakes_per_address",
        }
    }
}
