//! Authentication of charge points: allow list, passwords and client certificates. All are reloaded when their files
//! change.

mod basic;
mod client_certificate;
mod error;
mod fair_workers;
mod hash_workers;
mod password_check;
mod password_hash;
mod round_robin;
mod security;
mod tls;
mod user_command;
mod users;

pub use client_certificate::{CERTIFICATE_SERIAL, CERTIFICATE_SUBJECT, VerifiedClient};
pub use error::AuthError;
pub use hash_workers::HashWorkers;
pub use password_check::PasswordChecker;
pub use password_hash::HashKind;
pub use security::{FileFault, Security};
pub use tls::ChargePointTls;
pub use user_command::user_entry;
pub use users::Users;
