//! The task of one connected charge point. It alone owns the socket and the session.

use super::call_time::CallTime;
use super::client_address::Arrival;
use super::coalescing;
use super::connection::{ChargePoint, owner};
use super::context::Context;
use super::delivery::{PendingCalls, Received, Stop};
use super::disconnect_reason::{DisconnectReason, NotSubscribed};
use super::event::Event;
use super::generations::Generations;
use super::mailbox::{Mailbox, Recipient};
use super::message_rate::MessageRateLimiter;
use super::missing_back_ends::BackEndState;
use super::outbox::Outbox;
use super::read_memory::ReadMemory;
use super::registry::{Registered, RegistryRefusal};
use super::socket::Socket;
use super::tap::ConnectionTap;
use crate::operations::events::GatewayEvent;
use crate::operations::metrics::Limit;
use crate::operations::refusals::Refusal;
use crate::transforms::long_calls::run_outside_workers;
use futures_util::FutureExt as _;
use ocpp_gateway_core::Peer;
use ocpp_gateway_core::session::{Direction, Session};
use ocpp_gateway_pipeline::Generation;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::{self, Message as WebSocketMessage};
use tracing::info;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// Serves `peer` on `socket` until the connection ends, and keeps `permit` until then.
    ///
    /// State is boxed once; the future that ends a connection is allocated at its end, which keeps idle tasks small.
    pub fn serve<P: Send>(
        context: Arc<Context>,
        peer: Peer,
        arrival: Arrival,
        socket: Socket<S>,
        permit: P,
    ) -> impl Future<Output = ()> + use<S, P> {
        let registered = Self::register(context, peer, &arrival, socket);
        async move {
            match registered {
                Ok(mut this) => {
                    this.announce(&arrival.listener).await;
                    let reason = this.run().await;
                    Box::pin(this.leave(reason)).await;
                }
                Err((reason, mut socket)) => Box::pin(reason.close(&mut socket)).await,
            }
            drop(permit);
        }
    }

    /// Registers the connection. If it is refused, returns the socket with the reason.
    fn register(
        context: Arc<Context>,
        peer: Peer,
        arrival: &Arrival,
        socket: Socket<S>,
    ) -> Result<Box<Self>, (DisconnectReason, Box<Socket<S>>)> {
        let (now, address) = (Instant::now(), arrival.address);
        let capacity = context.session_settings.queue;
        let downlink = context.router.memory.account(Direction::Downlink);
        let (router, undeliverable) = (Arc::clone(&context.router), context.undeliverable.clone());
        let facts = context.registry.facts(&peer.identity);
        let (mailbox, receiver) = Mailbox::new(peer.clone(), facts, router, undeliverable, capacity, downlink);
        let claim = || context.presence.claim(&peer);
        let registered = context.registry.register(&peer, arrival.clone(), mailbox.clone(), claim);
        let Registered { claim, predecessor } = match registered {
            Ok(registered) => registered,
            Err(refusal) => return Err((refuse(&context, &peer, arrival, refusal), Box::new(socket))),
        };
        let settings = Arc::clone(&context.session_settings);
        let mut session = Session::new(peer.version, settings, receiver.facts().interval(), now);
        let generation = context.router.pipeline.newest_for(&peer.identity);
        session.set_generation(generation.number());
        let recipient = Recipient::ChargePoint(mailbox);
        let subscribed = subscribe(Arc::clone(&context), generation.clone(), peer.clone(), recipient);
        let outbox = Outbox::new(
            context.router.publisher.clone(),
            context.router.memory.account(Direction::Uplink),
            predecessor,
            subscribed.boxed(),
        );
        let timer = Box::pin(tokio::time::sleep_until(session.next_timeout().into()));
        context.router.events.refusals.connected(peer.identity.as_str(), address.ip);
        context.router.metrics.connections.inc();
        context.router.metrics.connected.inc();
        let back_end = BackEndState::new(context.missing_back_ends.includes(&peer.identity));
        let mut this = Box::new(ChargePoint {
            context,
            peer,
            address,
            socket,
            session,
            outbox,
            mailbox: receiver,
            generations: Generations::new(generation),
            pending_calls: PendingCalls::default(),
            rate_limiter: MessageRateLimiter::default(),
            call_time: CallTime::default(),
            memory: ReadMemory::default(),
            tap: ConnectionTap::default(),
            back_end,
            no_back_end_logged: false,
            stop_by: None,
            timer,
            timer_deadline: None,
        });
        this.publish(claim.into_iter().collect());
        Ok(this)
    }

    /// Announces to log, events, transforms and back ends that the charge point is connected, after the end of its
    /// previous connection is announced. That does not wait until the previous socket is closed.
    async fn announce(&mut self, listener: &str) {
        poll_fn(|cx| self.outbox.poll_predecessor(cx)).await;
        let (peer, address) = (&self.peer, self.address);
        info!(charge_point = %peer.identity, version = %peer.version, listener, %address, "connected");
        self.context.router.events.publish(GatewayEvent::Connected {
            charge_point: peer.identity.to_string(),
            version: peer.version.subprotocol(),
            address: address.to_string(),
            listener: listener.to_owned(),
        });
        self.publish(self.context.presence.connected(&self.peer, &address));
        self.publish(self.context.router.connected(self.generations.current(), &self.peer));
    }

    async fn run(&mut self) -> DisconnectReason {
        loop {
            let event = poll_fn(|cx| self.poll_event(cx)).await;
            coalescing::count_message();
            let reason = if !event.is_message() {
                self.handle(event)
            } else if self.call_time.is_slow() {
                Box::pin(self.handle_with_permit(event)).await
            } else {
                self.handle(event)
            };
            if let Some(reason) = reason {
                return reason;
            }
        }
    }

    /// Handles an event. Returns the reason if the connection ends.
    fn handle(&mut self, event: Event) -> Option<DisconnectReason> {
        self.tap.begin_event();
        match event {
            Event::Received(received) => return self.receive(received),
            Event::Held(text) => self.handle_text(&text),
            Event::Mailbox(Received::Delivery(delivery)) => self.handle_delivery(delivery),
            Event::Mailbox(Received::PublishOutcomes(outcomes)) => self.handle_publish_outcomes(outcomes),
            Event::Mailbox(Received::Stop(stop)) => return self.stop(stop),
            Event::Finished => return Some(DisconnectReason::Shutdown),
            Event::Swapped => {}
            Event::NotSubscribed(error) => return Some(DisconnectReason::NotSubscribed(error)),
            Event::Due => {
                let both = self.now();
                self.outbox.retry(both);
                let now = both.wall;
                // Part of a message arrived: the charge point is alive, even if the message takes long.
                if self.socket.take_received() {
                    self.session.handle_activity(now);
                }
                if self.rate_limiter.held_until().is_some() {
                    self.rate_limiter.release(now);
                }
                if self.session.is_silent(now) {
                    return Some(DisconnectReason::Silent);
                }
                if self.receives_too_slowly(now) {
                    return Some(DisconnectReason::TooSlow);
                }
                if self.stop_by.is_some_and(|by| by <= now) {
                    return Some(DisconnectReason::Shutdown);
                }
                self.session.handle_timeout(now);
                self.generations.handle_timeout(now, self.context.router.publisher.availability().time_away(now));
            }
        }
        None
    }

    fn stop(&mut self, stop: Stop) -> Option<DisconnectReason> {
        Some(match stop {
            Stop::Replaced => DisconnectReason::Replaced,
            Stop::TakenOver => DisconnectReason::TakenOver,
            Stop::Kicked => DisconnectReason::Kicked,
            Stop::ListenerRemoved => DisconnectReason::ListenerRemoved,
            Stop::NotSubscribed(error) => DisconnectReason::NotSubscribed(NotSubscribed::Broker(*error)),
            Stop::BrokerAway => DisconnectReason::BrokerAway,
            Stop::Shutdown { by } => {
                self.stop_by = Some(by);
                self.session.handle_stop();
                return None;
            }
        })
    }

    /// Whether a message takes longer than `call_timeout` to arrive, while others wait for the memory that is reserved
    /// for it.
    fn receives_too_slowly(&mut self, now: Instant) -> bool {
        let is_reading_paused = self.session.is_reading_paused();
        let Some(until) = self.socket.reserved_until().filter(|until| **until <= now) else { return false };
        *until = now + self.context.session_settings.call_timeout;
        !is_reading_paused && self.outbox.memory().pool().has_waiters()
    }

    fn receive(&mut self, received: Option<Result<WebSocketMessage, tungstenite::Error>>) -> Option<DisconnectReason> {
        self.context.message_rates.reserve(&mut self.rate_limiter);
        match received {
            Some(Ok(WebSocketMessage::Text(text))) => self.handle_text(text.as_str()),
            Some(Ok(WebSocketMessage::Binary(_))) => return Some(DisconnectReason::Binary),
            // Nothing can be sent to it any more: its deliveries are reported as undeliverable.
            Some(Ok(WebSocketMessage::Close(_))) => return Some(DisconnectReason::Gone(None)),
            Some(Ok(WebSocketMessage::Pong(_))) => self.session.handle_pong(Instant::now()),
            Some(Ok(_)) => self.session.handle_activity(Instant::now()),
            Some(Err(error)) => return Some(error.into()),
            None => return Some(DisconnectReason::Gone(None)),
        }
        None
    }

    /// Handles a message of a slow charge point: waits for a permit, then handles it off the worker threads. Meanwhile
    /// nothing more is read from the charge point, but the connection can be stopped.
    async fn handle_with_permit(&mut self, message: Event) -> Option<DisconnectReason> {
        let mut permit = pin!(Arc::clone(&self.context.slow_permits).acquire_owned());
        self.session.handle_reading(false, Instant::now());
        let permit = loop {
            let next = poll_fn(|cx| match permit.as_mut().poll(cx) {
                Poll::Ready(permit) => Poll::Ready(Ok(permit)),
                Poll::Pending => self.poll_urgent(cx).map(Err),
            });
            match next.await {
                Ok(permit) => break permit,
                Err(urgent) => {
                    if let Some(reason) = self.handle(urgent) {
                        // A delivery is handled, so that its sender gets a result; a message of the charge point counts
                        // as unread.
                        if let Event::Mailbox(Received::Delivery(delivery)) = message {
                            self.handle_delivery(delivery);
                        }
                        return Some(reason);
                    }
                }
            }
        };
        let reason = run_outside_workers(|| self.handle(message));
        drop(permit);
        // This thread may no longer be a worker thread: continue on one.
        tokio::task::yield_now().await;
        reason
    }
}

