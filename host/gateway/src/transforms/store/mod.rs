//! What was uploaded, with its settings and its history, and copies of components from elsewhere. In a directory it
//! survives restarts.
//!
//! - `index`: which versions of which transforms there are; one file, which is replaced as a whole. `index_change`: how
//!   it changes.
//! - `code`: components and programs, by their SHA-256; `files`: they and the index as files.
//! - `state`: reads and changes both.

mod code;
mod files;
mod index;
mod index_change;
mod state;

pub(super) use code::{Code, CodeKind};
pub use index::Sender;
pub(super) use index::{Index, StoredTransform, StoredTrial, StoredVersion};
pub(super) use index_change::IndexChange;
pub use state::{Store, StoreError};
