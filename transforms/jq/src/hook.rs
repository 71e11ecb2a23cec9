//! The hooks that a program can define.

/// A hook, named as its filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Uplink,
    Downlink,
    Outbound,
    Inbound,
    ToMqtt,
    FromMqtt,
    Subscriptions,
    Connected,
    Disconnected,
    Admit,
    Check,
}

impl Hook {
    pub const ALL: [Hook; 11] = [
        Hook::Uplink,
        Hook::Downlink,
        Hook::Outbound,
        Hook::Inbound,
        Hook::ToMqtt,
        Hook::FromMqtt,
        Hook::Subscriptions,
        Hook::Connected,
        Hook::Disconnected,
        Hook::Admit,
        Hook::Check,
    ];

    /// The name of the filter that a program defines for it.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Uplink => "uplink",
            Hook::Downlink => "downlink",
            Hook::Outbound => "outbound",
            Hook::Inbound => "inbound",
            Hook::ToMqtt => "to_mqtt",
            Hook::FromMqtt => "from_mqtt",
            Hook::Subscriptions => "subscriptions",
            Hook::Connected => "connected",
            Hook::Disconnected => "disconnected",
            Hook::Admit => "admit",
            Hook::Check => "check",
        }
    }
}
