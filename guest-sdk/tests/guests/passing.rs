//! The least stage before a mapping, for benchmarks: it is called, and passes everything on.

use ocpp_transform::{Frame, FrameAction, Peer, Transform, Uplink, export};

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
