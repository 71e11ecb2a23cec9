//! Write a transform for `ocpp-gateway`.
//!
//! A transform is a WebAssembly component that stands in the gateway's road between charge points (OCPP) and back ends
//! (MQTT). It is a type that is made from its configuration and implements the hooks it wants; [`export!`] names them:
//!
//! ```
//! use ocpp_transform::{Frame, FrameAction, Peer, Transform, Uplink, export};
//!
//! /// Answers Heartbeats of test chargers with silence.
//! struct Quiet;
//!
//! impl Transform for Quiet {
//!     fn configure(_config: &str) -> Result<Self, String> {
//!         Ok(Quiet)
//!     }
//! }
//!
//! impl Uplink for Quiet {
//!     fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
//!         if peer.id.starts_with("TEST-") && frame.action.as_deref() == Some("Heartbeat") {
//!             return vec![FrameAction::Drop("a test charger".into())];
//!         }
//!         vec![FrameAction::Pass]
//!     }
//! }
//!
//! export!(Quiet: Uplink);
//! # fn main() {}
//! ```
//!
//! Set `crate-type = ["cdylib"]`, build for `wasm32-unknown-unknown` and encode the module as a component. The same
//! code compiles off WebAssembly, where the gateway's side is a fake ([`testing`]): unit tests run with `cargo test`.
//!
//! A transform is called by one thread at a time, and several instances of it may live beside each other: what must
//! outlive an instance belongs into [`state`], not into fields.
//!
//! Memory comes from the standard library's allocator, or from any other that the crate declares as its own. The feature
//! `allocator` declares one for many short strings: for a transform that every message goes through, if a measurement
//! shows that it gains from it.

// Generated code: its shape is wit-bindgen's business.
#[doc(hidden)]
#[allow(unreachable_pub, clippy::all)]
pub mod bindings;

pub mod clock;
mod export;
mod hooks;
mod json;
pub mod log;
pub mod metrics;
pub mod state;
pub mod topic;
mod types;

#[cfg(not(target_family = "wasm"))]
pub mod testing;

#[cfg(all(target_family = "wasm", feature = "allocator"))]
mod allocator;

pub use export::rt as __rt;
pub use hooks::{Admission, Downlink, Events, Inbound, Mapping, Outbound, Transform, Uplink, Validation};
pub use json::{qos, read_config};
pub use types::{
    Acceptance, Attributes, CallError, Decision, ErrorHead, Frame, FrameAction, FrameType, Info, MAX_MESSAGE_ID, Offer,
    Peer, Publish, PublishAction, Refusal, Rejection, Rule, TopicFilter,
};

#[cfg(test)]
mod tests {
    /// A transform that says which SDK it was written with says which gateways run it.
    #[test]
    fn the_version_is_that_of_the_wit_package() {
        let package = include_str!("../../wit/transform.wit").lines().find_map(|line| line.strip_prefix("package "));
        let package = package.expect("a package").trim_end_matches(';');
        let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned()).expect("three numbers");
        let (name, version) = package.split_once('@').expect("a version");
        assert_eq!((name, minor(version)), ("ocpp-gateway:transform", minor(env!("CARGO_PKG_VERSION"))));
    }
}
