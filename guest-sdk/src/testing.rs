//! A fake of the gateway, for the unit tests of a transform. Each thread, and so each test, has its own.
//!
//! ```
//! use ocpp_transform::{log, testing};
//!
//! log::info("seen");
//! let lines = testing::take_log();
//! assert_eq!(lines[0].message, "seen");
//! ```
//!
//! Four traits have a method `handle`, and with two of them `transform.handle(…)` does not compile. [`uplink`],
//! [`downlink`], [`outbound`] and [`inbound`] say which one is meant:
//!
//! ```
//! use ocpp_transform::testing::{call, downlink, peer, uplink};
//! use ocpp_transform::{Downlink, Frame, FrameAction, Peer, Transform, Uplink};
//!
//! /// Hides the Heartbeats of the charge point, and the commands of the back end.
//! struct Silent;
//!
//! impl Transform for Silent {
//!     fn configure(_config: &str) -> Result<Self, String> {
//!         Ok(Silent)
//!     }
//! }
//!
//! impl Uplink for Silent {
//!     fn handle(&self, _peer: &Peer, frame: Frame) -> Vec<FrameAction> {
//!         if frame.action.as_deref() == Some("Heartbeat") { vec![] } else { vec![FrameAction::Pass] }
//!     }
//! }
//!
//! impl Downlink for Silent {
//!     fn handle(&self, _peer: &Peer, _frame: Frame) -> Vec<FrameAction> {
//!         vec![]
//!     }
//! }
//!
//! let transform = Silent::configure("{}").expect("it has no settings");
//! assert_eq!(uplink(&transform, &peer("CP1"), call("1", "Authorize", "{}")), [FrameAction::Pass]);
//! assert_eq!(downlink(&transform, &peer("CP1"), call("2", "Reset", "{}")), []);
//! ```

use crate::bindings::ocpp_gateway::transform::{log::Level, state::StateError};
use crate::hooks::{Downlink, Inbound, Outbound, Uplink};
use crate::types::{Attributes, Frame, FrameAction, FrameType, Peer, Publish, PublishAction};
use std::cell::RefCell;
use std::collections::HashMap;

/// One line that the transform logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub level: Level,
    pub message: String,
    pub fields: Attributes,
}

/// The expiry of a value in milliseconds of the clock, if it has one, and the value.
type Entry = (Option<u64>, Vec<u8>);

#[derive(Default)]
struct FakeHost {
    log: Vec<Line>,
    state: HashMap<String, Entry>,
    counters: HashMap<String, u32>,
    observations: HashMap<String, Vec<f64>>,
    unix_ms: u64,
}

thread_local! {
    static HOST: RefCell<FakeHost> = RefCell::default();
}

fn with<R>(visit: impl FnOnce(&mut FakeHost) -> R) -> R {
    HOST.with_borrow_mut(visit)
}

/// A charge point that speaks OCPP 1.6.
///
/// ```
/// assert_eq!(ocpp_transform::testing::peer("CP1").protocol, "ocpp1.6");
/// ```
pub fn peer(id: &str) -> Peer {
    Peer { id: id.into(), protocol: "ocpp1.6".into(), connection: 1, attributes: Attributes::new() }
}

/// A CALL.
///
/// ```
/// let call = ocpp_transform::testing::call("17", "Heartbeat", "{}");
/// assert_eq!(call.action.as_deref(), Some("Heartbeat"));
/// ```
pub fn call(id: &str, action: &str, payload: &str) -> Frame {
    Frame::new(FrameType::Call, id, Some(action.into()), payload)
}

/// The same as [`Uplink::handle`], also for a type with other hooks.
pub fn uplink(transform: &impl Uplink, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
    transform.handle(peer, frame)
}

/// The same as [`Downlink::handle`], also for a type with other hooks.
pub fn downlink(transform: &impl Downlink, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
    transform.handle(peer, frame)
}

