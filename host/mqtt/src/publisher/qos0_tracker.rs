//! QoS 0: publishes that no acknowledgement will come for.

use std::collections::VecDeque;

use super::window::Outgoing;

/// Keeps what has not left the process yet, and counts what has left but may not have arrived.
///
/// A broker reads packets in their order. So the answer to any packet, a PUBACK or a PINGRESP, shows that all before it
/// have been read.
#[derive(Debug, Default)]
pub(crate) struct Qos0Tracker {
    /// Each with the position in the stream of bytes at which it ends.
    unwritten: VecDeque<(u64, Outgoing)>,
    /// Publishes started so far, and how many of them, from the first, the broker has read.
    started: u64,
    read: u64,
    /// What will have been read when the broker answers the PINGREQ that is under way.
    asked: u64,
    pings: u64,
}

impl Qos0Tracker {
    /// A publish was added to what waits to be written, and ends at `end`.
    pub(crate) fn start(&mut self, end: u64, outgoing: Outgoing) {
        self.unwritten.push_back((end, outgoing));
        self.started += 1;
    }

    /// So many bytes have left.
    pub(crate) fn written(&mut self, position: u64) {
        while self.unwritten.pop_front_if(|(end, _)| *end <= position).is_some() {}
    }

    /// A mark for [`read_up_to`](Self::read_up_to): all that was started so far.
    pub(crate) fn mark(&self) -> u64 {
        self.started
    }

    /// A packet that was started after this mark has been answered.
    pub(crate) fn read_up_to(&mut self, mark: u64) {
        self.read = self.read.max(mark);
    }

    /// So many PINGREQs have been added to what waits to be written; to be told before the next publish is started.
    pub(crate) fn asked(&mut self, pings: u64) {
        if std::mem::replace(&mut self.pings, pings) != pings {
            self.asked = self.started;
        }
    }

    /// PINGRESP.
    pub(crate) fn answered(&mut self) {
        self.read_up_to(self.asked);
    }

    /// The connection is over. Answers what can be sent again, because nobody can have read all of it, and how many others
    /// may be lost.
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
    fn what_was_not_written_whole_is_kept() {
        let mut publishes = Qos0Tracker::default();
        start(&mut publishes, [10, 20, 30]);
        publishes.written(29);
        let (unwritten, unconfirmed) = publishes.end();
        assert_eq!((topics(&unwritten), unconfirmed), (vec!["30"], 2));
        assert_eq!(publishes.end().1, 0);
    }

    #[test]
    fn an_answer_shows_that_all_before_it_was_read() {
        let mut publishes = Qos0Tracker::default();
        start(&mut publishes, [10, 20]);
        let mark = publishes.mark();
        start(&mut publishes, [30]);
        publishes.written(30);
        publishes.read_up_to(mark);
        assert_eq!(publishes.end().1, 1);

        start(&mut publishes, [10]);
        publishes.asked(1);
        start(&mut publishes, [20, 30]);
        publishes.written(30);
        publishes.answered();
        assert_eq!(publishes.end().1, 2);
    }
}
