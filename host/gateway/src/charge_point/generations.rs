//! The generations of transforms that one charge point uses: nearly always one, and more for a while after a hot swap.
//!
//! What is new goes through the newest, as soon as the broker has confirmed its topics. What is open ends in the generation
//! in which it began: a back end waits for an answer on the topics that were in force when it called, and is heard there.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ocpp_gateway_mqtt::{QoS, SubscribeError, topic_matches};
use ocpp_gateway_pipeline::Generation;
use std::collections::BTreeMap;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// So many generations beside the current one a charge point may use. While there are as many, a hot swap to other topics
/// waits for the end of their CALLs: at the latest, these time out.
const MAX_OLDER: usize = 8;

/// Topics are kept at least for so long after others have taken their place: a message of a back end that has not heard of
/// the new ones may be on its way. If the broker is away meanwhile, this begins again: it still has such messages then.
const LINGER: Duration = Duration::from_secs(2);

/// Topic filters, sorted.
pub(super) type Filters = Vec<(String, QoS)>;

/// What the broker has answered.
pub(super) type Subscribed = Result<(), SubscribeError>;

pub(super) struct Generations {
    /// What new messages of the charge point are mapped with.
    current: Generation,
    /// Absent nearly always.
    change: Option<Box<PendingSwap>>,
}

/// While there is more to know than the current generation.
#[derive(Default)]
struct PendingSwap {
    /// The topics of the current generation. `None`: nobody has asked.
    filters: Option<Filters>,
    /// What the broker is being asked for.
    request: Option<Request>,
    /// Generations that others have taken the place of, the latest last.
    older: Vec<Older>,
    /// A newer generation that this charge point does without.
    declined: u64,
}

struct Request {
    answer: BoxFuture<'static, Subscribed>,
    /// The generation whose topics are being subscribed to. `None`: topics are being left.
    entering: Option<(Generation, Filters)>,
}

struct Older {
    generation: Generation,
    filters: Filters,
    linger: Option<Linger>,
    /// Its topics are being left, or have been.
    leaving: bool,
}

/// Topics are kept, whether CALLs are open or not.
struct Linger {
    until: Instant,
    /// How long the broker had been away in all when this began.
    behind: Duration,
}

/// What has come of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Concluded {
    /// The charge point may use the newer generation.
    Entered,
    /// It may not, for this reason.
    Declined(SubscribeError),
    /// Old topics are left.
    Left,
}

impl Generations {
    pub(super) fn new(current: Generation) -> Self {
        Generations { current, change: None }
    }

    /// What new messages of the charge point are mapped with.
    pub(super) fn current(&self) -> &Generation {
        &self.current
    }

    /// The generation of this number; the current one, if that is not in use any more.
    pub(super) fn of(&self, number: u64) -> &Generation {
        let used = || self.change.as_deref().into_iter().flat_map(PendingSwap::others);
        match number == self.current.number() {
            true => &self.current,
            false => used().find(|(other, _)| other.number() == number).map_or(&self.current, |(other, _)| other),
        }
    }

    /// The generation that reads a message on this topic: the current one, if it has the topic. And whether the broker may
    /// deliver the message more than once, as several subscriptions match.
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

    /// Other generations that a message on this topic may be for, the newest first. Those that kept their topics when they
    /// were taken over from have none of their own.
    pub(super) fn others_on(&self, topic: &str) -> impl Iterator<Item = &Generation> {
        let older = self.change.as_deref().into_iter().flat_map(|change| change.older.iter().rev());
        let matching = move |older: &&Older| {
            !older.leaving
                && (older.filters.is_empty() || older.filters.iter().any(|(filter, _)| topic_matches(topic, filter)))
        };
        older.filter(matching).map(|older| &older.generation)
    }

    /// The number of the newest generation that has been looked at.
    pub(super) fn seen(&self) -> u64 {
        let Some(change) = self.change.as_deref() else { return self.current.number() };
        let entering = change.request.as_ref().and_then(|request| request.entering.as_ref());
        let entering = entering.map_or(0, |(generation, _)| generation.number());
        self.current.number().max(change.declined).max(entering)
    }

    /// Whether the current generation is all there is.
    pub(super) fn is_settled(&self) -> bool {
        self.change.is_none()
    }

    /// Whether the broker is being asked for something.
    pub(super) fn is_waiting(&self) -> bool {
        self.change.as_deref().is_some_and(|change| change.request.is_some())
    }

    /// Whether one more generation may be used beside the current one.
    pub(super) fn has_room(&self) -> bool {
        let Some(change) = self.change.as_deref() else { return true };
        change.older.iter().filter(|older| !older.leaving).count() + usize::from(self.is_waiting()) < MAX_OLDER
    }

    /// The topics of the current generation, if they are known.
    pub(super) fn filters(&self) -> Option<&Filters> {
        self.change.as_deref()?.filters.as_ref()
    }

