//! What tests need at the gateway's ends: charge points, back ends and brokers that do as they are told.

pub mod back_end;
pub mod broker;
pub mod charge_point;

use std::time::Duration;

/// How long anything may take before a test fails. Nothing waits this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);
