//! What waits to go from one charge point to the broker.

use super::call_retries::{CallRetries, Now};
use super::delivery::Departure;
use super::disconnect_reason::NotSubscribed;
use super::mailbox::Mailbox;
use crate::routing::publish;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ocpp_gateway_core::Identity;
use ocpp_gateway_mqtt::{Loss, MemoryAccount, Publication, PublishError, Publisher, Unpublishable};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tracing::warn;

/// How long a connection that is over waits for room for its last messages: longer than it takes to find out that a broker
/// does not answer any more, after which there is room again.
const LAST_CALL: Duration = Duration::from_secs(60);

/// So many may wait before nothing more is taken in.
const ROOM: usize = 16;

/// Nothing leaves it before the last message of the charge point's connection before has left, and before the charge
/// point's own topics are subscribed to: an answer could come before there is anybody to take it. After that it is empty
/// unless the publisher is short of room.
pub(super) struct Outbox {
    publisher: Publisher,
    /// Charged for what is published, until the broker has it.
    memory: Arc<MemoryAccount>,
    /// The connection before, until its last message has left.
    predecessor: Option<Mailbox>,
    /// Nothing leaves before this is over.
    subscribing: Option<BoxFuture<'static, Result<(), NotSubscribed>>>,
    subscribed: bool,
    waiting: VecDeque<Publication>,
    /// The first of those that waited, on its way into the publisher's queue. In a box, as there is none nearly always.
    leaving: Option<Box<Leaving>>,
    /// Since when the messages of one text have been waiting.
    waiting_since: Option<Instant>,
    /// CALLs that nobody subscribes to. While there are any, new ones wait behind them.
    retries: Option<Box<CallRetries>>,
}

struct Leaving {
    published: BoxFuture<'static, ()>,
    /// What kind of message it is.
    kind: &'static str,
}

impl Outbox {
    pub(super) fn new(
        publisher: Publisher,
        memory: Arc<MemoryAccount>,
        predecessor: Option<Mailbox>,
        subscribing: BoxFuture<'static, Result<(), NotSubscribed>>,
    ) -> Self {
        Outbox {
            publisher,
            memory,
            predecessor,
            subscribing: Some(subscribing),
            subscribed: false,
            waiting: VecDeque::new(),
            leaving: None,
            waiting_since: None,
            retries: None,
        }
    }

    /// What is charged for its messages.
    pub(super) fn memory(&self) -> &Arc<MemoryAccount> {
        &self.memory
    }

