//! The drop-in directory: transforms that are files of their own, added, changed and removed while the gateway runs.
//!
//! - `file`: from the files of one drop-in to its transform, or to what is wrong with them.
//! - `directory`: all drop-ins of the directory, compared with what was there before.
//! - `drop_ins`: puts in place what has changed.
//! - `watch`: notices changes; `written`: files that are not complete yet.

mod directory;
mod drop_ins;
mod file;
mod status;
mod watch;
mod written;

pub use drop_ins::DropIns;
pub(super) use drop_ins::{LockedDropIns, drop_in_specs};
pub use status::{DropInFault, DropInStatus};
pub(super) use watch::DropInWatch;
