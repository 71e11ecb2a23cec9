//! Publications that wait for the broker.

use std::{collections::VecDeque, time::Instant};

use super::window::Outgoing;

/// A queue bounded in messages and bytes. The caller decides when the bounds apply: see [`Backlog::evict`].
#[derive(Debug)]
pub(crate) struct Backlog {
    waiting: VecDeque<Outgoing>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

impl Backlog {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Backlog { waiting: VecDeque::new(), bytes: 0, max_messages, max_bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn push(&mut self, outgoing: Outgoing) {
        self.bytes += outgoing.len();
        self.waiting.push_back(outgoing);
    }

    /// Puts publications that were sent before back at the front, in their order.
    pub(crate) fn put_back(&mut self, sent: Vec<Outgoing>) {
        for outgoing in sent.into_iter().rev() {
            self.bytes += outgoing.len();
            self.waiting.push_front(outgoing);
        }
    }

    pub(crate) fn front(&self) -> Option<&Outgoing> {
        self.waiting.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Outgoing> {
        let outgoing = self.waiting.pop_front()?;
        self.bytes -= outgoing.len();
        Some(outgoing)
    }

    /// Takes out expired publications. `now`: in the broker's time.
    pub(crate) fn expire(&mut self, now: Instant, lost: impl FnMut(Outgoing)) {
        self.take_out(|outgoing| outgoing.has_expired(now), lost);
    }

    /// Takes out publications that expire and were never sent.
    pub(crate) fn withdraw(&mut self, lost: impl FnMut(Outgoing)) {
        self.take_out(|outgoing| outgoing.expires.is_some() && !outgoing.sent, lost);
    }

    fn take_out(&mut self, wanted: impl Fn(&Outgoing) -> bool, mut lost: impl FnMut(Outgoing)) {
        if !self.waiting.iter().any(&wanted) {
            return;
        }
        for outgoing in std::mem::take(&mut self.waiting) {
            if wanted(&outgoing) {
                self.bytes -= outgoing.len();
                lost(outgoing);
            } else {
                self.waiting.push_back(outgoing);
            }
        }
    }

    /// Takes out publications until the rest is within the bounds: first the oldest of those that expire, since their
    /// senders wait for an answer and notice the loss; then the oldest of all, which are not sent again.
    pub(crate) fn evict(&mut self, mut lost: impl FnMut(Outgoing)) {
        let mut place = 0;
        while self.is_over()
            && let Some(later) = self.waiting.iter().skip(place).position(|outgoing| outgoing.expires.is_some())
        {
            place += later;
            if let Some(outgoing) = self.waiting.remove(place) {
                self.bytes -= outgoing.len();
                lost(outgoing);
            }
        }
        while self.is_over()
            && let Some(oldest) = self.pop()
        {
            lost(oldest);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.waiting.len() > self.max_messages || self.bytes > self.max_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rumqttc::{Publish, QoS};

    use super::*;

    fn outgoing(topic: &str, expires: Option<Instant>) -> Outgoing {
        let publish = Publish::new(topic, QoS::AtLeastOnce, "0123456789");
        Outgoing { publish, expires, kind: "test", tracking: None, memory: None, sent: false }
    }

    fn drain(backlog: &mut Backlog) -> Vec<String> {
        std::iter::from_fn(|| backlog.pop()).map(|outgoing| outgoing.publish.topic).collect()
    }

    #[test]
    fn oldest_publications_are_evicted_first() {
        let mut backlog = Backlog::new(2, 1000);
        for topic in ["a", "b", "c"] {
            backlog.push(outgoing(topic, None));
        }
        let mut lost = Vec::new();
        backlog.evict(|outgoing| lost.push(outgoing.publish.topic));
        assert_eq!((lost, drain(&mut backlog)), (vec!["a".into()], vec!["b".into(), "c".into()]));
    }

    #[test]
    fn expiring_publications_are_evicted_before_others() {
        let later = Some(Instant::now() + Duration::from_secs(1));
        let mut backlog = Backlog::new(2, 1000);
        for (topic, expires) in [("answer", None), ("call 1", later), ("answer 2", None), ("call 2", later)] {
            backlog.push(outgoing(topic, expires));
        }
        let mut lost = Vec::new();
        backlog.evict(|outgoing| lost.push(outgoing.publish.topic));
        assert_eq!((lost, backlog.bytes), (vec!["call 1".to_owned(), "call 2".to_owned()], 2 * 10 + 6 + 8));
        backlog.push(outgoing("answer 3", None));
        backlog.evict(|_| {});
        assert_eq!(drain(&mut backlog), ["answer 2", "answer 3"]);
    }

    #[test]
    fn backlog_is_bounded_in_bytes() {
        // Two publications fit exactly.
        let mut backlog = Backlog::new(1000, 2 * (10 + 1));
        for topic in ["a", "b", "c"] {
            backlog.push(outgoing(topic, None));
        }
        backlog.evict(drop);
        assert_eq!(drain(&mut backlog), ["b", "c"]);
        assert_eq!(backlog.bytes, 0);
    }

    #[test]
    fn expired_publications_are_taken_from_the_middle() {
        let now = Instant::now();
        let mut backlog = Backlog::new(10, 1000);
        backlog.push(outgoing("a", None));
        backlog.push(outgoing("b", Some(now)));
        backlog.push(outgoing("c", Some(now + Duration::from_secs(1))));
        let mut lost = 0;
        backlog.expire(now, |_| lost += 1);
        assert_eq!((lost, drain(&mut backlog)), (1, vec!["a".into(), "c".into()]));
    }

    #[test]
    fn only_expiring_publications_that_were_never_sent_are_withdrawn() {
        let later = Some(Instant::now() + Duration::from_secs(1));
        let mut backlog = Backlog::new(10, 1000);
        backlog.put_back(vec![Outgoing { sent: true, ..outgoing("sent call", later) }]);
        backlog.push(outgoing("call", later));
        backlog.push(outgoing("answer", None));
        backlog.push(outgoing("call 2", later));
        let mut taken = Vec::new();
        backlog.withdraw(|outgoing| taken.push(outgoing.publish.topic));
        assert_eq!(taken, ["call", "call 2"]);
        assert_eq!(backlog.bytes, 2 * 10 + 9 + 6);
        assert_eq!(drain(&mut backlog), ["sent call", "answer"]);
    }

    #[test]
    fn backlog_reports_its_length_and_its_front() {
        let mut backlog = Backlog::new(10, 1000);
        assert!(backlog.is_empty() && backlog.front().is_none());
        for topic in ["a", "b"] {
            backlog.push(outgoing(topic, None));
        }
        assert_eq!((backlog.len(), backlog.is_empty()), (2, false));
        assert_eq!(backlog.front().map(|outgoing| outgoing.publish.topic.as_str()), Some("a"));
    }

    #[test]
    fn sent_publications_return_to_the_front_in_order() {
        let mut backlog = Backlog::new(10, 1000);
        backlog.push(outgoing("c", None));
        backlog.put_back(vec![outgoing("a", None), outgoing("b", None)]);
        assert_eq!(drain(&mut backlog), ["a", "b", "c"]);
    }
}
