//! What tests need at the gateway's ends: charge points, back ends and brokers that do as they are told. And in between:
//! transforms that do not.

pub mod authority;
pub mod back_end;
pub mod broker;
pub mod charge_point;
pub mod component;
pub mod guest;
pub mod mosquitto;
pub mod port;
pub mod proxy;

use std::time::Duration;

/// How long anything may take before a test fails. Nothing waits this long unless it is broken.
pub const TIMEOUT: Duration = Duration::from_secs(20);
