//! Metrics, events and the log, and services of the operating system. All other modules use these, and these use
//! nothing but the configuration and the form of recordings.
//!
//! - `metrics`, `events`, `log`, and their `names`; `event_bus` and `tap`: who watches events and messages.
//! - `event_history`, `refusals`, `figures`: what has happened, for those who did not watch.
//! - `shutdown`, `notify`: signals, and the service manager.
//! - `tls`: certificates, keys, and the authorities that are trusted, from files.
//! - `file_watch`, `live_files`, `file_limit`, `ephemeral`, `address`: files, ports and addresses.

pub(crate) mod address;
pub(crate) mod ephemeral;
pub mod event_bus;
mod event_history;
pub mod events;
pub mod figures;
pub mod file_limit;
pub mod file_watch;
pub mod live_files;
pub mod log;
pub mod metrics;
pub(crate) mod names;
pub mod notify;
pub mod refusals;
pub mod shutdown;
pub mod tap;
pub mod tls;

/// The target of log lines about what callers of the admin API did.
pub(crate) const AUDIT: &str = "audit";
