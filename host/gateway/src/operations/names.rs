//! Names of directions and outcomes, the same in metrics, events and the log.

use ocpp_gateway_core::session::Direction;
use ocpp_gateway_pipeline::SwapOutcome;

pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Uplink, Direction::Downlink];

pub(crate) fn outcome(outcome: SwapOutcome) -> &'static str {
    match outcome {
        SwapOutcome::Swapped => "swapped",
        SwapOutcome::RolledBack => "rolled_back",
        SwapOutcome::Failed => "failed",
    }
}

pub(crate) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Uplink => "uplink",
        Direction::Downlink => "downlink",
    }
}
