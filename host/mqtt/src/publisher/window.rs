//! The publishes that the broker has not acknowledged yet.

use std::{collections::VecDeque, time::Instant};

use rumqttc::Publish;

use crate::{
    memory::MemoryPermit,
    message::{Publication, QoS, Tracking},
};

/// Bytes in flight above which no further publish is started, so that all of them fit into memory when they are sent
/// again.
const MAX_BYTES: usize = 8 << 20;

/// A publication as a PUBLISH packet, and what is needed if it is lost.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) publish: Publish,
    pub(crate) expires: Option<Instant>,
    pub(crate) kind: &'static str,
    pub(crate) tracking: Option<Tracking>,
    pub(crate) memory: Option<MemoryPermit>,
    /// The broker may have it: it was sent over a connection that broke before the broker acknowledged it.
    pub(crate) sent: bool,
}

impl From<Publication> for Outgoing {
    fn from(publication: Publication) -> Self {
        let Publication { topic, payload, qos, retain, expires, kind, tracking, memory } = publication;
        let publish = Publish { dup: false, qos, retain, topic, pkid: 0, payload };
        Outgoing { publish, expires, kind, tracking, memory, sent: false }
    }
}

impl From<Outgoing> for Publication {
    fn from(outgoing: Outgoing) -> Self {
        let Outgoing { publish, expires, kind, tracking, memory, .. } = outgoing;
        let Publish { topic, payload, qos, retain, .. } = publish;
        Publication { topic, payload, qos, retain, expires, kind, tracking, memory }
    }
}

impl Outgoing {
    pub(crate) fn len(&self) -> usize {
        self.publish.topic.len() + self.publish.payload.len()
    }

    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// One occupied packet id.
#[derive(Debug)]
struct Slot {
    /// Counts up in the order of publishing, which acknowledgements need not follow.
    order: u64,
    outgoing: Outgoing,
    /// The mark of the QoS 0 publishes that were started before this one on the present connection.
    mark: u64,
    /// QoS 2 after PUBREC. The message is kept until PUBCOMP: a broker that loses its session loses it as well.
    released: bool,
}

/// Assigns packet ids from a free list, so that no two open publishes share one, however late the broker answers.
#[derive(Debug)]
pub(crate) struct Window {
    /// Packet id 1 is at index 0.
    slots: Vec<Option<Slot>>,
    /// First freed, first used: a duplicate acknowledgement then finds no publish to confirm.
    free: VecDeque<u16>,
    next_order: u64,
    bytes: usize,
    /// Packet ids of publishes that were sent over an earlier connection and have to be sent over this one too, in this
    /// order.
    resends: VecDeque<u16>,
    /// How many publishes the broker accepts in flight on this connection.
    limit: usize,
}

/// A publication that the broker has acknowledged.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    pub(crate) mark: u64,
    /// The observer, if it asked for a report of success.
    pub(crate) confirm: Option<Tracking>,
}

impl From<Slot> for Acknowledged {
    fn from(slot: Slot) -> Self {
        let confirm = slot.outgoing.tracking.filter(|tracking| tracking.confirm);
        Acknowledged { mark: slot.mark, confirm }
    }
}

/// What to write for one packet id after a reconnect to a broker that kept the session.
#[derive(Debug)]
pub(crate) enum Resend<'a> {
    Publish(&'a Outgoing),
    Release(u16),
}

impl Window {
    pub(crate) fn new(limit: u16) -> Self {
        let limit = limit.max(1);
        Window {
            slots: (0..limit).map(|_| None).collect(),
            free: (1..=limit).collect(),
            next_order: 0,
            bytes: 0,
            resends: VecDeque::new(),
            limit: usize::MAX,
        }
    }

