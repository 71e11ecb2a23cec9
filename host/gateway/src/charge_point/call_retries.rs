//! Retries of CALLs whose topic has no subscriber, for one charge point.
//!
//! The first CALL is published again from time to time, until its topic has a subscriber or it has waited long enough;
//! the others keep their order behind it. Two clocks are used: attempts are scheduled by wall time; how long a CALL
//! waits is measured in the broker's time, which stops while the broker is away.

use ocpp_gateway_mqtt::{Publication, Tracking};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The pause before the first attempt. It doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The time on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: Instant,
    pub(super) broker: Instant,
}

/// CALLs that wait for a subscriber, at least one.
pub(super) struct CallRetries {
    calls: VecDeque<RetriedCall>,
    /// The publisher has the first CALL; its outcome is pending.
    trying: bool,
    pause: Duration,
    /// When the first CALL is published again, unless `trying`.
    next_attempt: Instant,
}

struct RetriedCall {
    number: u32,
    /// `None` while the publisher has it.
    publication: Option<Publication>,
    /// In the broker's time: the CALL is retried until then.
    give_up: Instant,
    /// In the broker's time: the charge point gets a CALLERROR then, because the CALL timed out.
    expires: Instant,
}

impl CallRetries {
    /// Starts with a CALL that had no subscriber. `wait`: how long it is retried.
    pub(super) fn new(publication: Publication, wait: Duration, now: Now) -> Option<Self> {
        let call = RetriedCall::new(publication, wait, now)?;
        let calls = VecDeque::from([call]);
        let mut retries = CallRetries { calls, trying: false, pause: FIRST_PAUSE, next_attempt: now.wall };
        retries.schedule(now);
        Some(retries)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// When [`next`](Self::next) wants to be called.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        (!self.trying).then_some(self.next_attempt)
    }

    /// Adds a CALL that had no subscriber, or a new one. CALLs are ordered by their numbers.
    pub(super) fn add(&mut self, publication: Publication, wait: Duration, now: Now) {
        let Some(call) = RetriedCall::new(publication, wait, now) else { return };
        let index = self.calls.partition_point(|waiting| waiting.number < call.number);
        // Not before the CALL that is being tried.
        self.calls.insert(index.max(usize::from(self.trying)), call);
    }

    /// Handles a publication that had no subscriber. Returns it if its CALL has waited long enough, and as `Err` if it
    /// was not the current attempt.
    #[expect(clippy::result_large_err, reason = "returns the argument, which is not an error")]
    pub(super) fn handle_no_subscriber(
        &mut self,
        publication: Publication,
        now: Now,
    ) -> Result<Option<Publication>, Publication> {
        let number = publication.tracking.as_ref().map(|tracking| tracking.number);
        let Some(first) = self.calls.front_mut().filter(|first| self.trying && Some(first.number) == number) else {
            return Err(publication);
        };
        self.trying = false;
        if first.give_up <= now.broker {
            self.calls.pop_front();
            // The next CALL starts with the shortest pause, and is tried at once.
            (self.pause, self.next_attempt) = (FIRST_PAUSE, now.wall);
            return Ok(Some(publication));
        }
        first.publication = Some(publication);
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        self.schedule(now);
        Ok(None)
    }

    /// Whether the CALL of this number is being tried.
    pub(super) fn is_tried(&self, number: u32) -> bool {
        self.trying && self.calls.front().is_some_and(|first| first.number == number)
    }

    /// The publication to attempt now, if any. Expired CALLs are dropped first.
    pub(super) fn next(&mut self, now: Now) -> Option<Publication> {
        if self.trying && self.calls.front().is_some_and(|first| first.expires <= now.broker) {
            // The outcome of an expired attempt does not matter: try the next CALL.
            (self.trying, self.next_attempt) = (false, now.wall);
        }
        let trying = usize::from(self.trying);
        let mut count = 0;
        self.calls.retain(|call| {
            count += 1;
            count <= trying || call.expires > now.broker
        });
        if self.trying || self.next_attempt > now.wall {
            return None;
        }
        let mut publication = self.calls.front_mut()?.publication.take()?;
        publication.tracking.iter_mut().for_each(|tracking| tracking.confirm = true);
        self.trying = true;
        Some(publication)
    }

    /// All waiting publications, in order.
    pub(super) fn into_publications(self) -> impl Iterator<Item = Publication> {
        let publications = self.calls.into_iter().filter_map(|call| call.publication);
        publications.map(|mut publication| {
            publication.tracking.iter_mut().for_each(|tracking| tracking.confirm = false);
            publication
        })
    }

    /// Schedules the next attempt. The last one is made at the time of giving up.
    fn schedule(&mut self, now: Now) {
        let left = self.calls.front().map(|first| first.give_up.saturating_duration_since(now.broker));
        self.next_attempt = now.wall + left.map_or(self.pause, |left| left.min(self.pause));
    }
}

