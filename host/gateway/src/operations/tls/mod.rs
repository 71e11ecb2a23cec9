//! TLS: certificates and keys of the gateway's listeners, and the authorities that its clients trust.

mod client;
mod expiry;
mod server;

pub use client::{certificate_fault, client_config, roots_in, system_roots};
pub use expiry::certificate_metrics;
pub use server::{Expiry, certificates, first_to_expire, server_config};
