//! The broker's answers to publications, and the reports to their observers.

use std::sync::Arc;

use tracing::{debug, warn};

use super::{
    state::PublisherTask,
    window::{Acknowledged, Outgoing, Window},
};
use crate::{
    link::{InboundPacket, Link, LinkError, OutboundPacket, Reason},
    message::Tracking,
    stats::Loss,
};

impl PublisherTask {
    pub(super) fn read(&mut self, link: &mut Link) -> Result<(), LinkError> {
        let mut acknowledged = 0;
        while let Some(inbound) = link.next()? {
            match inbound {
                InboundPacket::PubAck(pkid, Ok(())) => acknowledged += self.settle(|window| window.acknowledge(pkid)),
                InboundPacket::PubRec(pkid, Ok(())) => {
                    self.window.release(pkid);
                    link.send(OutboundPacket::PubRel(pkid))?;
                }
                InboundPacket::PubAck(pkid, Err(reason)) | InboundPacket::PubRec(pkid, Err(reason)) => {
                    self.refused(pkid, Loss::Refused, reason);
                }
                InboundPacket::NoSubscriber(pkid) => acknowledged += self.discarded(pkid),
                InboundPacket::PubComp(pkid) => acknowledged += self.settle(|window| window.complete(pkid)),
                InboundPacket::PingResp => self.qos0_tracker.ping_answered(),
                other => debug!(?other, "unexpected packet on the publishing connection"),
            }
        }
        self.shared.stats.acknowledged.add(acknowledged);
        Ok(())
    }

    /// The number of publications that this acknowledgement confirms.
    fn settle(&mut self, acknowledge: impl FnOnce(&mut Window) -> Option<Acknowledged>) -> u64 {
        let Some(Acknowledged { mark, confirm }) = acknowledge(&mut self.window) else { return 0 };
        self.qos0_tracker.read_up_to(mark);
        confirm.iter().for_each(Tracking::delivered);
        1
    }

    /// The broker has acknowledged the publication and discarded it, because its topic has no subscribers.
    fn discarded(&mut self, pkid: u16) -> u64 {
        let Some((outgoing, mark)) = self.window.refuse(pkid) else { return 0 };
        self.qos0_tracker.read_up_to(mark);
        self.report_no_subscriber(outgoing);
        1
    }

    /// Whether the topic is known to have no subscribers. Looked up only for publications with an observer.
    pub(super) fn has_no_subscriber(&self, Outgoing { publish, tracking, .. }: &Outgoing) -> bool {
        let lookup = self.subscribers.as_ref().filter(|_| tracking.is_some());
        lookup.is_some_and(|subscribers| !subscribers.has_subscriber(&publish.topic))
    }

    pub(super) fn report_no_subscriber(&self, outgoing: Outgoing) {
        self.shared.stats.count_without_subscriber(outgoing.kind);
        debug!(outgoing.publish.topic, outgoing.kind, "the topic of a publication has no subscribers");
        if let Some(observer) = outgoing.tracking.as_ref().map(|tracking| Arc::clone(&tracking.observer)) {
            observer.no_subscriber(outgoing.into());
        }
    }

    /// The broker refuses the publication with this packet id.
    pub(super) fn refused(&mut self, pkid: u16, loss: Loss, reason: Reason) {
        let Some((outgoing, mark)) = self.window.refuse(pkid) else { return };
        self.qos0_tracker.read_up_to(mark);
        self.report_loss(&outgoing, loss, reason);
    }

    pub(super) fn report_loss(&mut self, Outgoing { publish, kind, .. }: &Outgoing, loss: Loss, reason: Reason) {
        self.shared.stats.count_loss(loss, kind);
        // One warning per cause: repetitions are logged at level debug.
        if self.refusals.insert(reason) {
            warn!(publish.topic, kind, %reason, "publication not accepted by the broker");
        } else {
            debug!(publish.topic, kind, %reason, "publication not accepted by the broker");
        }
    }
}
