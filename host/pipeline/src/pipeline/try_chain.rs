//! Runs single messages through a copy of the chain: nothing of it reaches the chain that runs.

use super::edit::Edit;
use super::generations::Pipeline;
use crate::abi::PublishIn;
use crate::chain::Chain;
use crate::chain_run::{Answer, ChainRun, NotMapped};
use crate::error::TransformIncident;
use crate::message::Message;
use crate::stats::TransformStatus;
use crate::swap_report::SwapError;
use crate::trace::{Trace, TraceStep};
use ocpp_gateway_core::{Frame, Peer, Publish, UnansweredCalls};

/// A chain to try messages with: that which runs, or that after an edit. Its transforms read the state that was there
/// when it was made, and write to a copy. Their limits hold; failures stop no hook.
pub struct TryChain {
    chain: Chain,
    is_traced: bool,
}

/// What would have become of a message.
#[derive(Debug, Clone)]
pub struct TryOutcome {
    /// What each stage made of it; none of a chain [without trace](TryChain::without_trace).
    pub steps: Vec<TraceStep>,
    /// To the broker.
    pub publishes: Vec<Publish>,
    /// To the charge point.
    pub frames: Vec<Frame<'static>>,
    /// The immediate answer to the charge point, if any.
    pub answer: Option<Answer>,
    /// Why a message from a back end was not mapped to frames, if so.
    pub not_mapped: Option<NotMapped>,
    pub incidents: Vec<TransformIncident>,
}

impl Pipeline {
    /// The chain that runs, to try messages with; or that after an edit, which is loaded for it and not made.
    pub fn try_chain(&self, edit: Option<&Edit>) -> Result<TryChain, SwapError> {
        let next = edit.map(|edit| self.try_edited_chain(edit)).transpose()?;
        let running = self.0.chain.load_full();
        Ok(TryChain { chain: next.as_ref().unwrap_or(&running).for_trial(), is_traced: true })
    }
}

impl TryChain {
    /// The same chain for many messages: without the steps of a message, and without what is logged in them.
    pub fn without_trace(self) -> Self {
        TryChain { is_traced: false, ..self }
    }

    /// Passes a frame from a charge point through `uplink`, the mapping and `outbound`.
    pub fn uplink(&self, peer: &Peer, frame: &Frame<'_>) -> TryOutcome {
        self.run(peer, |run| run.uplink(frame))
    }

    /// Passes a frame that the gateway itself made through the mapping and `outbound`.
    pub fn report(&self, peer: &Peer, frame: &Frame<'_>) -> TryOutcome {
        self.run(peer, |run| run.map_uplink(frame))
    }

    /// Passes a message from a back end through `inbound`, the mapping and `downlink`. `unanswered`: the CALLs of the
    /// charge point that wait for an answer.
    pub fn downlink(&self, peer: &Peer, message: &Message<'_>, unanswered: UnansweredCalls<'_>) -> TryOutcome {
        self.run(peer, |run| {
            run.unanswered = unanswered;
            run.inbound(0, PublishIn::from(message));
        })
    }

    /// The status of every transform. Counts are those of this chain.
    pub fn transforms(&self) -> Vec<TransformStatus> {
        self.chain.transforms.iter().map(|transform| transform.status()).collect()
    }

    fn run<'a>(&'a self, peer: &'a Peer, begin: impl FnOnce(&mut ChainRun<'a>)) -> TryOutcome {
        let mut run = ChainRun::new(&self.chain, peer);
        run.trace = self.is_traced.then(Trace::default);
        begin(&mut run);
        let ChainRun { publishes, frames, answer, not_mapped, incidents, trace, .. } = run;
        let steps = trace.map(|Trace(steps)| steps).unwrap_or_default();
        TryOutcome { steps, publishes, frames, answer, not_mapped, incidents }
    }
}
