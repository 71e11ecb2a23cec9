//! Who takes part in trials: a version of a transform that runs beside the one that serves.
//!
//! - `selection`: which charge points take part; `group`: those that do, or the others, with the figures of their CALLs.

mod group;
mod selection;

pub use group::{GroupFigures, Membership, TrialGroup};
pub use selection::Selection;
