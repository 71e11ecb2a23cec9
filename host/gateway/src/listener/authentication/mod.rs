//! Who is let in: allow list, credentials and certificates, all of them read again when their files change.

mod access;
mod basic;
mod check;
mod error;
mod expiry;
mod hashes;
mod live;
mod tls;
mod turns;
mod user_command;
mod users;

pub use access::{Fault, Security};
pub use check::Check;
pub use error::AuthError;
pub use expiry::certificate_metrics;
pub use hashes::HashKind;
pub use live::{Live, Reload};
pub use tls::{Certified, Tls};
pub use user_command::user_entry;
pub use users::Users;
