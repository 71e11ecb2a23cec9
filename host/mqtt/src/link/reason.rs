//! Reason codes of refusals.

use std::fmt;

/// A reason code of MQTT 5 (section 2.4) that stands for a failure. The return codes of 3.1.1 have equivalents among
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reason(pub(crate) u8);

/// The result of a request to the broker.
pub(crate) type AckResult = Result<(), Reason>;

impl Reason {
    pub(crate) const UNSPECIFIED: Reason = Reason(0x80);
    pub(crate) const UNSUPPORTED_VERSION: Reason = Reason(0x84);
    pub(crate) const CLIENT_ID: Reason = Reason(0x85);
    pub(crate) const CREDENTIALS: Reason = Reason(0x86);
    pub(crate) const NOT_AUTHORIZED: Reason = Reason(0x87);
    pub(crate) const UNAVAILABLE: Reason = Reason(0x88);
    pub(crate) const TOO_LARGE: Reason = Reason(0x95);
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0x00 => "no reason",
            0x80 => "unspecified error",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation specific error",
            0x84 => "MQTT version not supported",
            0x85 => "client id not accepted",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "service unavailable",
            0x89 => "busy",
            0x8A => "banned",
            0x8B => "shutting down",
            0x8C => "bad authentication method",
            0x8D => "keep alive timeout",
            0x8E => "another client took over the session",
            0x8F => "topic filter not accepted",
            0x90 => "topic not accepted",
            0x91 => "packet id in use",
            0x92 => "packet id not found",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias not accepted",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format not accepted",
            0x9A => "retained messages not supported",
            0x9B => "QoS not supported",
            0x9C => "use another broker",
            0x9D => "the broker has moved",
            0x9E => "shared subscriptions not supported",
            0x9F => "connection rate exceeded",
            0xA0 => "connected for too long",
            0xA1 => "subscription identifiers not supported",
            0xA2 => "wildcards not supported",
            unknown => return write!(f, "reason code 0x{unknown:02X}"),
        })
    }
}
