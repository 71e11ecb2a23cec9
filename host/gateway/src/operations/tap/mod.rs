//! What operators watch: messages, frames and events, as they pass.
//!
//! - `hub`: who watches; `filter`: what of it.
//! - `line`: what they get; `secrets`: what they never get.

mod filter;
mod hub;
mod line;
mod secrets;

pub use filter::TapFilter;
pub use hub::{TapHub, TapSender, TapWatcher, Tapped, TappedLine, send_frame, send_message};
pub use line::{Frames, TappedFrame, line};
pub(crate) use line::{hide_secrets_in, hide_secrets_of};
