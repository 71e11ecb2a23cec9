//! The publishes that the broker has not acknowledged yet.

use std::{collections::VecDeque, time::Instant};

use rumqttc::{Publish, QoS};

use crate::message::Publication;

/// Bytes in flight above which no further publish is started, so that resending them all fits in memory comfortably.
const MAX_BYTES: usize = 8 << 20;

/// A publication as it goes over the wire, and what is needed if it never gets there.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) publish: Publish,
    pub(crate) expires: Option<Instant>,
    pub(crate) kind: &'static str,
}

impl From<Publication> for Outgoing {
    fn from(publication: Publication) -> Self {
        let Publication { topic, payload, qos, retain, expires, kind } = publication;
        let publish = Publish { dup: false, qos: qos.into(), retain, topic, pkid: 0, payload };
        Outgoing { publish, expires, kind }
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
    /// How far publishes of QoS 0 had got when this was written to the present connection.
    mark: u64,
    /// QoS 2 after PUBREC. The message is kept until PUBCOMP: a broker that loses its session loses it as well.
    released: bool,
}

/// Hands out packet ids from a free list, so that no two publishes ever share one, however late the broker answers.
#[derive(Debug)]
pub(crate) struct Window {
    /// Packet id 1 is at index 0.
    slots: Vec<Option<Slot>>,
    /// First freed, first used: a stray second acknowledgement then finds nothing to confirm.
    free: VecDeque<u16>,
    next_order: u64,
    bytes: usize,
}

/// What to write for one packet id after a reconnect to a broker that kept the session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resend<'a> {
    Publish(&'a Publish),
    Release(u16),
}

impl Window {
    pub(crate) fn new(limit: u16) -> Self {
        let limit = limit.max(1);
        Window { slots: (0..limit).map(|_| None).collect(), free: (1..=limit).collect(), next_order: 0, bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many more publishes may be started.
    pub(crate) fn room(&self) -> usize {
        if self.bytes < MAX_BYTES { self.free.len() } else { 0 }
    }

    /// Gives the publish a packet id. `mark` comes back with its acknowledgement.
    ///
    /// # Panics
    /// When there is no [`room`](Self::room).
    pub(crate) fn insert(&mut self, mut outgoing: Outgoing, mark: u64) -> &Publish {
        let pkid = self.free.pop_front().expect("a free packet id");
        outgoing.publish.pkid = pkid;
        self.bytes += outgoing.len();
        let order = self.next_order;
        self.next_order += 1;
        let slot = self.slots[usize::from(pkid) - 1].insert(Slot { order, outgoing, mark, released: false });
        &slot.outgoing.publish
    }

    /// PUBACK. `None` when no QoS 1 publish waits for it, else its mark.
    pub(crate) fn acknowledge(&mut self, pkid: u16) -> Option<u64> {
        self.settle(pkid, |slot| slot.outgoing.publish.qos == QoS::AtLeastOnce)
    }

    /// PUBREC.
    pub(crate) fn release(&mut self, pkid: u16) {
        if let Some(slot) = self.slot(pkid) {
            slot.released |= slot.outgoing.publish.qos == QoS::ExactlyOnce;
        }
    }

    /// PUBCOMP. `None` when no released QoS 2 publish waits for it, else its mark.
    pub(crate) fn complete(&mut self, pkid: u16) -> Option<u64> {
        self.settle(pkid, |slot| slot.released)
    }

    /// Marks everything as sent before and shows it in the order of publishing.
    pub(crate) fn resend(&mut self) -> impl Iterator<Item = Resend<'_>> {
        let mut open: Vec<&mut Slot> = self.slots.iter_mut().flatten().collect();
        open.sort_unstable_by_key(|slot| slot.order);
        open.into_iter().map(|slot| {
            slot.outgoing.publish.dup = true;
            // Sent before anything of QoS 0 on the new connection.
            slot.mark = 0;
            let publish = &slot.outgoing.publish;
            if slot.released { Resend::Release(publish.pkid) } else { Resend::Publish(publish) }
        })
    }

    /// Takes everything out in the order of publishing, as if it had never been sent.
    pub(crate) fn take_all(&mut self) -> Vec<Outgoing> {
        let mut open: Vec<Slot> = self.slots.iter_mut().filter_map(Option::take).collect();
        open.sort_unstable_by_key(|slot| slot.order);
        self.free = (1..=self.slots.len() as u16).collect();
        self.bytes = 0;
        let unsent = |mut outgoing: Outgoing| {
            (outgoing.publish.dup, outgoing.publish.pkid) = (false, 0);
            outgoing
        };
        open.into_iter().map(|slot| unsent(slot.outgoing)).collect()
    }

    fn slot(&mut self, pkid: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(pkid).checked_sub(1)?)?.as_mut()
    }

