//! The smallest stage before a mapping, for benchmarks: it passes everything on.

use ocpp_transform::{Frame, FrameAction, Peer, Transform, Uplink, export};
use std::alloc::System;

/// A transform chooses its allocator: this would not compile if the SDK declared one.
#[global_allocator]
static ALLOCATOR: System = System;

struct Passing;

impl Transform for Passing {
    fn configure(_config: &str) -> Result<Self, String> {
        Ok(Passing)
    }
}

impl Uplink for Passing {
    fn handle(&self, _peer: &Peer, _frame: Frame) -> Vec<FrameAction> {
        vec![FrameAction::Pass]
    }
}

export!(Passing: Uplink);