impl RetriedCall {
    /// `None`: the publication is not tracked or does not expire, so no CALL waits for it.
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

    struct IgnoringObserver;

    impl Observer for IgnoringObserver {
        fn no_subscriber(&self, _: Publication) {}
        fn delivered(&self, _: u32) {}
        fn evicted(&self, _: u32) {}
    }

    fn at(start: Instant, milliseconds: u64) -> Now {
        let now = start + Duration::from_millis(milliseconds);
        Now { wall: now, broker: now }
    }

    fn call(number: u32, start: Instant) -> Publication {
        let tracking = Some(Tracking { observer: Arc::new(IgnoringObserver), number, confirm: false });
        Publication { expires: Some(start + TIMEOUT), tracking, ..Publication::new("t", "x", "CALL") }
    }

    fn number(publication: &Publication) -> (u32, bool) {
        let tracking = publication.tracking.as_ref().expect("tracked");
        (tracking.number, tracking.confirm)
    }

    fn retries(start: Instant) -> CallRetries {
        CallRetries::new(call(1, start), WAIT, at(start, 0)).expect("tracked")
    }

    #[test]
    fn first_call_is_retried_with_growing_pauses_until_it_is_given_up() {
        let start = Instant::now();
        let mut retries = retries(start);
        let mut attempts = Vec::new();
        loop {
            let next = retries.next_attempt().expect("an attempt is scheduled");
            let now = Now { wall: next, broker: next };
            let attempt = retries.next(now).expect("the attempt is due");
            assert_eq!(number(&attempt), (1, true));
            assert!(retries.next(now).is_none() && retries.next_attempt().is_none(), "one attempt at a time");
            attempts.push(next.duration_since(start).as_millis());
            if retries.handle_no_subscriber(attempt, now).expect("an attempt").is_some() {
                break;
            }
        }
        assert_eq!(attempts, [250, 750, 1750, 2000]);
        assert!(retries.is_empty());
    }

    #[test]
    fn other_calls_keep_their_order_behind_the_first() {
        let start = Instant::now();
        let mut retries = retries(start);
        retries.add(call(3, start), WAIT, at(start, 1));
        retries.add(call(2, start), WAIT, at(start, 2));
        let attempt = retries.next(at(start, 250)).expect("the attempt is due");
        // A CALL that was sent before, and whose outcome is late.
        retries.add(call(0, start), WAIT, at(start, 260));
        assert!(!retries.is_tried(2) && retries.is_tried(1));
        drop(attempt);
        let rest: Vec<_> = retries.into_publications().map(|publication| number(&publication)).collect();
        assert_eq!(rest, [(0, false), (2, false), (3, false)]);
    }

    #[test]
    fn publication_that_is_not_the_current_attempt_is_returned() {
        let start = Instant::now();
        let mut retries = retries(start);
        assert!(retries.handle_no_subscriber(call(1, start), at(start, 1)).is_err(), "nothing is being tried");
        retries.next(at(start, 250)).expect("the attempt is due");
        assert!(retries.handle_no_subscriber(call(2, start), at(start, 251)).is_err());
    }

    #[test]
    fn each_call_is_tried_before_it_is_given_up() {
        let start = Instant::now();
        let mut retries = retries(start);
        retries.add(call(2, start), WAIT, at(start, 10));
        let first = retries.next(at(start, 2500)).expect("the attempt is due");
        assert!(retries.handle_no_subscriber(first, at(start, 2500)).expect("an attempt").is_some());
        assert_eq!(number(&retries.next(at(start, 2500)).expect("tried at once")), (2, true));
    }

    #[test]
    fn no_call_is_given_up_while_the_broker_is_away() {
        let start = Instant::now();
        let mut retries = retries(start);
        let attempt = retries.next(at(start, 250)).expect("the attempt is due");
        // The broker was away for a minute.
        let back = Now { wall: start + Duration::from_secs(60), broker: start + Duration::from_millis(300) };
        assert!(retries.handle_no_subscriber(attempt, back).expect("an attempt").is_none());
        assert_eq!(retries.next_attempt(), Some(back.wall + 2 * FIRST_PAUSE));
    }

    #[test]
    fn next_call_is_tried_when_the_first_expires() {
        let start = Instant::now();
        let mut retries = retries(start);
        retries.add(call(2, start), WAIT, at(start, 10));
        retries.add(call(3, start + WAIT), WAIT, at(start, 2000));
        // The attempt is lost before it reaches the broker.
        retries.next(at(start, 250)).expect("the attempt is due");
        let later = Now { wall: start + TIMEOUT, broker: start + TIMEOUT };
        assert_eq!(number(&retries.next(later).expect("the next one")), (3, true));
        retries.next(Now { wall: later.wall + WAIT, broker: later.broker + WAIT });
        assert!(retries.is_empty());
    }
}
