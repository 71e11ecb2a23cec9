//! The hooks that a new transform can have.

use clap::ValueEnum;
use std::fmt;

/// A hook, in the order of the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum HookArg {
    Uplink,
    Downlink,
    Outbound,
    Inbound,
    Mapping,
    Admission,
    Events,
    Validation,
}

impl fmt::Display for HookArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}
