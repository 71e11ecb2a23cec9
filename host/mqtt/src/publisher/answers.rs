//! What the broker says of publications, and who is told.

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
                InboundPacket::PubAck(pkid, Ok(())) => acknowledged += self.settled(|window| window.acknowledge(pkid)),
                InboundPacket::PubRec(pkid, Ok(())) => {
                    self.window.release(pkid);
                    link.send(OutboundPacket::PubRel(pkid))?;
                }
                InboundPacket::PubAck(pkid, Err(reason)) | InboundPacket::PubRec(pkid, Err(reason)) => {
                    self.refused(pkid, Loss::Refused, reason);
                }
                InboundPacket::NoSubscriber(pkid) => acknowledged += self.reached_nobody(pkid),
                InboundPacket::PubComp(pkid) => acknowledged += self.settled(|window| window.complete(pkid)),
                InboundPacket::PingResp => self.qos0_tracker.answered(),
                other => debug!(?other, "unexpected packet on the publishing connection"),
            }
        }
        self.shared.stats.acknowledged.add(acknowledged);
        Ok(())
    }

    /// How many publications the broker has taken over with this acknowledgement.
    fn settled(&mut self, acknowledge: impl FnOnce(&mut Window) -> Option<Acknowledged>) -> u64 {
        let Some(Acknowledged { mark, confirm }) = acknowledge(&mut self.window) else { return 0 };
        self.qos0_tracker.read_up_to(mark);
        confirm.iter().for_each(Tracking::delivered);
        1
    }

    /// The broker has taken this over, and thrown it away.
    fn reached_nobody(&mut self, pkid: u16) -> u64 {
        let Some((outgoing, mark)) = self.window.refuse(pkid) else { return 0 };
        self.qos0_tracker.read_up_to(mark);
        self.no_subscriber(outgoing);
        1
    }

    /// Whether the broker is known to throw it away. Asked only where somebody wants to know.
    pub(super) fn has_no_subscriber(&self, Outgoing { publish, tracking, .. }: &Outgoing) -> bool {
        let asked = self.subscribers.as_ref().filter(|_| tracking.is_some());
        asked.is_some_and(|subscribers| !subscribers.has_subscriber(&publish.topic))
    }

    pub(super) fn no_subscriber(&self, outgoing: Outgoing) {
        self.shared.stats.no_subscriber(outgoing.kind);
        debug!(outgoing.publish.topic, outgoing.kind, "nobody subscribes to the topic of a publication");
        if let Some(observer) = outgoing.tracking.as_ref().map(|tracking| Arc::clone(&tracking.observer)) {
            observer.no_subscriber(outgoing.into());
        }
    }

    /// The broker does not take what has this packet id.
    pub(super) fn refused(&mut self, pkid: u16, loss: Loss, reason: Reason) {
        let Some((outgoing, mark)) = self.window.refuse(pkid) else { return };
        self.qos0_tracker.read_up_to(mark);
        self.lose(&outgoing, loss, reason);
    }

    pub(super) fn lose(&mut self, Outgoing { publish, kind, .. }: &Outgoing, loss: Loss, reason: Reason) {
        self.shared.stats.lose(loss, kind);
        // One warning per cause: the rest is no news.
        if self.refusals.insert(reason) {
            warn!(publish.topic, kind, %reason, "the broker does not take a publication");
        } else {
            debug!(publish.topic, kind, %reason, "the broker does not take a publication");
        }
    }
}
