//! CALLs of one charge point that nobody subscribes to, and those behind them.
//!
//! The first of them is published again from time to time, until somebody subscribes or it has waited for long enough;
//! the others keep their order behind it. Two clocks are at work: attempts go by the clock on the wall, and how long a
//! CALL waits by the broker's time, which stands still while the broker is away.

use ocpp_gateway_mqtt::{Publication, Tracking};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The pause before the first attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: Instant,
    pub(super) broker: Instant,
}

/// There is at least one CALL in it.
pub(super) struct CallRetries {
    calls: VecDeque<RetriedCall>,
    /// The first is with the publisher, which will say what becomes of it.
    trying: bool,
    pause: Duration,
    /// When the first is published again, unless it is.
    next_attempt: Instant,
}

struct RetriedCall {
    number: u32,
    /// `None` while it is with the publisher.
    publication: Option<Publication>,
    /// In the broker's time: as long as this has not come it is tried again.
    give_up: Instant,
    /// In the broker's time: the charge point has been told then that there is no answer.
    expires: Instant,
}

impl CallRetries {
    /// Begins with a CALL that came back. `wait`: how long it may be tried again.
    pub(super) fn new(publication: Publication, wait: Duration, now: Now) -> Option<Self> {
        let call = RetriedCall::new(publication, wait, now)?;
        let calls = VecDeque::from([call]);
        let mut retries = CallRetries { calls, trying: false, pause: FIRST_PAUSE, next_attempt: now.wall };
        retries.plan(now);
        Some(retries)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// When [`next`](Self::next) wants to be called.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        (!self.trying).then_some(self.next_attempt)
    }

    /// One that came back, or that comes behind those that wait; each has its place by its number.
    pub(super) fn hold(&mut self, publication: Publication, wait: Duration, now: Now) {
        let Some(call) = RetriedCall::new(publication, wait, now) else { return };
        let place = self.calls.partition_point(|waiting| waiting.number < call.number);
        // Not before the one that is being tried.
        self.calls.insert(place.max(usize::from(self.trying)), call);
    }

    /// The CALL of this publication has come back from an attempt. Gives the publication back if it has waited for long
    /// enough, and `Err` with it if it was no attempt.
    #[expect(clippy::result_large_err, reason = "it is given back as it was given, which is no failure")]
    pub(super) fn came_back(&mut self, publication: Publication, now: Now) -> Result<Option<Publication>, Publication> {
        let number = publication.tracking.as_ref().map(|tracking| tracking.number);
        let Some(first) = self.calls.front_mut().filter(|first| self.trying && Some(first.number) == number) else {
            return Err(publication);
        };
        self.trying = false;
        if first.give_up <= now.broker {
            self.calls.pop_front();
            // It is for the next one to find out anew.
            (self.pause, self.next_attempt) = (FIRST_PAUSE, now.wall);
            return Ok(Some(publication));
        }
        first.publication = Some(publication);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.plan(now);
        Ok(None)
    }

    /// Whether this was the number of the CALL that is being tried: somebody subscribes.
    pub(super) fn is_tried(&self, number: u32) -> bool {
        self.trying && self.calls.front().is_some_and(|first| first.number == number)
    }

    /// What is to be published now to find out whether somebody subscribes. What has expired is dropped first.
    pub(super) fn next(&mut self, now: Now) -> Option<Publication> {
        if self.trying && self.calls.front().is_some_and(|first| first.expires <= now.broker) {
            // Whatever has become of it: there is a next one to be tried.
            (self.trying, self.next_attempt) = (false, now.wall);
        }
        let trying = usize::from(self.trying);
        let mut place = 0;
        self.calls.retain(|call| {
            place += 1;
            place <= trying || call.expires > now.broker
        });
        if self.trying || self.next_attempt > now.wall {
            return None;
        }
        let mut publication = self.calls.front_mut()?.publication.take()?;
        publication.tracking.iter_mut().for_each(|tracking| tracking.confirm = true);
        self.trying = true;
        Some(publication)
    }

    /// All that wait, in their order.
    pub(super) fn into_publications(self) -> impl Iterator<Item = Publication> {
        let publications = self.calls.into_iter().filter_map(|call| call.publication);
        publications.map(|mut publication| {
            publication.tracking.iter_mut().for_each(|tracking| tracking.confirm = false);
            publication
        })
    }

    /// The last attempt is made when it is time to give up.
    fn plan(&mut self, now: Now) {
        let left = self.calls.front().map(|first| first.give_up.saturating_duration_since(now.broker));
        self.next_attempt = now.wall + left.map_or(self.pause, |left| left.min(self.pause));
    }
}