    /// Whether the charge point's topics are subscribed to.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscribed
    }

    /// Ready when the end of the connection before has been announced, if there was one.
    pub(super) fn poll_predecessor(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.predecessor.as_ref().map_or(Poll::Ready(()), |before| before.poll_departure(cx, Departure::Announced))
    }

    /// Whether so much waits that nothing more is taken in.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= ROOM
    }

    /// Publishes now or as soon as may be. An error: MQTT cannot carry this at all.
    pub(super) fn push(&mut self, mut publication: Publication) -> Result<(), Unpublishable> {
        publication.charge(&self.memory);
        let must_wait = self.predecessor.is_some() || self.subscribing.is_some();
        if must_wait || self.leaving.is_some() || !self.waiting.is_empty() {
            self.waiting.push_back(publication);
            return Ok(());
        }
        match self.publisher.try_publish(publication) {
            Ok(()) => Ok(()),
            Err(PublishError::Full(publication)) => {
                self.waiting.push_back(publication);
                Ok(())
            }
            Err(PublishError::Unpublishable(error)) => Err(error),
            Err(PublishError::Stopped(publication)) => {
                self.publisher.lose(Loss::Abandoned, publication.kind);
                Ok(())
            }
        }
    }

    /// The same for what a text has become: if that is a CALL, not before an earlier one that nobody subscribes to.
    pub(super) fn push_call(
        &mut self,
        mut publication: Publication,
        wait: Duration,
        now: Now,
    ) -> Result<(), Unpublishable> {
        publication.charge(&self.memory);
        match &mut self.retries {
            Some(retries) if publication.tracking.is_some() => {
                retries.hold(publication, wait, now);
                Ok(())
            }
            _ => self.push(publication),
        }
    }

    /// Nobody subscribes to the topic of this CALL. It comes back if `wait` is over: then it is not published again.
    pub(super) fn came_back(&mut self, publication: Publication, wait: Duration, now: Now) -> Option<Publication> {
        let attempt = match &mut self.retries {
            Some(retries) => retries.came_back(publication, now),
            None => Err(publication),
        };
        let publication = match attempt {
            Ok(over) => {
                self.retries.take_if(|retries| retries.is_empty());
                return over;
            }
            Err(publication) => publication,
        };
        if wait.is_zero() {
            return Some(publication);
        }
        match &mut self.retries {
            Some(retries) => retries.hold(publication, wait, now),
            None => self.retries = CallRetries::new(publication, wait, now).map(Box::new),
        }
        None
    }

    /// Somebody subscribes to the topic of the CALL of this number: those behind it may go.
    pub(super) fn delivered(&mut self, number: u32) {
        if let Some(retries) = self.retries.take_if(|retries| retries.is_tried(number)) {
            self.publish_all(retries.into_publications());
        }
    }

    /// When [`retry`](Self::retry) wants to be called.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        self.retries.as_ref()?.next_attempt()
    }

    /// Publishes what is to be tried again.
    pub(super) fn retry(&mut self, now: Now) {
        let attempt = self.retries.as_mut().and_then(|retries| retries.next(now));
        self.retries.take_if(|retries| retries.is_empty());
        self.publish_all(attempt);
    }

    fn publish_all(&mut self, publications: impl IntoIterator<Item = Publication>) {
        for publication in publications {
            // MQTT could carry it before.
            let _ = self.push(publication);
        }
    }

    /// Takes back the CALLs that have not been handed over, because the charge point will send them again.
    pub(super) fn withdraw(&mut self) {
        self.lose(Loss::Withdrawn, |publication| publication.expires.is_some());
        self.drop_held(Loss::Withdrawn);
    }

    fn drop_held(&mut self, loss: Loss) {
        let retries = self.retries.take().into_iter().flat_map(|retries| retries.into_publications());
        retries.for_each(|publication| self.publisher.lose(loss, publication.kind));
    }

    /// The messages of a text that came at this time have been pushed. Answers whether they have reached the publisher;
    /// if not, they wait.
    pub(super) fn passed(&mut self, since: Instant) -> bool {
        let passed = self.leaving.is_none() && self.waiting.is_empty();
        if !passed {
            self.waiting_since.get_or_insert(since);
        }
        passed
    }

    /// How long those took to the publisher that had to wait, once nothing waits any more.
    pub(super) fn passed_late(&mut self) -> Option<Duration> {
        let empty = self.leaving.is_none() && self.waiting.is_empty();
        self.waiting_since.take_if(|_| empty).map(|since| since.elapsed())
    }

    /// Ready when there is room for what one more message leads to.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NotSubscribed>> {
        if let Poll::Ready(empty) = self.poll_empty(cx) {
            return Poll::Ready(empty);
        }
        if self.is_full() {
            self.expire();
        }
        if self.is_full() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// The charge point has been told that these failed.
    fn expire(&mut self) {
        let now = self.publisher.availability().broker_time(Instant::now());
        self.lose(Loss::Expired, |publication| publication.expires.is_some_and(|expires| expires <= now));
    }

    fn lose(&mut self, loss: Loss, lost: impl Fn(&Publication) -> bool) {
        let publisher = &self.publisher;
        self.waiting.retain(|publication| {
            let lost = lost(publication);
            if lost {
                publisher.lose(loss, publication.kind);
            }
            !lost
        });
    }

    /// Ready when nothing waits any more.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NotSubscribed>> {
        if let Some(subscribing) = &mut self.subscribing {
            let answer = ready!(subscribing.poll_unpin(cx));
            self.subscribing = None;
            answer?;
            self.subscribed = true;
        }
        if let Some(before) = &self.predecessor {
            ready!(before.poll_departure(cx, Departure::Complete));
            self.predecessor = None;
        }
        loop {
            if let Some(leaving) = &mut self.leaving {
                ready!(leaving.published.poll_unpin(cx));
                self.leaving = None;
            }
            match self.waiting.pop_front() {
                Some(publication) => {
                    let kind = publication.kind;
                    let published = publish(self.publisher.clone(), publication).boxed();
                    self.leaving = Some(Box::new(Leaving { published, kind }));
                }
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Hands over what is left, to a broker that may be away. The charge point is gone, so it need not be subscribed to.
    pub(super) async fn finish(&mut self, charge_point: &Identity) {
        self.subscribing = None;
        self.drop_held(Loss::Abandoned);
        if tokio::time::timeout(LAST_CALL, std::future::poll_fn(|cx| self.poll_empty(cx))).await.is_err() {
            let leaving = self.leaving.take().map(|leaving| leaving.kind);
            let waiting = self.waiting.drain(..).map(|publication| publication.kind);
            let mut count = 0;
            leaving.into_iter().chain(waiting).for_each(|kind| {
                self.publisher.lose(Loss::Abandoned, kind);
                count += 1;
            });
            warn!(%charge_point, "{count} last messages are lost: the broker takes no more");
        }
    }
}