    /// This charge point does without `newer`.
    pub(super) fn decline(&mut self, newer: &Generation) {
        let declined = &mut self.change().declined;
        *declined = newer.number().max(*declined);
    }

    /// `newer`, which has the same topics, takes the place of the current generation at once. `open`: whether CALLs are open
    /// under the current one, so that it is needed for their answers, and there has to be
    /// room for one more.
    pub(super) fn take_over(&mut self, newer: Generation, open: bool) {
        let old = std::mem::replace(&mut self.current, newer);
        if open {
            let older = Older { generation: old, filters: Filters::new(), linger: None, leaving: false };
            self.change().older.push(older);
        }
    }

    /// From now on the topics of `newer`, `filters`, are being subscribed to, beside those that are `held`. `subscribe`
    /// makes the request for all of them.
    pub(super) fn enter(
        &mut self,
        newer: Generation,
        filters: Filters,
        held: Filters,
        subscribe: impl FnOnce(Filters) -> BoxFuture<'static, Subscribed>,
    ) {
        let change = self.change();
        let held = change.filters.insert(held);
        let used = change.older.iter().filter(|older| !older.leaving).map(|older| &older.filters);
        let answer = subscribe(union([&*held, &filters].into_iter().chain(used)));
        change.request = Some(Request { answer, entering: Some((newer, filters)) });
    }

    /// Ready when there is no request, or with what has come of it. `behind`: how long the broker has been away in all.
    pub(super) fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        behind: Duration,
    ) -> Poll<Option<Concluded>> {
        let Some(change) = self.change.as_deref_mut() else { return Poll::Ready(None) };
        let Some(request) = &mut change.request else { return Poll::Ready(None) };
        let answer = ready!(request.answer.poll_unpin(cx));
        let entering = change.request.take().and_then(|request| request.entering);
        Poll::Ready(Some(match (entering, answer) {
            // Topics that are wanted no more need not be left for good.
            (None, _) => Concluded::Left,
            (Some((newer, _)), Err(error)) => {
                self.decline(&newer);
                Concluded::Declined(error)
            }
            (Some((newer, filters)), Ok(())) => {
                let (generation, filters) = if newer.number() > self.current.number() {
                    let before = change.filters.replace(filters).unwrap_or_default();
                    (std::mem::replace(&mut self.current, newer), before)
                } else {
                    // The current one was taken over from meanwhile, by one with its topics.
                    (newer, filters)
                };
                let linger = Some(Linger { until: now + LINGER, behind });
                change.older.push(Older { generation, filters, linger, leaving: false });
                Concluded::Entered
            }
        }))
    }

    /// Gives up generations that are not needed any more: `is_open` tells whether CALLs are open under the one of this
    /// number. If topics are left by that, `replace` makes the request for those that stay. Answers whether any is given up.
    pub(super) fn retire(
        &mut self,
        is_open: impl Fn(u64) -> bool,
        replace: impl FnOnce(Filters) -> BoxFuture<'static, Subscribed>,
    ) -> bool {
        let Some(change) = self.change.as_deref_mut() else { return false };
        // Where there is no room for one more, the oldest do not linger.
        let mut crowd = (change.older.len() + 1).saturating_sub(MAX_OLDER);
        let mut given_up = false;
        for older in change.older.iter_mut().filter(|older| !older.leaving) {
            let lingers = older.linger.is_some() && crowd == 0;
            if !lingers && !is_open(older.generation.number()) {
                older.leaving = true;
                given_up = true;
                crowd = crowd.saturating_sub(1);
            }
        }
        if given_up {
            let used = change.older.iter().filter(|older| !older.leaving).map(|older| &older.filters);
            let kept = union(change.filters.iter().chain(used));
            change.older.retain(|older| !older.leaving || !covers(&kept, &older.filters));
            if change.older.iter().any(|older| older.leaving) {
                change.request = Some(Request { answer: replace(kept), entering: None });
            }
        }
        given_up
    }

    /// Forgets generations whose topics are left: nothing that came on them waits to be read.
    pub(super) fn forget_left(&mut self) {
        if let Some(change) = self.change.as_deref_mut()
            && change.request.is_none()
        {
            change.older.retain(|older| !older.leaving);
            if change.older.is_empty() && change.declined <= self.current.number() {
                self.change = None;
            }
        }
    }

    /// When [`Generations::handle_timeout`] wants to be called.
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

    fn change(&mut self) -> &mut PendingSwap {
        self.change.get_or_insert_default()
    }
}

impl PendingSwap {
    /// The generations in use beside the current one, the newest first, and their topics.
    fn others(&self) -> impl Iterator<Item = (&Generation, &Filters)> {
        let entering = self.request.as_ref().and_then(|request| request.entering.as_ref());
        let older = self.older.iter().rev().map(|older| (&older.generation, &older.filters));
        entering.map(|(generation, filters)| (generation, filters)).into_iter().chain(older)
    }
}

/// All of these topics, each once.
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
