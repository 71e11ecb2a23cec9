//! Names of directions and outcomes, the same in metrics, events and the log.

use ocpp_gateway_core::session::Direction;
use ocpp_gateway_pipeline::{SwapOutcome, TrialEnding, TrialMode};

pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Uplink, Direction::Downlink];

pub(crate) fn outcome(outcome: SwapOutcome) -> &'static str {
    match outcome {
        SwapOutcome::Swapped => "swapped",
        SwapOutcome::RolledBack => "rolled_back",
        SwapOutcome::Failed => "failed",
    }
}

pub(crate) fn trial_mode(mode: TrialMode) -> &'static str {
    match mode {
        TrialMode::Shadow => "shadow",
        TrialMode::Canary => "canary",
    }
}

pub(crate) fn trial_ending(ending: TrialEnding) -> &'static str {
    match ending {
        TrialEnding::Promoted => "promoted",
        TrialEnding::Ended => "ended",
        TrialEnding::Failed => "failed",
    }
}

/// The mode of this name.
pub(crate) fn trial_mode_of(name: &str) -> Option<TrialMode> {
    [TrialMode::Shadow, TrialMode::Canary].into_iter().find(|mode| trial_mode(*mode) == name)
}

pub(crate) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Uplink => "uplink",
        Direction::Downlink => "downlink",
    }
}
