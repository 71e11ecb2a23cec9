//! What waits to go from one charge point to the broker.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ocpp_gateway_mqtt::{Publication, PublishError, Publisher, SubscribeError, Unpublishable};
use ocpp_gateway_pipeline::Failure;
use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tracing::warn;

/// How long a connection that is over waits for room for its last messages.
const LAST_CALL: Duration = Duration::from_secs(10);

/// Nothing leaves it before the charge point's own topics are subscribed to: an answer could come before there is
/// anybody to take it. After that it is empty unless the publisher is short of room.
pub(super) struct Outbox {
    publisher: Publisher,
    subscribed: Option<BoxFuture<'static, Result<(), NotSubscribed>>>,
    waiting: VecDeque<Publication>,
    /// The first of those that waited, on its way into the publisher's queue.
    leaving: Option<BoxFuture<'static, ()>>,
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
    pub(super) fn new(publisher: Publisher, subscribed: BoxFuture<'static, Result<(), NotSubscribed>>) -> Self {
        Outbox { publisher, subscribed: Some(subscribed), waiting: VecDeque::new(), leaving: None, waiting_since: None }
    }

    /// Whether the charge point's topics are subscribed to.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscribed.is_none()
    }

    /// Publishes now or as soon as may be. An error: MQTT cannot carry this at all.
    pub(super) fn push(&mut self, publication: Publication) -> Result<(), Unpublishable> {
        if self.subscribed.is_some() || self.leaving.is_some() || !self.waiting.is_empty() {
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
                lost(&publication);
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
        self.waiting_since = Some(since);
        None
    }

    /// The same for those that had to wait, once nothing waits any more.
    pub(super) fn passed_late(&mut self) -> Option<Duration> {
        self.waiting_since.take().map(|since| since.elapsed())
    }

    /// Ready when nothing waits any more.
    pub(super) fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NotSubscribed>> {
        if let Some(subscribed) = &mut self.subscribed {
            let answer = ready!(subscribed.poll_unpin(cx));
            self.subscribed = None;
            answer?;
        }
        loop {
            if let Some(leaving) = &mut self.leaving {
                ready!(leaving.poll_unpin(cx));
                self.leaving = None;
            }
            match self.waiting.pop_front() {
                Some(publication) => self.leaving = Some(publish(self.publisher.clone(), publication).boxed()),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Hands over what is left, to a broker that may be away. The charge point is gone, so it need not be subscribed to.
    pub(super) async fn finish(&mut self) {
        self.subscribed = None;
        let emptied = tokio::time::timeout(LAST_CALL, std::future::poll_fn(|cx| self.poll_empty(cx))).await;
        if emptied.is_err() {
            warn!("{} last messages of a charge point are lost: the broker takes no more", self.waiting.len() + 1);
        }
    }
}

async fn publish(publisher: Publisher, publication: Publication) {
    match publisher.reserve().await {
        // The publisher counts and logs what it refuses.
        Ok(permit) => drop(permit.send(publication)),
        Err(_) => lost(&publication),
    }
}

/// The publisher has stopped: the process is about to end.
fn lost(publication: &Publication) {
    warn!(topic = %publication.topic, kind = publication.kind, "not published: the gateway stops");
}
