//! Figures of the last hour, in steps of ten seconds, so that an operator sees them without other programs.
//!
//! - `snapshot`: the counters that `/metrics` shows, read at one moment; `step`: what is between two of them.
//! - `history`: the steps of the last hour; `sampler`: reads the counters every ten seconds.
//!
//! A message costs nothing more: it is counted for `/metrics` already.

mod history;
mod sampler;
mod snapshot;
mod step;

pub use history::{FigureHistory, RecentCounts};
pub use sampler::{FigureSampler, FigureSources};
pub use snapshot::{Counts, Gauges, Snapshot};
pub use step::{SERIES, STEP, Step};
