//! Tracks publishes of QoS 0, which get no acknowledgement.

use std::collections::VecDeque;

use super::window::Outgoing;

/// Keeps publishes that are not written yet, and counts written ones that may not have arrived.
///
/// A broker reads packets in order. So the answer to any packet, a PUBACK or a PINGRESP, shows that all packets before
/// it have been read.
#[derive(Debug, Default)]
pub(crate) struct Qos0Tracker {
    /// Each with the position in the byte stream at which it ends.
    unwritten: VecDeque<(u64, Outgoing)>,
    /// Publishes started so far, and how many of them, from the first, the broker has read.
    started: u64,
    read: u64,
    /// The publishes that the broker has read once it answers the open PINGREQ.
    pinged_at: u64,
    pings: u64,
}

impl Qos0Tracker {
    /// A publish was added to the output, and ends at the position `end`.
    pub(crate) fn start(&mut self, end: u64, outgoing: Outgoing) {
        self.unwritten.push_back((end, outgoing));
        self.started += 1;
    }

    /// The output is written up to `position`.
    pub(crate) fn written(&mut self, position: u64) {
        while self.unwritten.pop_front_if(|(end, _)| *end <= position).is_some() {}
    }

    /// A mark for [`read_up_to`](Self::read_up_to): all publishes started so far.
    pub(crate) fn mark(&self) -> u64 {
        self.started
    }

    /// A packet that was started after this mark has been answered.
    pub(crate) fn read_up_to(&mut self, mark: u64) {
        self.read = self.read.max(mark);
    }

    /// `pings` PINGREQs have been added to the output so far. To be called before the next publish is started.
    pub(crate) fn pinged(&mut self, pings: u64) {
        if std::mem::replace(&mut self.pings, pings) != pings {
            self.pinged_at = self.started;
        }
    }

    /// PINGRESP.
    pub(crate) fn ping_answered(&mut self) {
        self.read_up_to(self.pinged_at);
    }

    /// The connection is over. Returns the publishes that can be sent again, because they were not written as a whole,
    /// and how many others may be lost.
    pub(crate) fn end(&mut self) -> (Vec<Outgoing>, u64) {
        let unwritten: Vec<Outgoing> = self.unwritten.drain(..).map(|(_, outgoing)| outgoing).collect();
        let unconfirmed = (self.started - self.read).saturating_sub(unwritten.len() as u64);
        *self = Qos0Tracker::default();
        (unwritten, unconfirmed)
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::{Publish, QoS};

    use super::*;

    fn start(publishes: &mut Qos0Tracker, ends: impl IntoIterator<Item = u64>) {
        for end in ends {
            let publish = Publish::new(end.to_string(), QoS::AtMostOnce, "x");
            let outgoing = Outgoing { publish, expires: None, kind: "test", tracking: None, memory: None, sent: false };
            publishes.start(end, outgoing);
        }
    }

    fn topics(unwritten: &[Outgoing]) -> Vec<&str> {
        unwritten.iter().map(|outgoing| outgoing.publish.topic.as_str()).collect()
    }

    #[test]
    fn partly_written_publishes_are_kept() {
        let mut publishes = Qos0Tracker::default();
        start(&mut publishes, [10, 20, 30]);
        publishes.written(29);
        let (unwritten, unconfirmed) = publishes.end();
        assert_eq!((topics(&unwritten), unconfirmed), (vec!["30"], 2));
        assert_eq!(publishes.end().1, 0);
    }

    #[test]
    fn answer_shows_that_all_publishes_before_it_were_read() {
        let mut publishes = Qos0Tracker::default();
        start(&mut publishes, [10, 20]);
        let mark = publishes.mark();
        start(&mut publishes, [30]);
        publishes.written(30);
        publishes.read_up_to(mark);
        assert_eq!(publishes.end().1, 1);

        start(&mut publishes, [10]);
        publishes.pinged(1);
        start(&mut publishes, [20, 30]);
        publishes.written(30);
        publishes.ping_answered();
        assert_eq!(publishes.end().1, 2);
    }
}
