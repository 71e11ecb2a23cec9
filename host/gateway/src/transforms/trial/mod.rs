//! Trials: a version of a transform beside the one that runs.
//!
//! - `trials`: starts, shows and ends them.
//! - `shadow_thread`: repeats calls with a candidate; `compare`: whether it did the same; `figures`: how often, and what
//!   differs.

mod compare;
mod figures;
mod shadow_thread;
mod trials;

pub use figures::Difference;
pub use trials::TrialReport;
pub(super) use trials::{StartError, Trials};
