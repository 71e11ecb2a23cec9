//! Uplink and downlink messages in a charge point's task.

use super::call_retries::Now;
use super::connection::ChargePoint;
use super::delivery::{Delivery, PublishOutcome};
use super::tap::{Arrival, WatchedConnection};
use crate::routing::{Downlinked, Uplinked};
use ocpp_gateway_core::session::{Direction, UplinkFrame};
use ocpp_gateway_core::{Fault, MessageType, Peer};
use ocpp_gateway_mqtt::{Message, Publication, Tracking};
use ocpp_gateway_pipeline::{Answer, NotMapped};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, info, trace};

/// The first CALLs of a connection are recorded even if no echo was seen: see [`crate::routing::Echoes`].
const RECORDED_CALLS: u32 = 4;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// Takes a text from the charge point through the session and the mapping, and publishes the result.
    pub(super) fn handle_text(&mut self, text: &str) {
        trace!(charge_point = %self.peer.identity, "from the charge point: {text}");
        self.follow_swaps();
        let mut arrival = self.arrival();
        let now = self.now();
        self.mailbox.activity().set_last_message(now.wall);
        let Some(UplinkFrame { frame, generation }) = self.session.handle_text(text, now.wall) else {
            return self.show(|watched, peer| watched.received(peer, text));
        };
        // After the timeout the charge point has a CALLERROR, and sends important CALLs again.
        let is_call = frame.kind == MessageType::Call;
        let expires = is_call.then(|| now.broker + self.context.session_settings.call_timeout);
        let tracing = Arrival::start(arrival.as_mut());
        let mut uplinked =
            self.context.router.uplink(self.generations.of(generation), &self.peer, &frame, expires, tracing);
        let returned = Arrival::end(arrival.as_mut());
        if let Some(arrival) = &arrival {
            self.show(|watched, peer| watched.uplink(peer, arrival, text, &frame, &mut uplinked));
        }
        let watching = returned.map_or(Duration::ZERO, |returned| returned.elapsed());
        self.generations.of(generation).count_incidents(uplinked.incidents.len());
        let Uplinked { mut publications, mapped, answer, is_dropped, .. } = uplinked;
        if (self.session.latest_call() <= RECORDED_CALLS || self.context.router.echoes.is_seen())
            && let Some(publication) = mapped.and_then(|index| publications.get(index))
        {
            self.context.router.echoes.record([publication], None);
        }
        if is_call
            && answer.is_none()
            && let Some(publication) = mapped.and_then(|index| publications.get_mut(index))
        {
            self.track(publication, self.session.latest_call());
        }
        let has_passed = !is_dropped && answer.as_ref().map_or(mapped.is_some(), |it| matches!(it, Answer::Result(_)));
        match answer {
            Some(Answer::Result(payload)) => self.session.handle_reply(&frame.id, payload),
            Some(Answer::Error(error)) => self.session.handle_rejection(&frame.id, error),
            Some(Answer::ResultError(error)) => self.session.handle_rejected_result(&frame.id, error),
            None if is_dropped && is_call => self.session.handle_dropped(&frame.id),
            None => {}
        }
        let mut unpublishable = None;
        for publication in publications {
            if let Err(error) = self.outbox.push_call(publication, self.context.wait_for_back_end, now) {
                unpublishable.get_or_insert(error);
            }
        }
        let took = now.wall.elapsed().saturating_sub(watching);
        self.call_time.record(took);
        if let Some(error) = unpublishable {
            let error = Fault::Internal.error(self.peer.version, error.to_string());
            return self.session.handle_failed_uplink(frame.kind, &frame.id, frame.action_name(), error, generation);
        }
        if is_call && has_passed {
            let facts = self.mailbox.facts();
            if facts.record(self.peer.version, frame.action_name(), &frame.payload, now.wall) {
                self.context.registry.faulted_changed(&self.peer.identity);
            }
        }
        if self.outbox.finish_push(now.wall) {
            self.context.router.metrics.calls.record_message_duration(Direction::Uplink, took);
        }
    }

    /// Handles a delivery from the mailbox.
    pub(super) fn handle_delivery(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Message(message, arrived) => self.handle_message(&message, arrived),
            Delivery::OperatorCall(call) => {
                self.session.handle_operator_call(&call.id, &call.action, &call.payload, Instant::now());
                self.pending_calls.add(call);
            }
            // The request may be over.
            Delivery::GetOpenCalls(answer) => drop(answer.send(self.session.open_calls())),
        }
    }

    /// Takes a message from the broker through the transforms into the session.
    fn handle_message(&mut self, message: &Message, arrived: Instant) {
        let started = Instant::now();
        self.follow_swaps();
        let mut arrival = self.arrival();
        let tracing = Arrival::start(arrival.as_mut());
        let (reader, may_repeat) = self.generations.reader(&message.topic);
        let unanswered = self.session.unanswered_calls();
        let read = self.context.router.read(reader, &self.peer, message, unanswered, tracing);
        let (reader, read) = match self.read_with_older(reader, &read, message, tracing) {
            Some(other) => other,
            None => (reader, read),
        };
        let (generation, redelivered) = (reader.number(), message.dup || may_repeat);
        let mut downlinked = self.context.router.downlinked(&self.peer, read);
        let returned = Arrival::end(arrival.as_mut());
        if let Some(arrival) = &arrival
            && let Some(watched) = self.tap.watched(&self.context.router.events.tap, &self.peer)
        {
            watched.downlink(&self.peer, arrival, message, self.session.unanswered_calls(), &mut downlinked);
        }
        let watching = returned.map_or(Duration::ZERO, |returned| returned.elapsed());
        self.generations.of(generation).count_incidents(downlinked.incidents.len());
        let Downlinked { frames, publications, not_mapped, .. } = downlinked;
        self.publish(publications);
        let now = self.now().wall;
        self.call_time.record(now.saturating_duration_since(started).saturating_sub(watching));
        self.context
            .router
            .metrics
            .calls
            .record_message_duration(Direction::Downlink, now.saturating_duration_since(arrived));
        for frame in frames {
            let (id, action) = (&*frame.id, frame.action_name());
            debug!(
                charge_point = %self.peer.identity,
                message_id = id,
                action,
                "{} from a back end",
                frame.kind.name()
            );
            self.session.handle_downlink(frame, redelivered, generation, now);
        }
        if let Some(NotMapped { fault, id, text }) = not_mapped {
            self.session.handle_failed_downlink(fault, &id, text, generation);
        }
    }

    /// Now, if the connection has a watcher.
    fn arrival(&mut self) -> Option<Arrival> {
        self.tap.watched(&self.context.router.events.tap, &self.peer).map(|watched| watched.arrival())
    }

    /// Shows something to the watchers of the connection, if it has any.
    pub(super) fn show(&mut self, show: impl FnOnce(&mut WatchedConnection, &Peer)) {
        if let Some(watched) = self.tap.watched(&self.context.router.events.tap, &self.peer) {
            show(watched, &self.peer);
        }
    }

    /// Tracks the publication of the CALL with this number, to detect that its topic has no subscriber.
    fn track(&self, publication: &mut Publication, number: u32) {
        let confirm = self.back_end.is_missing();
        publication.tracking = Some(Tracking { observer: self.mailbox.observer(), number, confirm });
    }

    pub(super) fn handle_publish_outcomes(&mut self, outcomes: Vec<PublishOutcome>) {
        let (now, wait) = (self.now(), self.context.wait_for_back_end);
        for outcome in outcomes {
            match outcome {
                PublishOutcome::Delivered(number) => {
                    self.outbox.delivered(number);
                    self.no_back_end_logged = false;
                    if self.back_end.found() {
                        self.context.missing_back_ends.found();
                    }
                }
                PublishOutcome::NoSubscriber(publication) => {
                    if let Some(Tracking { number, .. }) = publication.tracking {
                        let is_new = self.back_end.missed(number);
                        self.context.missing_back_ends.missed(&self.peer.identity, is_new, now.wall);
                    }
                    if let Some(publication) = self.outbox.handle_no_subscriber(publication, wait, now) {
                        self.give_up(&publication);
                    }
                }
            }
        }
    }

    /// Answers a CALL with an error, because its topic had no subscriber for long enough.
    fn give_up(&mut self, Publication { topic, tracking, .. }: &Publication) {
        let Some(Tracking { number, .. }) = tracking else { return };
        // Metrics count each failure; only the first is logged.
        if !std::mem::replace(&mut self.no_back_end_logged, true) {
            info!(charge_point = %self.peer.identity, topic, "no back end is subscribed to this topic: CALLs fail");
        }
        self.session.handle_no_back_end(*number, topic);
    }

    /// Publishes an error frame of the gateway to back ends.
    pub(super) fn report(&mut self, report: &UplinkFrame<'static>) {
        let mut arrival = self.arrival();
        let tracing = Arrival::start(arrival.as_mut());
        let generation = self.generations.of(report.generation);
        let mut reported = self.context.router.report(generation, &self.peer, &report.frame, tracing);
        Arrival::end(arrival.as_mut());
        if let Some(arrival) = &arrival {
            self.show(|watched, peer| watched.report(peer, arrival, &report.frame, &mut reported));
        }
        self.generations.of(report.generation).count_incidents(reported.incidents.len());
        self.publish(reported.publications);
    }

    /// The interval also holds on later connections of this charge point, which may come without a BootNotification.
    pub(super) fn remember_interval(&self, interval: Option<Duration>) {
        self.mailbox.facts().set_interval(interval);
    }

    pub(super) fn publish(&mut self, publications: Vec<Publication>) {
        for publication in publications {
            // The publisher counts and logs what it refuses.
            let _ = self.outbox.push(publication);
        }
    }

    /// The time on both clocks. Tells the session how far the broker's time, by which CALLs of the charge point time
    /// out, is behind.
    pub(super) fn now(&mut self) -> Now {
        let (wall, availability) = (Instant::now(), self.context.router.publisher.availability());
        let behind = availability.time_away(wall);
        self.session.set_back_end_clock(behind, availability.is_away());
        Now { wall, broker: wall.checked_sub(behind).unwrap_or(wall) }
    }
}