impl RetriedCall {
    /// `None`: nobody is waiting for what becomes of it.
    fn new(publication: Publication, wait: Duration, now: Now) -> Option<Self> {
        let &Tracking { number, .. } = publication.tracking.as_ref()?;
        let expires = publication.expires?;
        Some(RetriedCall { number, publication: Some(publication), give_up: now.broker + wait, expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_mqtt::Observer;
    use std::sync::Arc;

    const WAIT: Duration = Duration::from_secs(2);
    const TIMEOUT: Duration = Duration::from_secs(30);

    struct Deaf;

    impl Observer for Deaf {
        fn no_subscriber(&self, _: Publication) {}
        fn delivered(&self, _: u32) {}
        fn evicted(&self, _: u32) {}
    }

    fn at(start: Instant, milliseconds: u64) -> Now {
        let now = start + Duration::from_millis(milliseconds);
        Now { wall: now, broker: now }
    }

    fn call(number: u32, start: Instant) -> Publication {
        let tracking = Some(Tracking { observer: Arc::new(Deaf), number, confirm: false });
        Publication { expires: Some(start + TIMEOUT), tracking, ..Publication::new("t", "x", "CALL") }
    }

    fn number(publication: &Publication) -> (u32, bool) {
        let tracking = publication.tracking.as_ref().expect("tracked");
        (tracking.number, tracking.confirm)
    }

    fn holding(start: Instant) -> CallRetries {
        CallRetries::new(call(1, start), WAIT, at(start, 0)).expect("tracked")
    }

    #[test]
    fn the_first_is_tried_again_with_growing_pauses_and_given_up_in_the_end() {
        let start = Instant::now();
        let mut retries = holding(start);
        let mut attempts = Vec::new();
        loop {
            let next = retries.next_attempt().expect("an attempt to come");
            let now = Now { wall: next, broker: next };
            let attempt = retries.next(now).expect("it is time");
            assert_eq!(number(&attempt), (1, true));
            assert!(retries.next(now).is_none() && retries.next_attempt().is_none(), "one attempt at a time");
            attempts.push(next.duration_since(start).as_millis());
            if retries.came_back(attempt, now).expect("an attempt").is_some() {
                break;
            }
        }
        assert_eq!(attempts, [250, 750, 1750, 2000]);
        assert!(retries.is_empty());
    }

    #[test]
    fn others_keep_their_order_behind_it() {
        let start = Instant::now();
        let mut retries = holding(start);
        retries.hold(call(3, start), WAIT, at(start, 1));
        retries.hold(call(2, start), WAIT, at(start, 2));
        let attempt = retries.next(at(start, 250)).expect("it is time");
        // One that was sent before, and comes back late.
        retries.hold(call(0, start), WAIT, at(start, 260));
        assert!(!retries.is_tried(2) && retries.is_tried(1));
        drop(attempt);
        let rest: Vec<_> = retries.into_publications().map(|publication| number(&publication)).collect();
        assert_eq!(rest, [(0, false), (2, false), (3, false)]);
    }

    #[test]
    fn what_comes_back_and_was_no_attempt_is_told_apart() {
        let start = Instant::now();
        let mut retries = holding(start);
        assert!(retries.came_back(call(1, start), at(start, 1)).is_err(), "nothing is being tried");
        retries.next(at(start, 250)).expect("it is time");
        assert!(retries.came_back(call(2, start), at(start, 251)).is_err());
    }

    #[test]
    fn each_is_tried_before_it_is_given_up() {
        let start = Instant::now();
        let mut retries = holding(start);
        retries.hold(call(2, start), WAIT, at(start, 10));
        let first = retries.next(at(start, 2500)).expect("it is time");
        assert!(retries.came_back(first, at(start, 2500)).expect("an attempt").is_some());
        assert_eq!(number(&retries.next(at(start, 2500)).expect("its turn at once")), (2, true));
    }

    #[test]
    fn while_the_broker_is_away_nothing_is_given_up() {
        let start = Instant::now();
        let mut retries = holding(start);
        let attempt = retries.next(at(start, 250)).expect("it is time");
        // It was away for a minute.
        let back = Now { wall: start + Duration::from_secs(60), broker: start + Duration::from_millis(300) };
        assert!(retries.came_back(attempt, back).expect("an attempt").is_none());
        assert_eq!(retries.next_attempt(), Some(back.wall + 2 * FIRST_PAUSE));
    }

    #[test]
    fn what_expires_makes_way() {
        let start = Instant::now();
        let mut retries = holding(start);
        retries.hold(call(2, start), WAIT, at(start, 10));
        retries.hold(call(3, start + WAIT), WAIT, at(start, 2000));
        // It was lost on its way to the broker.
        retries.next(at(start, 250)).expect("it is time");
        let later = Now { wall: start + TIMEOUT, broker: start + TIMEOUT };
        assert_eq!(number(&retries.next(later).expect("the next one")), (3, true));
        retries.next(Now { wall: later.wall + WAIT, broker: later.broker + WAIT });
        assert!(retries.is_empty());
    }
}
