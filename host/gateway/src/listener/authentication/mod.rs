//! Authentication of charge points: allow list, passwords and client certificates. All are reloaded when their files
//! change.

mod access;
mod basic;
mod check;
mod error;
mod expiry;
mod fair_workers;
mod hashes;
mod live;
mod tls;
mod user_command;
mod users;

pub use access::{FileFault, Security};
pub use check::PasswordChecker;
pub use error::AuthError;
pub use expiry::certificate_metrics;
pub use hashes::HashKind;
pub use live::{Live, Reload};
pub use tls::{ChargePointTls, VerifiedClient};
pub use user_command::user_entry;
pub use users::Users;
