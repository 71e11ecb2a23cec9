//! Trials: a version of a transform beside the one that runs.
//!
//! - `trials`: starts, shows and ends them.
//! - `metrics`: of those that run.
//! - `shadow_thread`: repeats calls with a candidate; `compare`: whether it did the same; `figures`: how often, and what
//!   differs.

mod compare;
mod figures;
mod metrics;
mod shadow_thread;
mod trials;

pub use figures::Difference;
pub use metrics::trial_metrics;
pub(super) use trials::TrialStartError;
pub use trials::{TrialReport, Trials};
