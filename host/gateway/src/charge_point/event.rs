//! The events of a charge point's task, and how it waits for them.

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

/// Outputs that may be queued while the socket takes nothing, before reading stops.
const MAX_UNSENT: usize = 16;

/// An event of a charge point's task.
pub(super) enum Event {
    /// The charge point sent a message, or its connection ended.
    Received(Option<Result<WebSocketMessage, tungstenite::Error>>),
    /// A text that the session held may be handled now.
    Held(Box<str>),
    /// An entry of the mailbox: a delivery, publish outcomes, or a request to stop.
    Mailbox(Received),
    /// A deadline has passed.
    Due,
    /// The gateway stops, and no CALL is open any more.
    Finished,
    /// A hot swap has made progress.
    Swapped,
    /// The subscription to the charge point's topics failed.
    NotSubscribed(NotSubscribed),
}

impl Event {
    /// Whether handling the event usually calls transforms.
    pub(super) fn is_message(&self) -> bool {
        matches!(self, Event::Received(_) | Event::Held(_) | Event::Mailbox(Received::Delivery(_)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// The next event that may be handled while a message waits for a permit: none that must keep its order behind it.
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

    /// The next event. Queued outputs are sent meanwhile, with one write for all of them.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let congested = match self.poll_outputs(cx) {
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => return Poll::Ready(Event::Received(Some(Err(error)))),
            Poll::Pending => true,
        };
        // Before the next read: a charge point that always has a message ready would otherwise be cut off during a
        // CALL.
        if !congested && self.stop_by.is_some() && self.session.is_idle() {
            return Poll::Ready(Event::Finished);
        }
        if self.poll_timer(cx).is_ready() {
            return Poll::Ready(Event::Due);
        }
        // Back-pressure: while outgoing data is queued, stop reading, as every message read could queue more.
        // Deliveries for the charge point then wait in its mailbox, which has a limit. Reading also stops while the
        // message rate is exceeded.
        let has_room = match self.outbox.poll_room(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => return Poll::Ready(Event::NotSubscribed(error)),
            Poll::Pending => false,
        };
        if has_room && let Some(after) = self.outbox.take_delay() {
            self.context.router.metrics.calls.record_message_duration(Direction::Uplink, after);
        }
        let newest = self.newest_generation();
        if self.poll_swap(cx) {
            return Poll::Ready(Event::Swapped);
        }
        if let Poll::Ready(received) = self.mailbox.poll(cx, has_room && !congested) {
            return Poll::Ready(Event::Mailbox(received));
        }
        // Checked again: a swap wakes this task only since the mailbox was polled, which registers the waker.
        if newest != self.newest_generation() {
            return Poll::Ready(Event::Swapped);
        }
        if has_room && let Some(text) = self.session.take_held_text() {
            return Poll::Ready(Event::Held(text));
        }
        let is_allowed = has_room && self.rate_limiter.held_until().is_none();
        if let Poll::Ready(event) = self.poll_read(cx, is_allowed, congested) {
            return Poll::Ready(event);
        }
        let flushed = self.socket.poll_flush(cx);
        self.memory.charge_queued(&self.session, self.socket.unsent(), self.outbox.memory(), self.mailbox.memory());
        self.mailbox.activity().set_open_calls(self.session.open_call_counts());
        match flushed {
            Poll::Ready(Err(error)) => Poll::Ready(Event::Received(Some(Err(error)))),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// The next message of the charge point, if it may be read. `is_allowed`: outbox and message rate allow it.
    fn poll_read(&mut self, cx: &mut Context<'_>, is_allowed: bool, congested: bool) -> Poll<Event> {
        loop {
            let can_read = self.session.can_read();
            // Memory last: none is reserved for a charge point that another limit holds back.
            let may_read = is_allowed && can_read && self.poll_memory(cx).is_ready();
            if may_read == self.session.is_reading_paused() {
                match (may_read, can_read, is_allowed) {
                    (false, false, _) => self.context.router.metrics.limited(Limit::OpenCalls),
                    (false, true, true) => self.context.router.metrics.limited(Limit::QueueMemory),
                    _ => {}
                }
                self.session.handle_reading(may_read, Instant::now());
                // Deadlines that were paused run again.
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
                // Memory may have been reserved for a message just now, which sets a deadline.
                let is_due = self.socket.reserved_until().is_some() && self.poll_timer(cx).is_ready();
                return if is_due { Poll::Ready(Event::Due) } else { Poll::Pending };
            }
        }
    }

    fn poll_memory(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let longest = self.context.session_settings.call_timeout;
        self.memory.poll_for(cx, &mut self.socket, self.outbox.memory(), longest)
    }

    /// Handles the session's outputs while the socket takes them; notices even when it does not.
    fn poll_outputs(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), tungstenite::Error>> {
        while self.session.has_output() {
            let Poll::Ready(ready) = self.socket.poll_ready(cx) else {
                while let Some(notice) = self.session.poll_notice() {
                    self.handle_output(cx, notice)?;
                }
                return Poll::Pending;
            };
            ready?;
            if let Some(output) = self.session.poll() {
                self.handle_output(cx, output)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn handle_output(&mut self, cx: &mut Context<'_>, output: Output) -> Result<(), tungstenite::Error> {
        match output {
            Output::Send(kind, text) => {
                trace!(charge_point = %self.peer.identity, "to the charge point: {text}");
                self.context.router.metrics.message(Direction::Downlink, kind);
                self.show(|watched, peer| watched.sent(peer, &text));
                self.socket.start_send(cx, WebSocketMessage::text(text))
            }
            Output::Ping => self.socket.start_send(cx, WebSocketMessage::Ping(Default::default())),
            notice => {
                self.handle_notice(notice);
                Ok(())
            }
        }
    }

    /// Handles an output that is not for the charge point.
    pub(super) fn handle_notice(&mut self, notice: Output) {
        match notice {
            Output::Report(report) => self.report(&report),
            Output::Incident(incident) => {
                self.generations.current().count_incidents(1);
                self.context.router.incident(&self.peer, &incident);
            }
            Output::Ended(end) => {
                self.generations.of(end.generation).count_call(&end);
                self.context.router.metrics.calls.ended(&end);
            }
            Output::Answered(id, answer) => self.pending_calls.answer(&id, *answer),
            Output::HeartbeatInterval(interval) => self.remember_interval(interval),
            Output::Send(..) | Output::Ping => {}
        }
    }

    /// Ready when a deadline has passed. The timer is reset only to an earlier deadline, so that deadlines of CALLs
    /// that are answered in time, nearly all of them, cost one reset. It is not polled before it is due: its waker is
    /// registered, and with hundreds of charge points reading the clock costs less than fetching the timer from memory.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (due, now) = (self.due(), Instant::now());
        if due <= now {
            return Poll::Ready(());
        }
        if self.timer_deadline.is_some_and(|deadline| now < deadline && deadline <= due) {
            return Poll::Pending;
        }
        self.timer.as_mut().reset(due.into());
        let fired = self.timer.as_mut().poll(cx);
        // Without cooperative budget the timer registers no waker, and has to be polled again.
        self.timer_deadline = coop::has_budget_remaining().then_some(due);
        fired
    }

    /// The earliest deadline.
    fn due(&mut self) -> Instant {
        let others = self.stop_by.into_iter().chain(self.rate_limiter.held_until()).chain(self.outbox.next_attempt());
        let others = others.chain(self.generations.next_timeout()).chain(self.socket.reserved_until().copied());
        others.fold(self.session.next_timeout(), Instant::min)
    }
}
