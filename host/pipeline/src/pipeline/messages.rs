//! Passes messages through the transforms.

use super::generations::Pipeline;
use crate::abi::PublishIn;
use crate::chain::Generation;
use crate::chain_run::{Answer, ChainRun, ConnectionEvent, NotMapped};
use crate::error::{Failure, TransformIncident};
use crate::hook;
use crate::message::Message;
use crate::settings::OnError;
use crate::subject::Subject;
use crate::trace::{Trace, TraceStep};
use crate::transform::Transform;
use ocpp_gateway_core::{Decision, Frame, Offer, Peer, Publish, TopicFilter, UnansweredCalls};
use tracing::warn;

/// The outcome of a frame from a charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UplinkOutcome {
    pub publishes: Vec<Publish>,
    /// The index of the message that the mapping made of the frame, if it made exactly one. The others are extra
    /// messages.
    pub mapped: Option<usize>,
    /// The immediate answer to the charge point, if any.
    pub answer: Option<Answer>,
    /// Whether no answer to the frame is possible any more, so that a CALL ends here.
    pub is_dropped: bool,
    pub incidents: Vec<TransformIncident>,
    /// What each stage made of it; empty if it was not traced.
    pub steps: Vec<TraceStep>,
}

/// The outcome of a message from a back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownlinkOutcome {
    pub frames: Vec<Frame<'static>>,
    pub publishes: Vec<Publish>,
    /// Why the message was not mapped to frames, if so.
    pub not_mapped: Option<NotMapped>,
    pub incidents: Vec<TransformIncident>,
    /// Message id and action of a frame that was rejected.
    pub rejected: Option<(String, String)>,
    /// What each stage made of it; empty if it was not traced.
    pub steps: Vec<TraceStep>,
}

/// Whether an outcome has steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracing {
    Off,
    On,
}

impl Pipeline {
    /// Passes a frame from a charge point through `uplink`, the mapping and `outbound`.
    pub fn uplink(&self, generation: &Generation, peer: &Peer, frame: &Frame<'_>) -> UplinkOutcome {
        self.uplink_with(generation, peer, frame, Tracing::Off)
    }

    /// [`Pipeline::uplink`], with a trace if that is wanted.
    pub fn uplink_with(
        &self,
        generation: &Generation,
        peer: &Peer,
        frame: &Frame<'_>,
        tracing: Tracing,
    ) -> UplinkOutcome {
        self.run(generation, peer, tracing, |run| run.uplink(frame))
    }

    /// Passes a frame that the gateway itself made through the mapping and `outbound`.
    pub fn report(&self, generation: &Generation, peer: &Peer, frame: &Frame<'_>, tracing: Tracing) -> UplinkOutcome {
        self.run(generation, peer, tracing, |run| run.map_uplink(frame))
    }

    /// Passes a message from a back end through `inbound`, the mapping and `downlink`. `unanswered`: the CALLs of the
    /// charge point that wait for an answer.
    pub fn downlink(
        &self,
        generation: &Generation,
        peer: &Peer,
        message: &Message<'_>,
        unanswered: UnansweredCalls<'_>,
    ) -> DownlinkOutcome {
        self.downlink_with(generation, peer, message, unanswered, Tracing::Off)
    }

    /// [`Pipeline::downlink`], with a trace if that is wanted.
    pub fn downlink_with(
        &self,
        Generation(chain): &Generation,
        peer: &Peer,
        message: &Message<'_>,
        unanswered: UnansweredCalls<'_>,
        tracing: Tracing,
    ) -> DownlinkOutcome {
        let mut run = ChainRun::new(chain, peer);
        run.trace = tracing.trace();
        run.unanswered = unanswered;
        run.inbound(0, PublishIn::from(message));
        let ChainRun { publishes, frames, not_mapped, incidents, rejected, trace, .. } = run;
        self.check_incidents(chain, &incidents);
        DownlinkOutcome { frames, publishes, not_mapped, incidents, rejected, steps: steps(trace) }
    }

