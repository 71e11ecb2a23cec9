//! The generations of transforms that one charge point uses: usually one, and several for a while after a hot swap.
//!
//! New messages use the newest generation as soon as the broker has confirmed its topics. An open CALL ends in the
//! generation in which it began, because the back end expects the answer on the topics that it used for the CALL.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ocpp_gateway_mqtt::{QoS, SubscribeError, topic_matches};
use ocpp_gateway_pipeline::{Generation, Membership};
use std::collections::BTreeMap;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Generations that a charge point may use beside the current one. While it uses as many, a hot swap to other topics
/// waits until their CALLs end, which they do at the latest by their timeouts.
const MAX_OLDER: usize = 8;

/// Old topics are kept at least this long after a swap, because a back end may still have published to them. If the
/// broker is away meanwhile, the time starts again, as the broker may still hold such messages.
const LINGER: Duration = Duration::from_secs(2);

/// Topic filters, sorted.
pub(super) type Filters = Vec<(String, QoS)>;

/// The result of a request to the broker.
pub(super) type Subscribed = Result<(), SubscribeError>;

pub(super) struct Generations {
    /// Maps new messages of the charge point.
    current: Generation,
    /// Counts the charge point among those of the current generation.
    membership: Membership,
    /// `None` while only the current generation is in use.
    change: Option<Box<PendingSwap>>,
}

/// The state of a hot swap that is not finished.
#[derive(Default)]
struct PendingSwap {
    /// The topics of the current generation. `None`: not needed yet.
    filters: Option<Filters>,
    /// The pending request to the broker.
    request: Option<Request>,
    /// Replaced generations, the latest last.
    older: Vec<Older>,
    /// Number of the newest generation that this charge point declined.
    declined: u64,
}

struct Request {
    answer: BoxFuture<'static, Subscribed>,
    /// The generation whose topics are being subscribed to. `None`: only unsubscribes.
    target: Option<(Generation, Filters)>,
}

struct Older {
    generation: Generation,
    filters: Filters,
    linger: Option<Linger>,
    /// It is not needed any more; its topics are being unsubscribed from, or were already.
    is_retired: bool,
}

/// Keeps topics, even without open CALLs.
struct Linger {
    until: Instant,
    /// How long the broker had been away in total when this began.
    behind: Duration,
}

/// The outcome of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RequestOutcome {
    /// The newer generation is in use.
    Switched,
    /// The newer generation is declined: the broker refused its topics.
    Declined(SubscribeError),
    /// Old topics are unsubscribed from.
    Unsubscribed,
}

impl Generations {
    pub(super) fn new(current: Generation) -> Self {
        Generations { membership: current.join(), current, change: None }
    }

    /// The generation that maps new messages of the charge point.
    pub(super) fn current(&self) -> &Generation {
        &self.current
    }

    /// The generation of this number, or the current one if that one is not in use any more.
    pub(super) fn of(&self, number: u64) -> &Generation {
        let used = || self.change.as_deref().into_iter().flat_map(PendingSwap::others);
        match number == self.current.number() {
            true => &self.current,
            false => used().find(|(other, _)| other.number() == number).map_or(&self.current, |(other, _)| other),
        }
    }

    /// The generation that reads a message on this topic: the current one if it has the topic. And whether the broker
    /// may deliver the message several times, because several subscriptions match.
    pub(super) fn reader(&self, topic: &str) -> (&Generation, bool) {
        let Some(change) = self.change.as_deref() else { return (&self.current, false) };
        let own = change.filters.as_ref().map(|filters| (&self.current, filters));
        let mut reader = None;
        let mut matching: Vec<&str> = Vec::new();
        for (generation, filters) in own.into_iter().chain(change.others()) {
            let found = filters.iter().map(|(filter, _)| filter.as_str()).filter(|filter| topic_matches(topic, filter));
            let known = matching.len();
            matching.extend(found);
            if matching.len() > known {
                reader.get_or_insert(generation);
            }
        }
        matching.sort_unstable();
        matching.dedup();
        (reader.unwrap_or(&self.current), matching.len() > 1)
    }

