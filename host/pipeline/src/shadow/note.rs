//! What the way of a live message has to know of a shadow.

use super::call::{ShadowCall, ShadowInput, as_actions};
use super::queue::ShadowQueue;
use crate::error::Failure;
use crate::hook::Function;
use crate::trace::TracedAction;
use crate::transform::Transform;
use ocpp_gateway_core::{Direction, Peer};
use std::sync::Arc;
use std::time::Duration;

/// Takes the calls of a live transform for its shadow.
pub(crate) struct ShadowNote {
    pub(super) candidate: Arc<Transform>,
    pub(super) queue: Arc<ShadowQueue>,
}

impl ShadowNote {
    pub(crate) fn candidate(&self) -> &Arc<Transform> {
        &self.candidate
    }

    pub(crate) fn push(
        &self,
        peer: &Peer,
        function: Function,
        direction: Option<Direction>,
        input: ShadowInput,
        live: Result<Vec<TracedAction>, Failure>,
        live_time: Option<Duration>,
    ) {
        self.queue.push(ShadowCall {
            peer: peer.clone(),
            function,
            direction,
            input,
            live: as_actions(live),
            live_time,
        });
    }

    /// Notes nothing from now on.
    pub(crate) fn close(&self) {
        self.queue.close();
    }
}

/// Whether a transform is called for such messages: it has the hook, and its conditions hold. `action`: `None` if it is
/// not known.
pub(crate) fn handles(transform: &Transform, function: Function, peer: &Peer, action: Option<&str>) -> bool {
    let matcher = &transform.matcher;
    transform.has(function)
        && direction(function).is_none_or(|direction| matcher.matches_direction(direction))
        && matcher.matches(peer, action)
}

/// The direction of the messages of a hook that has only one.
fn direction(function: Function) -> Option<Direction> {
    match function {
        Function::Uplink | Function::Outbound => Some(Direction::Uplink),
        Function::Downlink | Function::Inbound => Some(Direction::Downlink),
        _ => None,
    }
}
