//! The task of one connected charge point: it owns the socket and the session, and nothing else ever touches them.

use super::client_address::ClientAddress;
use super::coalescing;
use super::connection::{ChargePoint, owner};
use super::context::Context;
use super::delivery::{PendingCalls, Received, Stop};
use super::disconnect_reason::{DisconnectReason, NotSubscribed};
use super::event::Event;
use super::generations::Generations;
use super::mailbox::{Mailbox, Recipient};
use super::memory::Memory;
use super::message_rate::MessageRateLimiter;
use super::outbox::Outbox;
use super::registry::{Entered, NotEntered};
use super::slow_share::CallTime;
use super::socket::Socket;
use crate::operations::events::GatewayEvent;
use crate::operations::metrics::Limit;
use crate::transforms::long_calls::apart;
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
    /// Serves `peer` on `socket` until either ends, and keeps `permit` for so long.
    /// State is boxed once; the future that ends a connection is allocated at its end, which keeps idle tasks small.
    pub fn serve<P: Send>(
        context: Arc<Context>,
        peer: Peer,
        address: ClientAddress,
        socket: Socket<S>,
        permit: P,
    ) -> impl Future<Output = ()> + use<S, P> {
        let entered = Self::enter(context, peer, address, socket);
        async move {
            match entered {
                Ok(mut this) => {
                    this.announce().await;
                    let reason = this.converse().await;
                    Box::pin(this.leave(reason)).await;
                }
                Err((reason, mut socket)) => Box::pin(reason.close(&mut socket)).await,
            }
            drop(permit);
        }
    }

    /// Takes its place among the connected, or gives the socket back with the reason why it may not.
    fn enter(
        context: Arc<Context>,
        peer: Peer,
        address: ClientAddress,
        socket: Socket<S>,
    ) -> Result<Box<Self>, (DisconnectReason, Box<Socket<S>>)> {
        let now = Instant::now();
        let capacity = context.session_settings.queue;
        let downlink = context.router.memory.account(Direction::Downlink);
        let (router, undeliverable) = (Arc::clone(&context.router), context.undeliverable.clone());
        let (mailbox, receiver) = Mailbox::new(peer.clone(), router, undeliverable, capacity, downlink);
        let claim = || context.presence.claim(&peer);
        let Entered { claim, predecessor } = match context.registry.enter(&peer, address, mailbox.clone(), claim) {
            Ok(entered) => entered,
            Err(refusal) => return Err((turn_away(&context, &peer, refusal), Box::new(socket))),
        };
        let interval = context.registry.interval(&peer.identity);
        let mut session = Session::new(peer.version, Arc::clone(&context.session_settings), interval, now);
        let generation = context.router.pipeline.newest();
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
        context.router.metrics.connections.inc();
        context.router.metrics.connected.inc();
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
            memory: Memory::default(),
            misses_back_end: false,
            stop_by: None,
            timer,
            alarm: None,
        });
        this.publish(claim.into_iter().collect());
        Ok(this)
    }

    /// Everybody is told that the charge point is connected, after they were told of the end of its connection before. That
    /// is told at once, whatever becomes of that one's socket.
    async fn announce(&mut self) {
        poll_fn(|cx| self.outbox.poll_predecessor(cx)).await;
        let (peer, address) = (&self.peer, self.address);
        info!(charge_point = %peer.identity, version = %peer.version, %address, "connected");
        self.context.router.events.tell(|| GatewayEvent::Connected {
            charge_point: peer.identity.to_string(),
            version: peer.version.subprotocol(),
            address: address.to_string(),
        });
        self.publish(self.context.presence.connected(&self.peer, &address));
        self.publish(self.context.router.connected(self.generations.current(), &self.peer));
    }

    async fn converse(&mut self) -> DisconnectReason {
        loop {
            let event = poll_fn(|cx| self.poll_event(cx)).await;
            coalescing::message();
            let reason = if !event.is_message() {
                self.handle(event)
            } else if self.call_time.is_long() {
                Box::pin(self.handle_in_turn(event)).await
            } else {
                self.handle(event)
            };
            if let Some(reason) = reason {
                return reason;
            }
        }
    }

    /// Answers how the connection ends, if it does.
    fn handle(&mut self, event: Event) -> Option<DisconnectReason> {
        match event {
            Event::Received(received) => return self.receive(received),
            Event::Held(text) => self.take(&text),
            Event::Mailbox(Received::Delivery(delivery)) => self.open(delivery),
            Event::Mailbox(Received::Told(all_told)) => self.hear_of_calls(all_told),
            Event::Mailbox(Received::Stop(stop)) => return self.stop(stop),
            Event::Finished => return Some(DisconnectReason::Shutdown),
            Event::Swapped => {}
            Event::NotSubscribed(error) => return Some(DisconnectReason::NotSubscribed(error)),
            Event::Due => {
                let both = self.now();
                self.outbox.retry(both);
                let now = both.wall;
                // A message that takes long to arrive is no silence.
                if self.socket.take_received() {
                    self.session.handle_alive(now);
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
                self.generations.handle_timeout(now, self.context.router.publisher.availability().behind(now));
            }
        }
        None
    }

    fn stop(&mut self, stop: Stop) -> Option<DisconnectReason> {
        Some(match stop {
            Stop::Replaced => DisconnectReason::Replaced,
            Stop::TakenOver => DisconnectReason::TakenOver,
            Stop::Kicked => DisconnectReason::Kicked,
            Stop::NotSubscribed(error) => DisconnectReason::NotSubscribed(NotSubscribed::Broker(*error)),
            Stop::BrokerAway => DisconnectReason::BrokerAway,
            Stop::Shutdown { by } => {
                self.stop_by = Some(by);
                self.session.handle_stop();
                return None;
            }
        })
    }

    /// Whether the charge point takes longer to send a message than a CALL may take, while others wait for the memory that is
    /// kept for it.
    fn receives_too_slowly(&mut self, now: Instant) -> bool {
        let is_held = self.session.is_held();
        let Some(until) = self.socket.admitted_until().filter(|until| **until <= now) else { return false };
        *until = now + self.context.session_settings.call_timeout;
        !is_held && self.outbox.memory().pool().is_awaited()
    }

    fn receive(&mut self, received: Option<Result<WebSocketMessage, tungstenite::Error>>) -> Option<DisconnectReason> {
        self.context.message_rates.book(&mut self.rate_limiter);
        match received {
            Some(Ok(WebSocketMessage::Text(text))) => self.take(text.as_str()),
            Some(Ok(WebSocketMessage::Binary(_))) => return Some(DisconnectReason::Binary),
            // Nothing can be sent to it any more; what has come for it has to go back to whoever sent it.
            Some(Ok(WebSocketMessage::Close(_))) => return Some(DisconnectReason::Gone(None)),
            Some(Ok(WebSocketMessage::Pong(_))) => self.session.handle_pong(Instant::now()),
            Some(Ok(_)) => self.session.handle_alive(Instant::now()),
            Some(Err(error)) => return Some(error.into()),
            None => return Some(DisconnectReason::Gone(None)),
        }
        None
    }

    /// Handles a message once there is a permit of the slow share, beside the threads that serve the others. Meanwhile
    /// nothing more is read from the charge point, but it can be told to go.
    async fn handle_in_turn(&mut self, message: Event) -> Option<DisconnectReason> {
        let mut permit = pin!(Arc::clone(&self.context.slow_share).acquire_owned());
        self.session.handle_reading(false, Instant::now());
        let permit = loop {
            let turn = poll_fn(|cx| match permit.as_mut().poll(cx) {
                Poll::Ready(permit) => Poll::Ready(Ok(permit)),
                Poll::Pending => self.poll_urgent(cx).map(Err),
            });
            match turn.await {
                Ok(permit) => break permit,
                Err(urgent) => {
                    if let Some(reason) = self.handle(urgent) {
                        // Whoever sent it is to learn what becomes of it; what the charge point said counts as not read.
                        if let Event::Mailbox(Received::Delivery(delivery)) = message {
                            self.open(delivery);
                        }
                        return Some(reason);
                    }
                }
            }
        };
        let reason = apart(|| self.handle(message));
        drop(permit);
        // This thread may be no worker any more.
        tokio::task::yield_now().await;
        reason
    }
}

/// Counts and logs that a charge point came past the door and is not let in.
fn turn_away(context: &Context, peer: &Peer, refusal: NotEntered) -> DisconnectReason {
    let reason = match refusal {
        NotEntered::Duplicate => DisconnectReason::Duplicate,
        NotEntered::Full => {
            context.router.metrics.limited(Limit::Connections);
            DisconnectReason::Full
        }
    };
    context.router.metrics.closed(reason.name());
    info!(charge_point = %peer.identity, "closed: {reason}");
    reason
}

/// Subscribes to what the mapping of this generation wants for `peer`; done once the broker has confirmed it.
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

    /// Of a future, without making one.
    fn size_of_future<A, B, C, D, E, F: Future>(_: impl Fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_takes_no_more_room_than_it_needs_while_it_lasts() {
        type Task = ChargePoint<TcpStream>;
        let (state, task) = (size_of::<Task>(), size_of_future(Task::serve::<()>));
        assert!(state <= 1088, "{state} bytes for the state of a connection");
        assert!(task <= 256, "{task} bytes for its task");
    }
}
