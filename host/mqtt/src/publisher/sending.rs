//! Sends publications from the backlog over the connection.

use std::time::{Duration, Instant};

use rumqttc::QoS;

use super::{
    state::PublisherTask,
    window::{Outgoing, Resend},
};
use crate::{
    link::{Link, LinkError, OutboundPacket, Reason},
    message::Tracking,
    stats::Loss,
};

impl PublisherTask {
    /// Prepares to send the publishes again that an earlier connection left unacknowledged (MQTT 3.1.1 section 4.4).
    pub(super) fn resume(&mut self, link: &Link, session_present: bool) {
        let limits = link.limits();
        self.window.set_limit(limits.in_flight);
        self.shared.stats.resent.add(self.window.len() as u64);
        // If the broker does not accept the QoS of an open publish any more, all of them start again as new ones.
        if session_present && !self.window.exceeds(limits.qos) {
            self.window.begin_resend();
        } else {
            self.backlog.put_back(self.window.take_all());
        }
    }

    /// Puts the online status before everything else, unless the offline status is queued already.
    pub(super) fn announce_online(&mut self) {
        if !self.queue_closed {
            self.backlog.put_back(self.status.iter().map(|status| status.online_publication().into()).collect());
        }
    }

    /// Moves publications from the backlog into the connection as far as there is room.
    pub(super) fn send_backlog(&mut self, link: &mut Link) -> Result<(), LinkError> {
        self.resend(link)?;
        if self.backlog.is_empty() || self.window.is_resending() {
            return Ok(());
        }
        let (now, limits) = (Instant::now(), link.limits());
        let behind = self.shared.availability.time_away(now);
        let now = now.checked_sub(behind).unwrap_or(now);
        let mut published = 0;
        while link.has_room()
            && let Some(next) = self.backlog.front()
            && (limits.qos(next.publish.qos) == QoS::AtMostOnce || self.window.room() > 0)
            && let Some(mut outgoing) = self.backlog.pop()
        {
            limits.adapt(&mut outgoing.publish);
            if outgoing.has_expired(now) {
                self.shared.stats.count_loss(Loss::Expired, outgoing.kind);
            } else if self.has_no_subscriber(&outgoing) {
                self.report_no_subscriber(outgoing);
            } else if link.accepts(&outgoing.publish, outgoing.expires) {
                published += 1;
                self.start(link, outgoing, behind)?;
            } else {
                self.report_loss(&outgoing, Loss::Unpublishable, Reason::TOO_LARGE);
            }
        }
        self.shared.stats.published.add(published);
        Ok(())
    }

    /// `behind`: how far the broker's time is behind.
    pub(super) fn start(&mut self, link: &mut Link, outgoing: Outgoing, behind: Duration) -> Result<(), LinkError> {
        let expires = outgoing.expires.map(|expires| expires + behind);
        if outgoing.publish.qos == QoS::AtMostOnce {
            link.publish(&outgoing.publish, expires)?;
            // No acknowledgement follows.
            outgoing.tracking.iter().filter(|tracking| tracking.confirm).for_each(Tracking::delivered);
            self.qos0_tracker.start(link.written().1, outgoing);
            Ok(())
        } else {
            let outgoing = self.window.insert(outgoing, self.qos0_tracker.mark());
            link.publish(&outgoing.publish, expires)
        }
    }

    /// Sends the publishes again that [`resume`](Self::resume) has prepared, as far as there is room.
    pub(super) fn resend(&mut self, link: &mut Link) -> Result<(), LinkError> {
        let behind = self.shared.availability.time_away(Instant::now());
        while link.has_room()
            && let Some(resend) = self.window.next_resend()
        {
            match resend {
                Resend::Release(pkid) => link.send(OutboundPacket::PubRel(pkid))?,
                Resend::Publish(outgoing) if link.accepts(&outgoing.publish, outgoing.expires) => {
                    link.publish(&outgoing.publish, outgoing.expires.map(|expires| expires + behind))?;
                    self.shared.stats.published.add(1);
                }
                Resend::Publish(outgoing) => {
                    let pkid = outgoing.publish.pkid;
                    self.refused(pkid, Loss::Unpublishable, Reason::TOO_LARGE);
                }
            }
        }
        Ok(())
    }
}
