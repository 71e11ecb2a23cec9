//! Publications of one charge point that wait for the publisher.

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

/// How long a closed connection waits until the publisher has room for its last messages. Longer than it takes to
/// detect that the broker does not respond, after which there is room again.
const FINISH_TIMEOUT: Duration = Duration::from_secs(60);

/// Publications that may wait before reading stops.
const CAPACITY: usize = 16;

/// Publications wait until the previous connection of the charge point has published its last message, and until the
/// charge point's topics are subscribed to, as an answer that comes earlier would have no recipient. After that the
/// outbox is empty unless the publisher's queue is full.
pub(super) struct Outbox {
    publisher: Publisher,
    /// Charged for each publication until the broker has it.
    memory: Arc<MemoryAccount>,
    /// The previous connection, until the publisher has its last message.
    predecessor: Option<Mailbox>,
    /// Publications wait until this is done.
    subscribing: Option<BoxFuture<'static, Result<(), NotSubscribed>>>,
    subscribed: bool,
    waiting: VecDeque<Publication>,
    /// The first waiting publication, while it waits for room in the publisher's queue. Boxed, as it is rarely present.
    publishing: Option<Box<Publishing>>,
    /// When the oldest text arrived whose publications still wait.
    waiting_since: Option<Instant>,
    /// CALLs whose topics have no subscriber. New CALLs wait behind them.
    retries: Option<Box<CallRetries>>,
}

