//! A charge point follows hot swaps: it subscribes to the topics of the newer generation, goes over to it when the broker
//! has confirmed them, and leaves the old topics when no CALL is open any more that began under them.

use super::connection::{ChargePoint, owner};
use super::context::Context;
use super::generations::{Concluded, Filters, Subscribed};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ocpp_gateway_core::{Frame, MessageType, Peer};
use ocpp_gateway_mqtt::{Message, SubscribeError};
use ocpp_gateway_pipeline::{DownlinkOutcome, Generation};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, warn};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// Goes over to a newer generation, if there is one and it has the same topics; or begins to. To be called before a
    /// message is mapped.
    pub(super) fn follow_swaps(&mut self) {
        if self.newest_generation() != self.generations.seen() {
            self.begin_swap();
        }
    }

    /// The number of the generation that the latest hot swap has put in place.
    pub(super) fn newest_generation(&self) -> u64 {
        self.context.router.pipeline.newest_number()
    }

    /// Does what can be done now about hot swaps. Answers whether something has changed by that.
    pub(super) fn poll_swap(&mut self, cx: &mut task::Context<'_>) -> bool {
        let seen = self.generations.seen();
        self.follow_swaps();
        let changed = seen != self.generations.seen();
        // Either nothing is under way, which is nearly always so, or it may go on.
        !self.generations.is_settled() && self.poll_change(cx) || changed
    }

    #[cold]
    fn poll_change(&mut self, cx: &mut task::Context<'_>) -> bool {
        let now = Instant::now();
        let behind = self.context.router.publisher.availability().behind(now);
        match self.generations.poll_request(cx, now, behind) {
            Poll::Pending => return false,
            Poll::Ready(Some(concluded)) => {
                self.conclude(concluded);
                return true;
            }
            Poll::Ready(None) => {}
        }
        // What the session has to report still belongs to CALLs.
        if self.session.has_output() {
            return false;
        }
        if self.mailbox.is_empty() {
            self.generations.forget_left();
        }
        let (session, context, peer) = (&self.session, &self.context, &self.peer);
        self.generations.retire(|number| session.has_open_calls_of(number), |topics| replace(context, peer, topics))
    }

    /// An answer belongs to the generation of the CALL that it is for, whose transforms may have changed the message id. That
    /// does not show before it is read: so where the transforms of `reader` make no answer to a CALL of their own of it, and
    /// no CALL, those of CALLs that are still open are asked, too.
    pub(super) fn read_by_others<'s>(
        &'s self,
        reader: &Generation,
        read: &DownlinkOutcome,
        message: &Message,
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
            let read = self.context.router.read(other, &self.peer, message, session.asked());
            answers_its_own(other, &read).then_some((other, read))
        })
    }

    #[cold]
    fn begin_swap(&mut self) {
        let ChargePoint { context, peer, generations, session, .. } = self;
        let (router, newest) = (&context.router, context.router.pipeline.newest());
        let same = newest.has_mapping_of(generations.current());
        // The gateway stops, or something is under way: this is asked again at its end.
        if self.stop_by.is_some() || !same && generations.is_waiting() {
            return;
        }
        let wanted = match same {
            true => None,
            false => match router.subscriptions(&newest, peer) {
                Ok(filters) => Some(filters),
                Err(failure) => {
                    warn!(charge_point = %peer.identity, "stays with the mapping before: {failure}");
                    return generations.decline(&newest);
                }
            },
        };
        let held = || match generations.filters() {
            Some(held) => held.clone(),
            // It has said why. As long as the new topics are not confirmed, the old ones stay.
            None => router.subscriptions(generations.current(), peer).unwrap_or_default(),
        };
        let changed = wanted.map(|wanted| (wanted, held())).filter(|(wanted, held)| wanted != held);
        match changed {
            None => {
                let open = session.has_open_calls_of(generations.current().number());
                // Not before CALLs of earlier generations have ended: those that are open need theirs.
                if !open || generations.has_room() {
                    generations.take_over(newest, open);
                    session.set_generation(generations.current().number());
                }
            }
            Some((wanted, held)) if self.outbox.is_subscribed() && generations.has_room() => {
                generations.enter(newest, wanted, held, |topics| replace(context, peer, topics));
            }
            // Not before its first topics are confirmed, or CALLs of earlier generations have ended.
            Some(_) => {}
        }
    }

    fn conclude(&mut self, concluded: Concluded) {
        let (charge_point, generation) = (&self.peer.identity, self.generations.current().number());
        match concluded {
            Concluded::Entered => {
                debug!(%charge_point, generation, "has the topics of the new mapping");
                self.session.set_generation(generation);
            }
            // The connection is about to end, and the gateway with it.
            Concluded::Declined(SubscribeError::Stopped) => {}
            Concluded::Declined(error) => warn!(%charge_point, "stays with the mapping before: {error}"),
            Concluded::Left => debug!(%charge_point, generation, "has left the topics of an earlier mapping"),
        }
    }
}

/// Subscribes to these topics, beside those that are held; when that is confirmed, leaves all others.
fn replace(context: &Arc<Context>, peer: &Peer, topics: Filters) -> BoxFuture<'static, Subscribed> {
    let (context, owner) = (Arc::clone(context), owner(peer));
    async move { context.subscriber.replace(owner, topics).await }.boxed()
}
