//! The versions of OCPP.

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Version {
    #[value(name = "ocpp1.6")]
    V1_6,
    #[value(name = "ocpp2.0.1")]
    V2_0_1,
    #[value(name = "ocpp2.1")]
    V2_1,
}

impl Version {
    /// The name of the WebSocket subprotocol.
    pub(crate) fn subprotocol(self) -> &'static str {
        match self {
            Version::V1_6 => "ocpp1.6",
            Version::V2_0_1 => "ocpp2.0.1",
            Version::V2_1 => "ocpp2.1",
        }
    }

    /// 2.x differs from 1.6 in its messages; 2.0.1 and 2.1 agree in those that are used here.
    pub(crate) fn is_1_6(self) -> bool {
        self == Version::V1_6
    }
}