    /// Returns what the transforms publish when a charge point connects. Call it once for each connection, and
    /// [`Pipeline::disconnected`] at its end: they count the connected charge points.
    pub fn connected(&self, generation: &Generation, peer: &Peer) -> UplinkOutcome {
        self.0.loader.runtime.note_connected();
        self.run(generation, peer, Tracing::Off, |run| run.event(ConnectionEvent::Connected))
    }

    /// Returns what the transforms publish when a charge point disconnects.
    pub fn disconnected(&self, generation: &Generation, peer: &Peer, reason: &str) -> UplinkOutcome {
        self.0.loader.runtime.note_disconnected();
        self.run(generation, peer, Tracing::Off, |run| run.event(ConnectionEvent::Disconnected(reason)))
    }

    fn run(
        &self,
        Generation(chain): &Generation,
        peer: &Peer,
        tracing: Tracing,
        begin: impl FnOnce(&mut ChainRun<'_>),
    ) -> UplinkOutcome {
        let mut run = ChainRun::new(chain, peer);
        run.trace = tracing.trace();
        begin(&mut run);
        let mapped = run.mapped();
        let is_dropped = run.is_dropped();
        let ChainRun { publishes, answer, incidents, trace, .. } = run;
        self.check_incidents(chain, &incidents);
        UplinkOutcome { publishes, mapped, answer, is_dropped, incidents, steps: steps(trace) }
    }

    /// The topic filters of messages to this charge point.
    pub fn subscriptions(&self, Generation(chain): &Generation, peer: &Peer) -> Result<Vec<TopicFilter>, Failure> {
        let filters = chain.mapping.call::<hook::Subscriptions>(Subject::identity(&peer.identity), (peer.into(),));
        if let Err(failure) = &filters {
            let Transform { name, version, .. } = &*chain.mapping;
            let charge_point = peer.identity.as_str();
            warn!(transform = %name, %version, charge_point, "fails to name the topics of a charge point: {failure}");
            self.roll_back_failing(chain);
        }
        filters
    }

    /// Whether a charge point may connect. Transforms are called in their order until one refuses.
    pub fn admit(&self, offer: &Offer) -> (Decision, Vec<TransformIncident>) {
        let Generation(chain) = self.newest_for(&offer.identity);
        let (mut attributes, mut incidents) = (Vec::new(), Vec::new());
        let subject = Subject::offer(offer);
        let mut matching = chain.admission.iter().filter(|it| it.matcher.matches_identity(&offer.identity));
        let refusal = matching.find_map(|transform| match transform.call::<hook::Admit>(subject, (offer.into(),)) {
            Ok(Decision::Accept(more)) => {
                attributes.extend(more);
                None
            }
            Ok(refusal) => Some(refusal),
            Err(failure) => {
                incidents.push(transform.incident(failure.into()));
                let reason = "the gateway cannot tell whether this charge point may connect";
                let refusal = || Decision::Refuse { status: 503, reason: reason.into() };
                (transform.on_error != OnError::Bypass).then(refusal)
            }
        });
        self.check_incidents(&chain, &incidents);
        (refusal.unwrap_or(Decision::Accept(attributes)), incidents)
    }

    /// Whether any transform has the `admission` hook, also if it is on trial.
    pub fn has_admission(&self) -> bool {
        let chain = self.0.chain.load();
        let variants = chain.variants.iter().flat_map(|variants| &variants.chains);
        !chain.admission.is_empty() || variants.into_iter().any(|variant| !variant.admission.is_empty())
    }
}

impl Tracing {
    fn trace(self) -> Option<Trace> {
        (self == Tracing::On).then(Trace::default)
    }
}

fn steps(trace: Option<Trace>) -> Vec<TraceStep> {
    trace.map(|Trace(steps)| steps).unwrap_or_default()
}