    fn settle(&mut self, pkid: u16, expected: impl FnOnce(&Slot) -> bool) -> Option<u64> {
        if !self.slot(pkid).is_some_and(|slot| expected(slot)) {
            return None;
        }
        let slot = self.slots[usize::from(pkid) - 1].take()?;
        self.bytes -= slot.outgoing.len();
        self.free.push_back(pkid);
        Some(slot.mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(topic: &str, qos: QoS) -> Outgoing {
        Outgoing { publish: Publish::new(topic, qos, "x"), expires: None, kind: "test" }
    }

    fn window(limit: u16, topics: &[&str]) -> Window {
        let mut window = Window::new(limit);
        for topic in topics {
            window.insert(outgoing(topic, QoS::AtLeastOnce), 0);
        }
        window
    }

    fn topics(taken: Vec<Outgoing>) -> Vec<String> {
        taken.into_iter().map(|outgoing| outgoing.publish.topic).collect()
    }

    #[test]
    fn an_open_packet_id_is_never_handed_out_again() {
        let mut window = window(3, &["a", "b", "c"]);
        assert_eq!(window.room(), 0);
        assert!(window.acknowledge(2).is_some());
        assert_eq!(window.insert(outgoing("d", QoS::AtLeastOnce), 0).pkid, 2);
    }

    #[test]
    fn the_id_that_was_free_longest_comes_next() {
        let mut window = window(3, &["a"]);
        assert!(window.acknowledge(1).is_some());
        assert!(window.acknowledge(1).is_none());
        assert_eq!(window.insert(outgoing("b", QoS::AtLeastOnce), 0).pkid, 2);
    }

    #[test]
    fn acknowledgements_out_of_order_keep_the_order_of_the_rest() {
        let mut window = window(4, &["a", "b", "c", "d"]);
        assert!(window.acknowledge(1).is_some() && window.acknowledge(3).is_some());
        window.insert(outgoing("e", QoS::AtLeastOnce), 0);
        assert_eq!(topics(window.take_all()), ["b", "d", "e"]);
        assert_eq!((window.len(), window.room()), (0, 4));
    }

    #[test]
    fn a_kept_session_gets_the_same_ids_with_dup() {
        let mut window = window(2, &["a", "b"]);
        let resent: Vec<_> = window.resend().collect();
        let Resend::Publish(first) = resent[0] else { panic!("{resent:?}") };
        assert_eq!((first.topic.as_str(), first.pkid, first.dup), ("a", 1, true));
    }

    #[test]
    fn exactly_once_goes_through_release_and_survives_a_lost_session() {
        let mut window = Window::new(2);
        window.insert(outgoing("a", QoS::ExactlyOnce), 0);
        assert!(window.acknowledge(1).is_none() && window.complete(1).is_none());
        window.release(1);
        assert_eq!(window.resend().collect::<Vec<_>>(), [Resend::Release(1)]);
        let taken = window.take_all();
        assert_eq!((taken[0].publish.pkid, taken[0].publish.dup), (0, false));
    }

    #[test]
    fn absurd_packet_ids_are_ignored() {
        let mut window = window(2, &["a"]);
        for pkid in [0, 2, 3, u16::MAX] {
            window.release(pkid);
            assert!(window.acknowledge(pkid).is_none() && window.complete(pkid).is_none());
        }
        assert_eq!(window.len(), 1);
    }
}