/// Counts and logs that a charge point is refused after its handshake.
fn refuse(context: &Context, peer: &Peer, arrival: &Arrival, refusal: RegistryRefusal) -> DisconnectReason {
    let reason = match refusal {
        RegistryRefusal::Duplicate => DisconnectReason::Duplicate,
        RegistryRefusal::Full => {
            context.router.metrics.limited(Limit::Connections);
            DisconnectReason::Full
        }
    };
    context.router.metrics.closed(reason.name());
    info!(charge_point = %peer.identity, "closed: {reason}");
    context.router.events.refused(&Refusal {
        ip: arrival.address.ip,
        address: &arrival.address,
        listener: &arrival.listener,
        identity: Some(peer.identity.as_str()),
        certificate: None,
        reason: reason.name(),
        text: &reason,
        is_probe: false,
    });
    reason
}

/// Subscribes to the topics that the mapping of this generation names for `peer`. Ready when the broker has confirmed.
async fn subscribe(
    context: Arc<Context>,
    generation: Generation,
    peer: Peer,
    recipient: Recipient,
) -> Result<(), NotSubscribed> {
    let filters = context.router.subscriptions(&generation, &peer).map_err(NotSubscribed::Mapping)?;
    context.subscriber.subscribe(owner(&peer), filters, recipient).await.map_err(NotSubscribed::Broker)?;
    context.router.metrics.subscribed.inc();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    /// Size of a future, without creating one.
    fn size_of_future<A, B, C, D, E, F: Future>(_: impl Fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn state_and_task_of_a_connection_stay_within_their_size_limits() {
        type Task = ChargePoint<TcpStream>;
        let (state, task) = (size_of::<Task>(), size_of_future(Task::serve::<()>));
        assert!(state <= 1104, "{state} bytes for the state of a connection");
        assert!(task <= 256, "{task} bytes for its task");
    }
}
