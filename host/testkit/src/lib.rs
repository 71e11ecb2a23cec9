//! Helpers for tests of the gateway: charge points, back ends, brokers, a proxy, certificates, signatures,
//! and transforms that misbehave.

pub mod authority;
pub mod back_end;
pub mod broker;
pub mod charge_point;
pub mod component;
pub mod guest;
pub mod mosquitto;
pub mod port;
pub mod proxy;
pub mod signing;

use std::time::Duration;

/// How long a step may take before a test fails. A test that passes never waits this long.
pub const TIMEOUT: Duration = Duration::from_secs(60);
