//! What waits to go from one charge point to the broker.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ocpp_gateway_mqtt::{Loss, Publication, PublishError, Publisher, SubscribeError, Unpublishable};
use ocpp_gateway_pipeline::Failure;
use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tracing::warn;

/// How long a connection that is over waits for room for its last messages: longer than it takes to find out that a broker
/// does not answer any more, after which there is room again.
const LAST_CALL: Duration = Duration::from_secs(60);

/// So many may wait before nothing more is taken in.
const ROOM: usize = 16;

/// Nothing leaves it before the charge point's own topics are subscribed to: an answer could come before there is
/// anybody to take it. After that it is empty unless the publisher is short of room.
pub(super) struct Outbox {
    publisher: Publisher,
    /// Nothing leaves before this is over.
    subscribing: Option<BoxFuture<'static, Result<(), NotSubscribed>>>,
    subscribed: bool,
    waiting: VecDeque<Publication>,
    /// The first of those that waited, on its way into the publisher's queue, and what kind of message it is.
    leaving: Option<(BoxFuture<'static, ()>, &'static str)>,
    /// Since when the messages of one text have been waiting.
    waiting_since: Option<Instant>,
}

/// Why a charge point's topics could not be subscribed to.
#[derive(Debug, thiserror::Error)]
pub enum NotSubscribed {
    #[error("the mapping does not name its topics: {0}")]
    Mapping(Failure),
    #[error("no subscription: {0}")]
    Broker(SubscribeError),
}

impl Outbox {
    pub(super) fn new(publisher: Publisher, subscribing: BoxFuture<'static, Result<(), NotSubscribed>>) -> Self {
        Outbox {
            publisher,
            subscribing: Some(subscribing),
            subscribed: false,
            waiting: VecDeque::new(),
            leaving: None,
            waiting_since: None,
        }
    }

    /// Whether the charge point's topics are subscribed to.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscribed
    }

    /// Whether so much waits that nothing more is taken in.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= ROOM
    }

    /// Publishes now or as soon as may be. An error: MQTT cannot carry this at all.
    pub(super) fn push(&mut self, publication: Publication) -> Result<(), Unpublishable> {
        if self.subscribing.is_some() || self.leaving.is_some() || !self.waiting.is_empty() {
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

    /// The messages of a text that came at this time have been pushed. Answers how long they took to the publisher, unless
    /// they still wait.
    pub(super) fn passed(&mut self, since: Instant) -> Option<Duration> {
        if self.leaving.is_none() && self.waiting.is_empty() {
            return Some(since.elapsed());
        }
        self.waiting_since.get_or_insert(since);
        None
    }

    /// The same for those that had to wait, once nothing waits any more.
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
        let (now, publisher) = (Instant::now(), &self.publisher);
        self.waiting.retain(|publication| {
            let expired = publication.expires.is_some_and(|expires| expires <= now);
            if expired {
                publisher.lose(Loss::Expired, publication.kind);
            }
            !expired
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
        loop {
            if let Some((leaving, _)) = &mut self.leaving {
                ready!(leaving.poll_unpin(cx));
                self.leaving = None;
            }
            match self.waiting.pop_front() {
                Some(publication) => {
                    let kind = publication.kind;
                    self.leaving = Some((publish(self.publisher.clone(), publication).boxed(), kind));
                }
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Hands over what is left, to a broker that may be away. The charge point is gone, so it need not be subscribed to.
    pub(super) async fn finish(&mut self) {
        self.subscribing = None;
        if tokio::time::timeout(LAST_CALL, std::future::poll_fn(|cx| self.poll_empty(cx))).await.is_err() {
            let leaving = self.leaving.take().map(|(_, kind)| kind);
            let waiting = self.waiting.drain(..).map(|publication| publication.kind);
            let mut count = 0;
            leaving.into_iter().chain(waiting).for_each(|kind| {
                self.publisher.lose(Loss::Abandoned, kind);
                count += 1;
            });
            warn!("{count} last messages of a charge point are lost: the broker takes no more");
        }
    }
}

async fn publish(publisher: Publisher, publication: Publication) {
    match publisher.reserve().await {
        // The publisher counts and logs what it refuses.
        Ok(permit) => drop(permit.send(publication)),
        // The process is about to end.
        Err(_) => publisher.lose(Loss::Abandoned, publication.kind),
    }
}
