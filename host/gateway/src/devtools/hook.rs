//! The hooks that a transform can begin with.

use clap::ValueEnum;
use std::fmt;

/// The interfaces of the WIT package that a transform can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hook {
    Uplink,
    Downlink,
    Outbound,
    Inbound,
    Mapping,
    Admission,
    Events,
    Validation,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}
