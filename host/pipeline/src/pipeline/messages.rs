//! Each message on its way through the transforms.

use super::generations::Pipeline;
use crate::abi::PublishIn;
use crate::chain::Generation;
use crate::chain_run::{Answer, ChainRun, NotMapped};
use crate::error::{Failure, TransformIncident};
use crate::hook;
use crate::message::Message;
use crate::settings::OnError;
use crate::subject::Subject;
use crate::transform::Transform;
use ocpp_gateway_core::{Decision, Frame, Offer, Peer, Publish, TopicFilter, UnansweredCalls};
use tracing::warn;

/// What has become of a frame from a charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UplinkOutcome {
    pub publishes: Vec<Publish>,
    /// Which of them the mapping made of the frame, if it made one. Others are published beside the frame.
    pub mapped: Option<usize>,
    /// What the charge point is answered now, if it is.
    pub answer: Option<Answer>,
    /// Nothing is left of the frame that could lead to an answer: a CALL ends here.
    pub is_dropped: bool,
    pub incidents: Vec<TransformIncident>,
}

/// What has become of a message from a back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownlinkOutcome {
    pub frames: Vec<Frame<'static>>,
    pub publishes: Vec<Publish>,
    /// Why it is no frame, if it is none.
    pub not_mapped: Option<NotMapped>,
    pub incidents: Vec<TransformIncident>,
    /// Message id and action of a frame that was rejected.
    pub rejected: Option<(String, String)>,
}

impl Pipeline {
    /// A frame from a charge point, through `uplink`, the mapping and `outbound`.
    pub fn uplink(&self, generation: &Generation, peer: &Peer, frame: &Frame<'_>) -> UplinkOutcome {
        self.run(generation, peer, |run| run.uplink(frame))
    }

    /// A frame that the gateway itself made, through the mapping and `outbound`.
    pub fn report(&self, generation: &Generation, peer: &Peer, frame: &Frame<'_>) -> UplinkOutcome {
        self.run(generation, peer, |run| run.map_uplink(frame))
    }

    /// A message from a back end, through `inbound`, the mapping and `downlink`. `asked`: the CALLs that the charge point
    /// waits for.
    pub fn downlink(
        &self,
        Generation(chain): &Generation,
        peer: &Peer,
        message: &Message<'_>,
        asked: UnansweredCalls<'_>,
    ) -> DownlinkOutcome {
        let mut run = ChainRun::new(chain, peer);
        run.asked = asked;
        run.inbound(0, PublishIn::from(message));
        let ChainRun { publishes, frames, not_mapped, incidents, rejected, .. } = run;
        self.look_after(chain, &incidents);
        DownlinkOutcome { frames, publishes, not_mapped, incidents, rejected }
    }

    /// What the transforms want published because a charge point has connected. To be called once for each connection, and
    /// [`Pipeline::disconnected`] at its end: this is how many charge points are known to be there.
    pub fn connected(&self, generation: &Generation, peer: &Peer) -> UplinkOutcome {
        self.0.loader.runtime.note_connected();
        self.run(generation, peer, |run| {
            run.event(|transform, subject| transform.call::<hook::Connected>(subject, (peer.into(),)))
        })
    }

    /// What the transforms want published because a charge point is gone.
    pub fn disconnected(&self, generation: &Generation, peer: &Peer, reason: &str) -> UplinkOutcome {
        self.0.loader.runtime.note_disconnected();
        self.run(generation, peer, |run| {
            run.event(|transform, subject| transform.call::<hook::Disconnected>(subject, (peer.into(), reason)))
        })
    }

    fn run(&self, Generation(chain): &Generation, peer: &Peer, begin: impl FnOnce(&mut ChainRun<'_>)) -> UplinkOutcome {
        let mut run = ChainRun::new(chain, peer);
        begin(&mut run);
        let mapped = run.mapped();
        let is_dropped = run.leads_nowhere();
        let ChainRun { publishes, answer, incidents, .. } = run;
        self.look_after(chain, &incidents);
        UplinkOutcome { publishes, mapped, answer, is_dropped, incidents }
    }

    /// The topic filters whose messages are for this charge point.
    pub fn subscriptions(&self, Generation(chain): &Generation, peer: &Peer) -> Result<Vec<TopicFilter>, Failure> {
        let filters = chain.mapping.call::<hook::Subscriptions>(Subject::identity(&peer.identity), (peer.into(),));
        if let Err(failure) = &filters {
            let Transform { name, version, .. } = &*chain.mapping;
            let charge_point = peer.identity.as_str();
            warn!(transform = %name, %version, charge_point, "does not name the topics of a charge point: {failure}");
            self.look_after_all(chain);
        }
        filters
    }

    /// Whether a charge point may connect. Every transform has a say; the first that refuses has the last word.
    pub fn admit(&self, offer: &Offer) -> (Decision, Vec<TransformIncident>) {
        let chain = self.0.chain.load();
        let (mut attributes, mut incidents) = (Vec::new(), Vec::new());
        let subject = Subject::offer(offer);
        let mut asked = chain.admission.iter().filter(|it| it.matcher.takes_identity(&offer.identity));
        let refusal = asked.find_map(|transform| match transform.call::<hook::Admit>(subject, (offer.into(),)) {
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
        self.look_after(&chain, &incidents);
        (refusal.unwrap_or(Decision::Accept(attributes)), incidents)
    }

    /// Whether [`Pipeline::admit`] would ask anybody.
    pub fn has_admission(&self) -> bool {
        !self.0.chain.load().admission.is_empty()
    }
}
