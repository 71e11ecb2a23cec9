//! A candidate that repeats the calls of the version that runs, without any effect.
//!
//! - `call`: what is repeated; `note`: how it is taken on the way of a live message; `queue`: where it waits.
//! - `repeat`: the candidate, which repeats it.

mod call;
mod note;
mod queue;
mod repeat;

pub use call::{ShadowAnswer, ShadowCall, ShadowInput};
pub(crate) use note::{ShadowNote, handles};
pub use repeat::Shadow;
