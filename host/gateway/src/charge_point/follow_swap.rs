//! Hot swaps of one charge point: it subscribes to the topics of the newer generation, switches to it when the broker
//! has confirmed them, and unsubscribes from the old topics when no CALL that began under them is open any more.

use super::connection::{ChargePoint, owner};
use super::context::Context;
use super::generations::{Filters, RequestOutcome, Subscribed};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ocpp_gateway_core::{Frame, MessageType, Peer};
use ocpp_gateway_mqtt::{Message, SubscribeError};
use ocpp_gateway_pipeline::{DownlinkOutcome, Generation, Tracing};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, warn};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// Switches to a newer generation if there is one and it has the same topics; otherwise starts to subscribe to its
    /// topics. Called before a message is mapped.
    pub(super) fn follow_swaps(&mut self) {
        if self.newest_generation() != self.generations.newest_seen() {
            self.begin_swap();
        }
    }

    /// The number of the generation of the latest hot swap.
    pub(super) fn newest_generation(&self) -> u64 {
        self.context.router.pipeline.newest_number()
    }

    /// Makes progress with hot swaps. Returns whether anything changed.
    pub(super) fn poll_swap(&mut self, cx: &mut task::Context<'_>) -> bool {
        let seen = self.generations.newest_seen();
        self.follow_swaps();
        let changed = seen != self.generations.newest_seen();
        // Usually no swap is in progress.
        !self.generations.is_settled() && self.poll_change(cx) || changed
    }

    #[cold]
    fn poll_change(&mut self, cx: &mut task::Context<'_>) -> bool {
        let now = Instant::now();
        let behind = self.context.router.publisher.availability().time_away(now);
        match self.generations.poll_request(cx, now, behind) {
            Poll::Pending => return false,
            Poll::Ready(Some(outcome)) => {
                self.handle_request_outcome(outcome);
                return true;
            }
            Poll::Ready(None) => {}
        }
        // Queued outputs of the session may belong to CALLs of older generations.
        if self.session.has_output() {
            return false;
        }
        if self.mailbox.is_empty() {
            self.generations.forget_retired();
        }
        let (session, context, peer) = (&self.session, &self.context, &self.peer);
        self.generations.retire(|number| session.has_open_calls_of(number), |topics| replace(context, peer, topics))
    }

    /// Reads a message again with older generations. An answer belongs to the generation of its CALL, whose transforms
    /// may have changed the message id; that is known only after reading. So if `reader` makes of the message neither a
    /// CALL nor an answer to an open CALL of its own, the generations of other open CALLs read it too.
    pub(super) fn read_with_older<'s>(
        &'s self,
        reader: &Generation,
        read: &DownlinkOutcome,
        message: &Message,
        tracing: Tracing,
    ) -> Option<(&'s Generation, DownlinkOutcome)> {
        if self.generations.is_settled() {
            return None;
        }
        let session = &self.session;
        let is_answer = |kind| matches!(kind, MessageType::CallResult | MessageType::CallError);
        let answers_its_own = |generation: &Generation, read: &DownlinkOutcome| {
            let answers = |frame: &Frame<'_>| is_answer(frame.kind) && session.is_open(&frame.id, generation.number());
            read.frames.iter().any(answers)
        };
        if read.frames.iter().any(|frame| !is_answer(frame.kind)) || answers_its_own(reader, read) {
            return None;
        }
        let others = self.generations.others_on(&message.topic);
        let waiting =
            |other: &&Generation| other.number() != reader.number() && session.has_open_calls_of(other.number());
        others.filter(waiting).find_map(|other| {
            let read = self.context.router.read(other, &self.peer, message, session.unanswered_calls(), tracing);
            answers_its_own(other, &read).then_some((other, read))
        })
    }

    #[cold]
    fn begin_swap(&mut self) {
        let ChargePoint { context, peer, generations, session, .. } = self;
        let (router, newest) = (&context.router, context.router.pipeline.newest_for(&peer.identity));
        let same = newest.has_mapping_of(generations.current());
        // The gateway stops, or a request is pending: checked again after it.
        if self.stop_by.is_some() || !same && generations.is_waiting() {
            return;
        }
        let wanted = match same {
            true => None,
            false => match router.subscriptions(&newest, peer) {
                Ok(filters) => Some(filters),
                Err(failure) => {
                    warn!(charge_point = %peer.identity, "keeps the previous mapping: {failure}");
                    return generations.decline(&newest);
                }
            },
        };
        let held = || match generations.filters() {
            Some(held) => held.clone(),
            // A failure is logged already. The old topics stay until the new ones are confirmed.
            None => router.subscriptions(generations.current(), peer).unwrap_or_default(),
        };
        let changed = wanted.map(|wanted| (wanted, held())).filter(|(wanted, held)| wanted != held);
        match changed {
            None => {
                let open = session.has_open_calls_of(generations.current().number());
                // Without room, waits until CALLs of earlier generations end: open CALLs need their generations.
                if !open || generations.has_room() {
                    generations.replace_current(newest, open);
                    session.set_generation(generations.current().number());
                }
            }
            Some((wanted, held)) if self.outbox.is_subscribed() && generations.has_room() => {
                generations.switch_to(newest, wanted, held, |topics| replace(context, peer, topics));
            }
            // Waits until the first topics are confirmed, or CALLs of earlier generations end.
            Some(_) => {}
        }
    }

    fn handle_request_outcome(&mut self, outcome: RequestOutcome) {
        let (charge_point, generation) = (&self.peer.identity, self.generations.current().number());
        match outcome {
            RequestOutcome::Switched => {
                debug!(%charge_point, generation, "subscribed to the topics of the new mapping");
                self.session.set_generation(generation);
            }
            // The gateway is stopping.
            RequestOutcome::Declined(SubscribeError::Stopped) => {}
            RequestOutcome::Declined(error) => warn!(%charge_point, "keeps the previous mapping: {error}"),
            RequestOutcome::Unsubscribed => {
                debug!(%charge_point, generation, "unsubscribed from the topics of an earlier mapping");
            }
        }
    }
}

/// Subscribes to these topics beside the held ones; when that is confirmed, unsubscribes from all others.
fn replace(context: &Arc<Context>, peer: &Peer, topics: Filters) -> BoxFuture<'static, Subscribed> {
    let (context, owner) = (Arc::clone(context), owner(peer));
    async move { context.subscriber.replace(owner, topics).await }.boxed()
}
