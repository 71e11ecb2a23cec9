//! What was loaded, ready to be called from any thread; and hot swaps to something newer.

mod changes;
mod generations;
mod hot_swap;
mod messages;

pub use generations::Pipeline;
pub use messages::{Downlink, Uplink};
