//! What happens to a charge point's task, one thing at a time.

use super::connection::ChargePoint;
use super::delivery::Received;
use super::disconnect_reason::NotSubscribed;
use crate::operations::metrics::Limit;
use ocpp_gateway_core::session::{Direction, Output};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop;
use tokio_tungstenite::tungstenite::{self, Message as WebSocketMessage};
use tracing::trace;

/// What may wait for a charge point that takes nothing, before nothing more is read from it.
const MAX_UNSENT: usize = 16;

/// Everything that can happen to a charge point's task.
pub(super) enum Event {
    /// The charge point sent something, or its connection broke.
    Received(Option<Result<WebSocketMessage, tungstenite::Error>>),
    /// A text that was read before need not wait any more.
    Held(Box<str>),
    /// The broker, or an operator, has something for it; or this connection is to end.
    Mailbox(Received),
    /// A deadline of the session has come.
    Due,
    /// The gateway stops, and nobody waits for an answer any more.
    Finished,
    /// It has gone on with a hot swap.
    Swapped,
    /// Its topics cannot be subscribed to.
    NotSubscribed(NotSubscribed),
}

impl Event {
    /// Whether transforms are called for it, as a rule.
    pub(super) fn is_message(&self) -> bool {
        matches!(self, Event::Received(_) | Event::Held(_) | Event::Mailbox(Received::Delivery(_)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// What happens while a message waits for its turn: nothing that would have to wait behind it.
    pub(super) fn poll_urgent(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(Err(error)) = self.poll_outputs(cx) {
            return Poll::Ready(Event::Received(Some(Err(error))));
        }
        if self.poll_timer(cx).is_ready() {
            return Poll::Ready(Event::Due);
        }
        if let Poll::Ready(received) = self.mailbox.poll(cx, false) {
            return Poll::Ready(Event::Mailbox(received));
        }
        match self.socket.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Event::Received(Some(Err(error)))),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// The next thing that happens. What is to be sent goes out on the way, in one write for all that has gathered.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let congested = match self.poll_outputs(cx) {
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => return Poll::Ready(Event::Received(Some(Err(error)))),
            Poll::Pending => true,
        };
        // Before anything new is read: one that always has something to say would be cut off in the middle of it.
        if !congested && self.stop_by.is_some() && self.session.is_idle() {
            return Poll::Ready(Event::Finished);
        }
        if self.poll_timer(cx).is_ready() {
            return Poll::Ready(Event::Due);
        }
        // Back-pressure: while outgoing data is queued, stop reading, as every message read could queue more. What comes for
        // the charge point then waits in its mailbox, which has a limit. Nor is one read that sent more than it may.
        let has_room = match self.outbox.poll_room(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => return Poll::Ready(Event::NotSubscribed(error)),
            Poll::Pending => false,
        };
        if has_room && let Some(after) = self.outbox.passed_late() {
            self.context.router.metrics.calls.passed(Direction::Uplink, after);
        }
        let newest = self.newest_generation();
        if self.poll_swap(cx) {
            return Poll::Ready(Event::Swapped);
        }
        if let Poll::Ready(received) = self.mailbox.poll(cx, has_room && !congested) {
            return Poll::Ready(Event::Mailbox(received));
        }
        // Only now is it certain that whoever swaps has this task woken.
        if newest != self.newest_generation() {
            return Poll::Ready(Event::Swapped);
        }
        if has_room && let Some(text) = self.session.next_held() {
            return Poll::Ready(Event::Held(text));
        }
        let has_turn = has_room && self.rate_limiter.held_until().is_none();
        if let Poll::Ready(event) = self.poll_read(cx, has_turn, congested) {
            return Poll::Ready(event);
        }
        let flushed = self.socket.poll_flush(cx);
        self.memory.charge_queued(&self.session, self.socket.unsent(), self.outbox.memory(), self.mailbox.memory());
        match flushed {
            Poll::Ready(Err(error)) => Poll::Ready(Event::Received(Some(Err(error)))),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// The next message of the charge point, if it may be read.
    fn poll_read(&mut self, cx: &mut Context<'_>, has_turn: bool, congested: bool) -> Poll<Event> {
        loop {
            let wants_more = self.session.wants_more();
            // Nothing is kept for whom something else holds back.
            let may_read = has_turn && wants_more && self.poll_memory(cx).is_ready();
            if may_read == self.session.is_held() {
                match (may_read, wants_more, has_turn) {
                    (false, false, _) => self.context.router.metrics.limited(Limit::OpenCalls),
                    (false, true, true) => self.context.router.metrics.limited(Limit::QueueMemory),
                    _ => {}
                }
                self.session.handle_reading(may_read, Instant::now());
                // Deadlines that stood still run again.
                if self.poll_timer(cx).is_ready() {
                    return Poll::Ready(Event::Due);
                }
            }
            if !may_read || congested && self.session.outputs() >= MAX_UNSENT {
                return Poll::Pending;
            }
            if let Poll::Ready(received) = self.socket.poll_next(cx) {
                return Poll::Ready(Event::Received(received));
            }
            if self.socket.wanted().is_none() {
                // A message may have been admitted just now.
                let is_due = self.socket.admitted_until().is_some() && self.poll_timer(cx).is_ready();
                return if is_due { Poll::Ready(Event::Due) } else { Poll::Pending };
            }
        }
    }

    fn poll_memory(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let longest = self.context.session_settings.call_timeout;
        self.memory.poll_for(cx, &mut self.socket, self.outbox.memory(), longest)
    }

    /// Does what the session wants done, as long as the socket takes it.
    fn poll_outputs(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), tungstenite::Error>> {
        while self.session.has_output() {
            let Poll::Ready(ready) = self.socket.poll_ready(cx) else {
                while let Some(notice) = self.session.poll_notice() {
                    self.put_out(cx, notice)?;
                }
                return Poll::Pending;
            };
            ready?;
            if let Some(output) = self.session.poll() {
                self.put_out(cx, output)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn put_out(&mut self, cx: &mut Context<'_>, output: Output) -> Result<(), tungstenite::Error> {
        match output {
            Output::Send(kind, text) => {
                trace!(charge_point = %self.peer.identity, "to the charge point: {text}");
                self.context.router.metrics.message(Direction::Downlink, kind);
                self.socket.start_send(cx, WebSocketMessage::text(text))
            }
            Output::Ping => self.socket.start_send(cx, WebSocketMessage::Ping(Default::default())),
            notice => {
                self.handle_notice(notice);
                Ok(())
            }
        }
    }

    /// What the session wants done that is not for the charge point.
    pub(super) fn handle_notice(&mut self, notice: Output) {
        match notice {
            Output::Report(report) => self.report(&report),
            Output::Incident(incident) => self.context.router.incident(&self.peer, &incident),
            Output::Ended(end) => self.context.router.metrics.calls.ended(&end),
            Output::Answered(id, answer) => self.pending_calls.answer(&id, *answer),
            Output::HeartbeatInterval(interval) => self.remember_interval(interval),
            Output::Send(..) | Output::Ping => {}
        }
    }

    /// Ready when the session has something to do at this time. The timer is moved only to come earlier: deadlines of
    /// calls that were answered in time, nearly all of them, never touch it again. Nor is it looked at before it is due: it
    /// knows whom to wake, and with hundreds of charge points a look at the clock costs less than fetching it from memory.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (due, now) = (self.due(), Instant::now());
        if due <= now {
            return Poll::Ready(());
        }
        if self.alarm.is_some_and(|alarm| now < alarm && alarm <= due) {
            return Poll::Pending;
        }
        self.timer.as_mut().reset(due.into());
        let fired = self.timer.as_mut().poll(cx);
        // Without a turn left it does not note whom to wake: it is asked again in the next one.
        self.alarm = coop::has_budget_remaining().then_some(due);
        fired
    }

    fn due(&mut self) -> Instant {
        let others = self.stop_by.into_iter().chain(self.rate_limiter.held_until()).chain(self.outbox.next_attempt());
        let others = others.chain(self.generations.next_timeout()).chain(self.socket.admitted_until().copied());
        others.fold(self.session.next_timeout(), Instant::min)
    }
}