    /// A new connection, on which the broker accepts this many publishes in flight. It may be fewer than are open.
    pub(crate) fn set_limit(&mut self, limit: u16) {
        self.limit = limit.max(1).into();
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many more publishes may be started. None until the last one of an earlier connection is sent again.
    pub(crate) fn room(&self) -> usize {
        if self.bytes >= MAX_BYTES || self.is_resending() {
            return 0;
        }
        self.free.len().min(self.limit.saturating_sub(self.len()))
    }

    /// Gives the publish a packet id. `mark` comes back with its acknowledgement.
    ///
    /// # Panics
    /// When there is no [`room`](Self::room).
    pub(crate) fn insert(&mut self, mut outgoing: Outgoing, mark: u64) -> &Outgoing {
        let pkid = self.free.pop_front().expect("a free packet id");
        outgoing.publish.pkid = pkid;
        self.bytes += outgoing.len();
        let order = self.next_order;
        self.next_order += 1;
        let slot = self.slots[usize::from(pkid) - 1].insert(Slot { order, outgoing, mark, released: false });
        &slot.outgoing
    }

    /// PUBACK. `None` when no QoS 1 publish waits for it.
    pub(crate) fn acknowledge(&mut self, pkid: u16) -> Option<Acknowledged> {
        self.settle(pkid, |slot| slot.outgoing.publish.qos == QoS::AtLeastOnce).map(Acknowledged::from)
    }

    /// PUBACK or PUBREC with a failure: the publish is not sent again. Returns the publication and its mark, or `None`
    /// when no publish waits for the packet.
    pub(crate) fn refuse(&mut self, pkid: u16) -> Option<(Outgoing, u64)> {
        self.settle(pkid, |slot| !slot.released).map(|slot| (slot.outgoing, slot.mark))
    }

    /// PUBREC.
    pub(crate) fn release(&mut self, pkid: u16) {
        if let Some(slot) = self.slot(pkid) {
            slot.released |= slot.outgoing.publish.qos == QoS::ExactlyOnce;
        }
    }

    /// PUBCOMP. `None` when no released QoS 2 publish waits for it.
    pub(crate) fn complete(&mut self, pkid: u16) -> Option<Acknowledged> {
        self.settle(pkid, |slot| slot.released).map(Acknowledged::from)
    }

    /// Whether any open publish has a higher QoS than this.
    pub(crate) fn exceeds(&self, qos: QoS) -> bool {
        self.slots.iter().flatten().any(|slot| slot.outgoing.publish.qos > qos)
    }

    /// Marks all open publishes as sent before, for [`next_resend`](Self::next_resend).
    pub(crate) fn begin_resend(&mut self) {
        let mut open: Vec<&mut Slot> = self.slots.iter_mut().flatten().collect();
        // Releases first: a broker may count a publish that waits for its release as in flight.
        open.sort_unstable_by_key(|slot| (!slot.released, slot.order));
        let mark = |slot: &mut Slot| {
            slot.outgoing.publish.dup = true;
            // Sent before any publish of QoS 0 on the new connection.
            slot.mark = 0;
            slot.outgoing.publish.pkid
        };
        self.resends = open.into_iter().map(mark).collect();
    }

    pub(crate) fn is_resending(&self) -> bool {
        !self.resends.is_empty()
    }

    /// The next packet to send again, within the limit of the broker: releases, then publishes in their order. A
    /// release may be sent even when the broker accepts no publish (MQTT 5 section 4.9).
    pub(crate) fn next_resend(&mut self) -> Option<Resend<'_>> {
        let &pkid = self.resends.front()?;
        let is_full = self.len() - self.resends.len() >= self.limit;
        let slot = self.slots.get(usize::from(pkid) - 1)?.as_ref()?;
        if is_full && !slot.released {
            return None;
        }
        self.resends.pop_front();
        Some(if slot.released { Resend::Release(pkid) } else { Resend::Publish(&slot.outgoing) })
    }

    /// Takes all publishes out in the order of publishing, without packet id and DUP, and marks them as sent.
    pub(crate) fn take_all(&mut self) -> Vec<Outgoing> {
        let mut open: Vec<Slot> = self.slots.iter_mut().filter_map(Option::take).collect();
        open.sort_unstable_by_key(|slot| slot.order);
        self.free = (1..=self.slots.len() as u16).collect();
        self.bytes = 0;
        self.resends.clear();
        let reset = |mut outgoing: Outgoing| {
            (outgoing.publish.dup, outgoing.publish.pkid, outgoing.sent) = (false, 0, true);
            outgoing
        };
        open.into_iter().map(|slot| reset(slot.outgoing)).collect()
    }

    fn slot(&mut self, pkid: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(pkid).checked_sub(1)?)?.as_mut()
    }

    fn settle(&mut self, pkid: u16, expected: impl FnOnce(&Slot) -> bool) -> Option<Slot> {
        if !self.slot(pkid).is_some_and(|slot| expected(slot)) {
            return None;
        }
        let slot = self.slots[usize::from(pkid) - 1].take()?;
        self.bytes -= slot.outgoing.len();
        self.free.push_back(pkid);
        self.resends.retain(|waiting| *waiting != pkid);
        Some(slot)
    }
}

#[cfg(test)]
mod tests;
