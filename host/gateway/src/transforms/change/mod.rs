//! Changes of transforms that the API asks for. Each is loaded and tried first, then stored, and then put in place.
//!
//! - `request`: what can be asked for, and what becomes of it.
//! - `settings`: the settings and the component of a new version.
//! - `planner`: works out what is loaded and stored; `changer`: does that, one change at a time.
//! - `trial_start`: versions that are to run beside the live ones.
//! - `history`: the versions of a transform, for people.

mod changer;
mod history;
mod planner;
mod request;
mod settings;
mod trial_start;

pub use changer::Changer;
pub use history::{History, Origin, VersionSummary};
pub use request::{ChangeError, ChangeOutcome, ChangeRequest, RequestedChange};
pub use trial_start::TrialStart;