    /// Replaced generations that a message on this topic may be for, the newest first. A generation that was replaced
    /// by one with the same topics has no filters of its own.
    pub(super) fn others_on(&self, topic: &str) -> impl Iterator<Item = &Generation> {
        let older = self.change.as_deref().into_iter().flat_map(|change| change.older.iter().rev());
        let matching = move |older: &&Older| {
            !older.is_retired
                && (older.filters.is_empty() || older.filters.iter().any(|(filter, _)| topic_matches(topic, filter)))
        };
        older.filter(matching).map(|older| &older.generation)
    }

    /// The number of the newest generation that this charge point uses, subscribes to or declined.
    pub(super) fn newest_seen(&self) -> u64 {
        let Some(change) = self.change.as_deref() else { return self.current.number() };
        let target = change.request.as_ref().and_then(|request| request.target.as_ref());
        let target = target.map_or(0, |(generation, _)| generation.number());
        self.current.number().max(change.declined).max(target)
    }

    /// Whether the current generation is all there is.
    pub(super) fn is_settled(&self) -> bool {
        self.change.is_none()
    }

    /// Whether a request to the broker is pending.
    pub(super) fn is_waiting(&self) -> bool {
        self.change.as_deref().is_some_and(|change| change.request.is_some())
    }

    /// Whether one more generation may be used beside the current one.
    pub(super) fn has_room(&self) -> bool {
        let Some(change) = self.change.as_deref() else { return true };
        change.older.iter().filter(|older| !older.is_retired).count() + usize::from(self.is_waiting()) < MAX_OLDER
    }

    /// The topics of the current generation, if known.
    pub(super) fn filters(&self) -> Option<&Filters> {
        self.change.as_deref()?.filters.as_ref()
    }

    /// Declines `newer`: this charge point keeps its current generation.
    pub(super) fn decline(&mut self, newer: &Generation) {
        let declined = &mut self.change().declined;
        *declined = newer.number().max(*declined);
    }

    /// Replaces the current generation by `newer`, which has the same topics, at once. `open`: whether CALLs are open
    /// under the current one, which is then kept for their answers; the caller checks that there is room.
    pub(super) fn replace_current(&mut self, newer: Generation, open: bool) {
        let old = self.put_in_place(newer);
        if open {
            let older = Older { generation: old, filters: Filters::new(), linger: None, is_retired: false };
            self.change().older.push(older);
        }
    }

    /// Starts to subscribe to `filters`, the topics of `newer`, beside `held`, those of the current generation.
    /// `subscribe` makes the request for all topics.
    pub(super) fn switch_to(
        &mut self,
        newer: Generation,
        filters: Filters,
        held: Filters,
        subscribe: impl FnOnce(Filters) -> BoxFuture<'static, Subscribed>,
    ) {
        let change = self.change();
        let held = change.filters.insert(held);
        let used = change.older.iter().filter(|older| !older.is_retired).map(|older| &older.filters);
        let answer = subscribe(union([&*held, &filters].into_iter().chain(used)));
        change.request = Some(Request { answer, target: Some((newer, filters)) });
    }

