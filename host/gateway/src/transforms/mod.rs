//! Transforms: loading them from the configuration, and replacing them while the gateway runs.
//!
//! - `effective`: the transforms of the configuration, with what was uploaded for them; `specs`: from these to what the
//!   pipeline loads; `load`: to a pipeline; `component_fault`: why not.
//! - `store`: what was uploaded and fetched; `change`: changes that the API asks for.
//! - `compile_process`: where components are compiled.
//! - `drop_in`: transforms that are files in a directory.
//! - `fetch`: components that are on the web or in a registry; `sources`: when they are fetched, and the copies of them.
//! - `swap`: hot swaps, from changed files or a configuration that is read again.
//! - `fixture`: cases that a transform has to pass, from `samples` or those of `transform test`.
//! - `topic_check`: topics of a mapping that cannot work.
//! - `trial`: versions that run beside the live ones.
//! - `trust`: whether code is signed with a key of `[trust]`.
//! - `long_calls`: long calls, and the threads that they may occupy; `limits`: how large components may be.

mod change;
pub mod compile_process;
mod component_fault;
mod drop_in;
mod effective;
mod fetch;
pub(crate) mod fixture;
mod limits;
mod load;
pub(crate) mod long_calls;
mod sources;
mod specs;
mod store;
mod swap;
mod topic_check;
mod trial;
mod trust;

pub use change::{
    ChangeError, ChangeOutcome, ChangeRequest, Changer, History, Origin, RequestedChange, TrialStart, VersionSummary,
};
pub use component_fault::ComponentFaults;
pub use drop_in::{DropInFault, DropInStatus, DropIns};
pub(crate) use limits::MAX_COMPONENT_SIZE;
pub(crate) use load::{compiled_cache, has_any};
pub use load::{component_versions, load};
pub use store::{Sender, Store, StoreError};
pub use swap::{HotSwap, log_faults};
pub use topic_check::topic_faults;
pub use trial::{Difference, TrialReport, Trials, trial_metrics};