struct Publishing {
    done: BoxFuture<'static, ()>,
    /// See [`Publication::kind`].
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
            publishing: None,
            waiting_since: None,
            retries: None,
        }
    }

    /// The account that publications are charged to.
    pub(super) fn memory(&self) -> &Arc<MemoryAccount> {
        &self.memory
    }

    /// Whether the charge point's topics are subscribed to.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscribed
    }

    /// Ready when the disconnect of the previous connection is announced; at once without a previous connection.
    pub(super) fn poll_predecessor(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.predecessor.as_ref().map_or(Poll::Ready(()), |mailbox| mailbox.poll_departure(cx, Departure::Announced))
    }

    /// Whether so many publications wait that reading has to stop.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= CAPACITY
    }

    /// Publishes now, or queues. The error: MQTT cannot carry this publication.
    pub(super) fn push(&mut self, mut publication: Publication) -> Result<(), Unpublishable> {
        publication.charge(&self.memory);
        let must_wait = self.predecessor.is_some() || self.subscribing.is_some();
        if must_wait || self.publishing.is_some() || !self.waiting.is_empty() {
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
                self.publisher.count_loss(Loss::Abandoned, publication.kind);
                Ok(())
            }
        }
    }

    /// Like [`push`](Self::push), but a CALL waits behind earlier CALLs without a subscriber.
    pub(super) fn push_call(
        &mut self,
        mut publication: Publication,
        wait: Duration,
        now: Now,
    ) -> Result<(), Unpublishable> {
        publication.charge(&self.memory);
        match &mut self.retries {
            Some(retries) if publication.tracking.is_some() => {
                retries.add(publication, wait, now);
                Ok(())
            }
            _ => self.push(publication),
        }
    }

    /// Handles the publication of a CALL whose topic has no subscriber. Returns it if it has waited for `wait`, and is
    /// not published again.
    pub(super) fn handle_no_subscriber(
        &mut self,
        publication: Publication,
        wait: Duration,
        now: Now,
    ) -> Option<Publication> {
        let attempt = match &mut self.retries {
            Some(retries) => retries.handle_no_subscriber(publication, now),
            None => Err(publication),
        };
        let publication = match attempt {
            Ok(given_up) => {
                self.retries.take_if(|retries| retries.is_empty());
                return given_up;
            }
            Err(publication) => publication,
        };
        if wait.is_zero() {
            return Some(publication);
        }
        match &mut self.retries {
            Some(retries) => retries.add(publication, wait, now),
            None => self.retries = CallRetries::new(publication, wait, now).map(Box::new),
        }
        None
    }

    /// The topic of the CALL of this number has a subscriber: publishes the CALLs behind it.
    pub(super) fn delivered(&mut self, number: u32) {
        if let Some(retries) = self.retries.take_if(|retries| retries.is_tried(number)) {
            self.publish_all(retries.into_publications());
        }
    }

    /// When [`retry`](Self::retry) is due.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        self.retries.as_ref()?.next_attempt()
    }

    /// Publishes the CALL that is due for a retry.
    pub(super) fn retry(&mut self, now: Now) {
        let attempt = self.retries.as_mut().and_then(|retries| retries.next(now));
        self.retries.take_if(|retries| retries.is_empty());
        self.publish_all(attempt);
    }

    fn publish_all(&mut self, publications: impl IntoIterator<Item = Publication>) {
        for publication in publications {
            // MQTT could carry it before, so it can now.
            let _ = self.push(publication);
        }
    }

    /// Drops CALLs that the publisher does not have yet, because the charge point will send them again.
    pub(super) fn withdraw(&mut self) {
        self.drop_if(Loss::Withdrawn, |publication| publication.expires.is_some());
        self.drop_retries(Loss::Withdrawn);
    }

    fn drop_retries(&mut self, loss: Loss) {
        let retries = self.retries.take().into_iter().flat_map(|retries| retries.into_publications());
        retries.for_each(|publication| self.publisher.count_loss(loss, publication.kind));
    }

    /// Called after the publications of a text that arrived at `since` were pushed. Returns whether the publisher has
    /// all of them; if not, starts to measure their delay.
    pub(super) fn finish_push(&mut self, since: Instant) -> bool {
        let is_published = self.publishing.is_none() && self.waiting.is_empty();
        if !is_published {
            self.waiting_since.get_or_insert(since);
        }
        is_published
    }

    /// How long waiting publications were delayed, once none waits any more.
    pub(super) fn take_delay(&mut self) -> Option<Duration> {
        let empty = self.publishing.is_none() && self.waiting.is_empty();
        self.waiting_since.take_if(|_| empty).map(|since| since.elapsed())
    }

    /// Ready when there is room for the publications of one more message.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NotSubscribed>> {
        if let Poll::Ready(empty) = self.poll_empty(cx) {
            return Poll::Ready(empty);
        }
        if self.is_full() {
            self.expire();
        }
        if self.is_full() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Drops expired CALLs: the charge point has their CALLERRORs already.
    fn expire(&mut self) {
        let now = self.publisher.availability().broker_time(Instant::now());
        self.drop_if(Loss::Expired, |publication| publication.expires.is_some_and(|expires| expires <= now));
    }

    fn drop_if(&mut self, loss: Loss, lost: impl Fn(&Publication) -> bool) {
        let publisher = &self.publisher;
        self.waiting.retain(|publication| {
            let lost = lost(publication);
            if lost {
                publisher.count_loss(loss, publication.kind);
            }
            !lost
        });
    }

    /// Ready when no publication waits.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NotSubscribed>> {
        if let Some(subscribing) = &mut self.subscribing {
            let answer = ready!(subscribing.poll_unpin(cx));
            self.subscribing = None;
            answer?;
            self.subscribed = true;
        }
        if let Some(predecessor) = &self.predecessor {
            ready!(predecessor.poll_departure(cx, Departure::Complete));
            self.predecessor = None;
        }
        loop {
            if let Some(publishing) = &mut self.publishing {
                ready!(publishing.done.poll_unpin(cx));
                self.publishing = None;
            }
            match self.waiting.pop_front() {
                Some(publication) => {
                    let kind = publication.kind;
                    let done = publish(self.publisher.clone(), publication).boxed();
                    self.publishing = Some(Box::new(Publishing { done, kind }));
                }
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Publishes what is left; the broker may be away. Does not wait for the subscription, as the charge point is gone.
    pub(super) async fn finish(&mut self, charge_point: &Identity) {
        self.subscribing = None;
        self.drop_retries(Loss::Abandoned);
        if tokio::time::timeout(FINISH_TIMEOUT, std::future::poll_fn(|cx| self.poll_empty(cx))).await.is_err() {
            let publishing = self.publishing.take().map(|publishing| publishing.kind);
            let waiting = self.waiting.drain(..).map(|publication| publication.kind);
            let mut count = 0;
            publishing.into_iter().chain(waiting).for_each(|kind| {
                self.publisher.count_loss(Loss::Abandoned, kind);
                count += 1;
            });
            warn!(%charge_point, "{count} last messages are lost: the publisher has no room");
        }
    }
}