    /// Ready with the outcome of the request; `None` without a request. `behind`: how long the broker was away in
    /// total.
    pub(super) fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        behind: Duration,
    ) -> Poll<Option<RequestOutcome>> {
        let Some(change) = self.change.as_deref_mut() else { return Poll::Ready(None) };
        let Some(request) = &mut change.request else { return Poll::Ready(None) };
        let answer = ready!(request.answer.poll_unpin(cx));
        let target = change.request.take().and_then(|request| request.target);
        Poll::Ready(Some(match (target, answer) {
            // An error is ignored: a failed unsubscribe only leaves unneeded topics.
            (None, _) => RequestOutcome::Unsubscribed,
            (Some((newer, _)), Err(error)) => {
                self.decline(&newer);
                RequestOutcome::Declined(error)
            }
            (Some((newer, filters)), Ok(())) => {
                let (generation, filters) = if newer.number() > self.current.number() {
                    let before = change.filters.replace(filters).unwrap_or_default();
                    self.membership = newer.join();
                    (std::mem::replace(&mut self.current, newer), before)
                } else {
                    // The current generation was replaced meanwhile by an even newer one with the same topics.
                    (newer, filters)
                };
                let linger = Some(Linger { until: now + LINGER, behind });
                change.older.push(Older { generation, filters, linger, is_retired: false });
                RequestOutcome::Switched
            }
        }))
    }

    /// Retires generations that are not needed any more. `is_open`: whether CALLs are open under the generation of this
    /// number. If topics are unneeded then, `replace` makes the request for those that stay. Returns whether any is
    /// retired.
    pub(super) fn retire(
        &mut self,
        is_open: impl Fn(u64) -> bool,
        replace: impl FnOnce(Filters) -> BoxFuture<'static, Subscribed>,
    ) -> bool {
        let Some(change) = self.change.as_deref_mut() else { return false };
        // Without room for one more generation, the oldest do not linger.
        let mut excess = (change.older.len() + 1).saturating_sub(MAX_OLDER);
        let mut any_retired = false;
        for older in change.older.iter_mut().filter(|older| !older.is_retired) {
            let lingers = older.linger.is_some() && excess == 0;
            if !lingers && !is_open(older.generation.number()) {
                older.is_retired = true;
                any_retired = true;
                excess = excess.saturating_sub(1);
            }
        }
        if any_retired {
            let used = change.older.iter().filter(|older| !older.is_retired).map(|older| &older.filters);
            let kept = union(change.filters.iter().chain(used));
            change.older.retain(|older| !older.is_retired || !covers(&kept, &older.filters));
            if change.older.iter().any(|older| older.is_retired) {
                change.request = Some(Request { answer: replace(kept), target: None });
            }
        }
        any_retired
    }

    /// Drops retired generations after the broker has answered. Called when no message on their topics is queued.
    pub(super) fn forget_retired(&mut self) {
        if let Some(change) = self.change.as_deref_mut()
            && change.request.is_none()
        {
            change.older.retain(|older| !older.is_retired);
            if change.older.is_empty() && change.declined <= self.current.number() {
                self.change = None;
            }
        }
    }

    /// When [`Generations::handle_timeout`] is due.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.change.as_deref()?.older.iter().filter_map(|older| older.linger.as_ref()).map(|linger| linger.until).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, behind: Duration) {
        for older in self.change.as_deref_mut().into_iter().flat_map(|change| &mut change.older) {
            let Some(linger) = older.linger.as_mut().filter(|linger| linger.until <= now) else { continue };
            if linger.behind == behind {
                older.linger = None;
            } else {
                *linger = Linger { until: now + LINGER, behind };
            }
        }
    }

    /// Returns the generation before.
    fn put_in_place(&mut self, newer: Generation) -> Generation {
        self.membership = newer.join();
        std::mem::replace(&mut self.current, newer)
    }

    fn change(&mut self) -> &mut PendingSwap {
        self.change.get_or_insert_default()
    }
}

impl PendingSwap {
    /// The generations in use beside the current one with their topics, the newest first.
    fn others(&self) -> impl Iterator<Item = (&Generation, &Filters)> {
        let target = self.request.as_ref().and_then(|request| request.target.as_ref());
        let older = self.older.iter().rev().map(|older| (&older.generation, &older.filters));
        target.map(|(generation, filters)| (generation, filters)).into_iter().chain(older)
    }
}

/// All of these topics, each once, with its highest QoS.
fn union<'a>(all: impl Iterator<Item = &'a Filters>) -> Filters {
    let mut union: BTreeMap<&str, QoS> = BTreeMap::new();
    for (filter, qos) in all.flatten() {
        let wanted = union.entry(filter).or_insert(*qos);
        *wanted = if *qos > *wanted { *qos } else { *wanted };
    }
    union.into_iter().map(|(filter, qos)| (filter.to_owned(), qos)).collect()
}

/// Whether all of `filters` are in `kept`.
fn covers(kept: &Filters, filters: &Filters) -> bool {
    filters.iter().all(|(filter, _)| kept.iter().any(|(other, _)| other == filter))
}

#[cfg(test)]
mod tests;
