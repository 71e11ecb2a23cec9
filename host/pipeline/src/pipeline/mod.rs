//! The loaded transforms, which can be called from any thread, and hot swaps.

mod changes;
mod drop_ins;
mod edit;
mod generations;
mod hot_swap;
mod mapped_topics;
mod messages;
mod rollbacks;
mod trial;
mod trials;
mod try_chain;

pub use drop_ins::DropIn;
pub use edit::Edit;
pub use generations::Pipeline;
pub use mapped_topics::MappedTopics;
pub use messages::{DownlinkOutcome, Tracing, UplinkOutcome};
pub use rollbacks::RollbackMark;
pub use trial::{
    CallCounts, MAX_RUNNING_TRIALS, TrialEnd, TrialEnding, TrialError, TrialMode, TrialRequest, TrialStatus,
};
pub use try_chain::{TryChain, TryOutcome};