/// The same as [`Outbound::handle`], also for a type with other hooks.
///
/// ```
/// use ocpp_transform::testing::{inbound, outbound, peer};
/// use ocpp_transform::{Inbound, Outbound, Peer, Publish, PublishAction, Transform};
///
/// /// Marks what it publishes, and drops what is marked.
/// struct Marked;
///
/// impl Transform for Marked {
///     fn configure(_config: &str) -> Result<Self, String> {
///         Ok(Marked)
///     }
/// }
///
/// impl Outbound for Marked {
///     fn handle(&self, _peer: &Peer, message: Publish) -> Vec<PublishAction> {
///         vec![PublishAction::Replace(Publish { payload: b"marked".to_vec(), ..message })]
///     }
/// }
///
/// impl Inbound for Marked {
///     fn handle(&self, _peer: &Peer, message: Publish) -> Vec<PublishAction> {
///         if message.payload == b"marked" { vec![] } else { vec![PublishAction::Pass] }
///     }
/// }
///
/// let marked = Publish::new("a", "marked");
/// let actions = outbound(&Marked, &peer("CP1"), Publish::new("a", "text"));
/// assert_eq!(actions, [PublishAction::Replace(marked.clone())]);
/// assert_eq!(inbound(&Marked, &peer("CP1"), marked), []);
/// ```
pub fn outbound(transform: &impl Outbound, peer: &Peer, message: Publish) -> Vec<PublishAction> {
    transform.handle(peer, message)
}

/// The same as [`Inbound::handle`], also for a type with other hooks.
pub fn inbound(transform: &impl Inbound, peer: &Peer, message: Publish) -> Vec<PublishAction> {
    transform.handle(peer, message)
}

/// The lines logged since the last call.
///
/// ```
/// assert!(ocpp_transform::testing::take_log().is_empty());
/// ```
pub fn take_log() -> Vec<Line> {
    with(|host| std::mem::take(&mut host.log))
}

/// Sets the clock, which starts at 0 and does not advance by itself. Values in the state expire by it.
///
/// ```
/// use ocpp_transform::{state, testing};
/// state::set("short", b"", Some(1)).expect("room");
/// testing::set_clock(1_000);
/// assert_eq!(state::get("short"), None);
/// ```
pub fn set_clock(unix_ms: u64) {
    with(|host| host.unix_ms = unix_ms);
}

/// The sum of a counter, over all labels.
///
/// ```
/// assert_eq!(ocpp_transform::testing::counter("never counted"), 0);
/// ```
pub fn counter(name: &str) -> u32 {
    with(|host| host.counters.get(name).copied().unwrap_or_default())
}

/// The values observed under a name, with any labels.
///
/// ```
/// ocpp_transform::metrics::observe("wh", 1.5, &vec![]);
/// assert_eq!(ocpp_transform::testing::observations("wh"), [1.5]);
/// ```
pub fn observations(name: &str) -> Vec<f64> {
    with(|host| host.observations.get(name).cloned().unwrap_or_default())
}

/// The functions that the gateway would provide, with the signatures wit-bindgen gives them.
pub(crate) mod host {
    use super::*;

    pub(crate) fn log(level: Level, message: &str, fields: &Attributes) {
        with(|host| host.log.push(Line { level, message: message.to_owned(), fields: fields.clone() }));
    }

    pub(crate) fn unix_ms() -> u64 {
        with(|host| host.unix_ms)
    }

    pub(crate) fn monotonic_ns() -> u64 {
        unix_ms() * 1_000_000
    }

    pub(crate) fn count(name: &str, by: u32, _labels: &Attributes) {
        with(|host| *host.counters.entry(name.to_owned()).or_default() += by);
    }

    pub(crate) fn observe(name: &str, value: f64, _labels: &Attributes) {
        with(|host| host.observations.entry(name.to_owned()).or_default().push(value));
    }

    pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
        with(|host| {
            let now = host.unix_ms;
            host.state.retain(|_, (until, _)| until.is_none_or(|until| now < until));
            host.state.get(key).map(|(_, value)| value.clone())
        })
    }

    pub(crate) fn set(key: &str, value: &[u8], ttl_s: Option<u32>) -> Result<(), StateError> {
        with(|host| {
            let until = ttl_s.map(|seconds| host.unix_ms + u64::from(seconds) * 1000);
            host.state.insert(key.to_owned(), (until, value.to_owned()));
        });
        Ok(())
    }

    pub(crate) fn delete(key: &str) -> bool {
        let was_there = get(key).is_some();
        with(|host| host.state.remove(key));
        was_there
    }

    pub(crate) fn compare_and_set(
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_s: Option<u32>,
    ) -> Result<bool, StateError> {
        if get(key).as_deref() != expected {
            return Ok(false);
        }
        set(key, value, ttl_s).map(|()| true)
    }
}
