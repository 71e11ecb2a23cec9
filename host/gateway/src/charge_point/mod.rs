//! The task of one connected charge point: it owns the socket and the session, and nothing else ever touches them.

mod asked;
mod back_ends;
mod call_retries;
mod ending;
mod event;
mod generations;
mod hot_swap;
mod memory;
mod outbox;
mod slow;
mod subscription;

pub use ending::Ending;

use crate::coalescing;
use crate::dead_letters::DeadLetters;
use crate::events::Event as Happening;
use crate::limits::{Limit, Limits, Pace, Place};
use crate::long_calls::CallTime;
use crate::mailbox::{Departure, Inbox, Letter, Mailbox, Stop};
use crate::presence::{Addressee, Presence};
use crate::proxies::ClientAddress;
use crate::registry::{Entered, NotEntered, Registry};
use crate::road::{Downlinked, Road, Uplinked};
use crate::socket::Socket;
use asked::Asked;
use event::Event;
use futures_util::FutureExt as _;
use generations::Generations;
use memory::Memory;
use ocpp_gateway_core::session::{Direction, Output, Session, Settings, UplinkFrame};
use ocpp_gateway_core::{Fault, MessageType, Peer};
use ocpp_gateway_mqtt::{Message, Publication, Subscriber};
use ocpp_gateway_pipeline::{Answer, NotMapped};
use outbox::{NotSubscribed, Outbox};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Context;
use std::time::{Duration, Instant};
use subscription::{owner, subscribe};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::{self, Message as WebSocketMessage};
use tracing::{debug, info, warn};

/// So many CALLs of a connection are noted in any case: see [`crate::echoes`].
const NOTED: u32 = 4;

/// What every charge point's task shares with the others.
pub struct Hall {
    pub road: Arc<Road>,
    pub registry: Registry,
    pub subscriber: Subscriber<Addressee>,
    pub dead_letters: DeadLetters,
    pub limits: Limits,
    /// Whether charge points are let in: once the broker has been reached for the first time.
    pub open: AtomicBool,
    pub presence: Presence,
    pub session_settings: Arc<Settings>,
    /// How long a CALL that nobody subscribes to is published again.
    pub wait_for_back_end: Duration,
    /// A permit for each charge point that may be served at once of those whose messages take long.
    pub slow_share: Arc<Semaphore>,
}

/// How a charge point's connection came in.
#[derive(Debug)]
pub struct Arrival {
    pub address: ClientAddress,
    /// Its place among all sockets, and those from that address.
    pub place: Place,
}

/// One charge point and its connection.
pub struct ChargePoint<S> {
    hall: Arc<Hall>,
    peer: Peer,
    arrival: Arrival,
    socket: Socket<S>,
    session: Session,
    outbox: Outbox,
    inbox: Inbox,
    generations: Generations,
    /// Who waits for the answers to CALLs of the gateway's own.
    asked: Asked,
    pace: Pace,
    call_time: CallTime,
    memory: Memory,
    /// It has been logged that no back end is subscribed.
    misses_back_end: bool,
    /// Set once the gateway stops: this connection ends when nobody waits for an answer, at the latest then.
    stop_by: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// When the timer wakes this task, once it has been set.
    alarm: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// Serves `peer` on `socket` until either ends.
    /// Everything that the connection needs while it lasts is in one place, and what it needs to end is made then.
    pub fn serve(
        hall: Arc<Hall>,
        peer: Peer,
        arrival: Arrival,
        socket: Socket<S>,
    ) -> impl Future<Output = ()> + use<S> {
        let entered = Self::enter(hall, peer, arrival, socket);
        async move {
            match entered {
                Ok(mut this) => {
                    this.announce().await;
                    let ending = this.converse().await;
                    Box::pin(this.leave(ending)).await;
                }
                Err((ending, mut socket)) => Box::pin(ending.close(&mut socket)).await,
            }
        }
    }

    /// Takes its place among the connected, or gives the socket back with the reason why it may not.
    fn enter(
        hall: Arc<Hall>,
        peer: Peer,
        arrival: Arrival,
        socket: Socket<S>,
    ) -> Result<Box<Self>, (Ending, Box<Socket<S>>)> {
        let now = Instant::now();
        let capacity = hall.session_settings.queue;
        let downlink = hall.road.memory.account(Direction::Downlink);
        let (road, dead_letters) = (Arc::clone(&hall.road), hall.dead_letters.clone());
        let (mailbox, inbox) = Mailbox::new(peer.clone(), road, dead_letters, capacity, downlink);
        let claim = || hall.presence.claim(&peer);
        let Entered { claim, predecessor } = match hall.registry.enter(&peer, arrival.address, mailbox.clone(), claim) {
            Ok(entered) => entered,
            Err(refusal) => return Err((turn_away(&hall, &peer, refusal), Box::new(socket))),
        };
        let interval = hall.registry.interval(&peer.identity);
        let mut session = Session::new(peer.version, Arc::clone(&hall.session_settings), interval, now);
        let generation = hall.road.pipeline.newest();
        session.set_generation(generation.number());
        let mailbox = Addressee::ChargePoint(mailbox);
        let subscribed = subscribe(Arc::clone(&hall), generation.clone(), peer.clone(), mailbox);
        let outbox = Outbox::new(
            hall.road.publisher.clone(),
            hall.road.memory.account(Direction::Uplink),
            predecessor,
            subscribed.boxed(),
        );
        let timer = Box::pin(tokio::time::sleep_until(session.next_timeout().into()));
        hall.road.metrics.connections.inc();
        hall.road.metrics.connected.inc();
        let (asked, pace) = (Asked::default(), Pace::default());
        let mut this = Box::new(ChargePoint {
            hall,
            peer,
            arrival,
            socket,
            session,
            outbox,
            inbox,
            generations: Generations::new(generation),
            asked,
            pace,
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
        let (peer, address) = (&self.peer, self.arrival.address);
        info!(charge_point = %peer.identity, version = %peer.version, %address, "connected");
        self.hall.road.events.tell(|| Happening::Connected {
            charge_point: peer.identity.to_string(),
            version: peer.version.subprotocol(),
            address: address.to_string(),
        });
        self.publish(self.hall.presence.connected(&self.peer, address));
        self.publish(self.hall.road.connected(self.generations.current(), &self.peer));
    }

    async fn converse(&mut self) -> Ending {
        loop {
            let event = poll_fn(|cx| self.poll_event(cx)).await;
            coalescing::message();
            let ending = if !event.is_message() {
                self.handle(event)
            } else if self.call_time.is_long() {
                Box::pin(self.handle_in_turn(event)).await
            } else {
                self.handle(event)
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Answers how the connection ends, if it does.
    fn handle(&mut self, event: Event) -> Option<Ending> {
        match event {
            Event::Received(received) => return self.receive(received),
            Event::Held(text) => self.take(&text),
            Event::Delivered(letter) => self.open(letter),
            Event::Stop(Stop::Replaced) => return Some(Ending::Replaced),
            Event::Stop(Stop::TakenOver) => return Some(Ending::TakenOver),
            Event::Stop(Stop::Kicked) => return Some(Ending::Kicked),
            Event::Stop(Stop::NotSubscribed(error)) => {
                return Some(Ending::NotSubscribed(NotSubscribed::Broker(*error)));
            }
            Event::Stop(Stop::BrokerAway) => return Some(Ending::BrokerAway),
            Event::Told(all_told) => self.hear_of_calls(all_told),
            Event::Stop(Stop::Shutdown { by }) => {
                self.stop_by = Some(by);
                self.session.handle_stop();
            }
            Event::Finished => return Some(Ending::Shutdown),
            Event::Swapped => {}
            Event::NotSubscribed(error) => return Some(Ending::NotSubscribed(error)),
            Event::Due => {
                let both = self.now();
                self.outbox.retry(both);
                let now = both.wall;
                // A message that takes long to arrive is no silence.
                if self.socket.take_received() {
                    self.session.handle_alive(now);
                }
                if self.pace.held_until().is_some() {
                    self.pace.release(now);
                }
                if self.session.is_silent(now) {
                    return Some(Ending::Silent);
                }
                if self.receives_too_slowly(now) {
                    return Some(Ending::TooSlow);
                }
                if self.stop_by.is_some_and(|by| by <= now) {
                    return Some(Ending::Shutdown);
                }
                self.session.handle_timeout(now);
                self.generations.handle_timeout(now, self.hall.road.publisher.availability().behind(now));
            }
        }
        None
    }

    fn receive(&mut self, received: Option<Result<WebSocketMessage, tungstenite::Error>>) -> Option<Ending> {
        self.hall.limits.message(&mut self.pace);
        match received {
            Some(Ok(WebSocketMessage::Text(text))) => self.take(text.as_str()),
            Some(Ok(WebSocketMessage::Binary(_))) => return Some(Ending::Binary),
            // Nothing can be sent to it any more; what has come for it has to go back to whoever sent it.
            Some(Ok(WebSocketMessage::Close(_))) => return Some(Ending::Gone(None)),
            Some(Ok(WebSocketMessage::Pong(_))) => self.session.handle_pong(Instant::now()),
            Some(Ok(_)) => self.session.handle_alive(Instant::now()),
            Some(Err(error)) => return Some(error.into()),
            None => return Some(Ending::Gone(None)),
        }
        None
    }

    /// A text from the charge point: through the session and the mapping, and off to the broker.
    fn take(&mut self, text: &str) {
        self.follow_swaps();
        let now = self.now();
        let Some(UplinkFrame { frame, generation }) = self.session.handle_text(text, now.wall) else { return };
        // After the timeout the charge point has been told that its CALL failed, and will send it again if it matters.
        let is_call = frame.kind == MessageType::Call;
        let expires = is_call.then(|| now.broker + self.hall.session_settings.call_timeout);
        let Uplinked { mut publications, mapped, answer, is_dropped } =
            self.hall.road.uplink(self.generations.of(generation), &self.peer, &frame, expires);
        if (self.session.latest_call() <= NOTED || self.hall.road.echoes.is_heard())
            && let Some(publication) = mapped.and_then(|place| publications.get(place))
        {
            self.hall.road.echoes.note([publication], None);
        }
        if is_call
            && answer.is_none()
            && let Some(publication) = mapped.and_then(|place| publications.get_mut(place))
        {
            self.track(publication, self.session.latest_call());
        }
        match answer {
            Some(Answer::Result(payload)) => self.session.handle_reply(&frame.id, payload),
            Some(Answer::Error(error)) => self.session.handle_rejection(&frame.id, error),
            Some(Answer::ResultError(error)) => self.session.handle_rejected_result(&frame.id, error),
            None if is_dropped && is_call => self.session.handle_dropped(&frame.id),
            None => {}
        }
        let mut unpublishable = None;
        for publication in publications {
            if let Err(error) = self.outbox.push_call(publication, self.hall.wait_for_back_end, now) {
                unpublishable.get_or_insert(error);
            }
        }
        let took = now.wall.elapsed();
        self.call_time.note(took);
        if let Some(error) = unpublishable {
            let error = Fault::Internal.error(self.peer.version, error.to_string());
            return self.session.handle_failed_uplink(frame.kind, &frame.id, frame.action_name(), error, generation);
        }
        if self.outbox.passed(now.wall) {
            self.hall.road.metrics.calls.passed(Direction::Uplink, took);
        }
    }

    fn open(&mut self, letter: Letter) {
        match letter {
            Letter::Message(message, arrived) => self.deliver(&message, arrived),
            Letter::Question(question) => {
                self.session.handle_own_call(&question.id, &question.action, &question.payload, Instant::now());
                self.asked.add(question);
            }
            // Whoever has lost interest need not be told.
            Letter::Look(answer) => drop(answer.send(self.session.open_calls())),
        }
    }

    /// A message from the broker: through the transforms into the session.
    fn deliver(&mut self, message: &Message, arrived: Instant) {
        let started = Instant::now();
        self.follow_swaps();
        let (reader, may_repeat) = self.generations.reader(&message.topic);
        let read = self.hall.road.read(reader, &self.peer, message, self.session.asked());
        let (reader, read) = match self.read_by_others(reader, &read, message) {
            Some(other) => other,
            None => (reader, read),
        };
        let (generation, redelivered) = (reader.number(), message.dup || may_repeat);
        let Downlinked { frames, publications, not_mapped } = self.hall.road.downlinked(&self.peer, read);
        self.publish(publications);
        let now = self.now().wall;
        self.call_time.note(now.saturating_duration_since(started));
        self.hall.road.metrics.calls.passed(Direction::Downlink, now.saturating_duration_since(arrived));
        for frame in frames {
            let (id, action) = (&*frame.id, frame.action_name());
            debug!(charge_point = %self.peer.identity, message_id = id, action, "{} from a back end", frame.kind.name());
            self.session.handle_downlink(frame, redelivered, generation, now);
        }
        if let Some(NotMapped { fault, id, text }) = not_mapped {
            self.session.handle_failed_downlink(fault, &id, text, generation);
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, kind: MessageType, text: String) -> Result<(), tungstenite::Error> {
        self.hall.road.metrics.message(Direction::Downlink, kind);
        self.socket.start_send(cx, WebSocketMessage::text(text))
    }

    fn report(&mut self, report: &UplinkFrame<'static>) {
        let generation = self.generations.of(report.generation);
        self.publish(self.hall.road.report(generation, &self.peer, &report.frame));
    }

    /// It holds on later connections of this charge point too, which need not boot again.
    fn remember_interval(&self, interval: Option<Duration>) {
        self.hall.registry.remember_interval(&self.peer.identity, interval);
    }

    fn publish(&mut self, publications: Vec<Publication>) {
        for publication in publications {
            // The publisher counts and logs what it refuses.
            let _ = self.outbox.push(publication);
        }
    }

    /// Clears up: whoever waited for this charge point is told, and its topics are left.
    async fn leave(mut self: Box<Self>, ending: Ending) {
        let ChargePoint { hall, peer, .. } = &*self;
        let road = &hall.road;
        hall.registry.leave(peer);
        road.metrics.connections.dec();
        if self.outbox.is_subscribed() {
            road.metrics.subscribed.dec();
        }
        road.metrics.closed(ending.name());
        macro_rules! log {
            ($level:ident) => {
                $level!(charge_point = %peer.identity, reason = ending.name(), "disconnected: {ending}")
            };
        }
        match ending {
            // It is the broker that has to be told something, and it will not be by the charge point.
            Ending::NotSubscribed(_) => log!(warn),
            _ => log!(info),
        }
        road.events.tell(|| Happening::Disconnected {
            charge_point: peer.identity.to_string(),
            reason: ending.name(),
            text: ending.to_string(),
        });

        if matches!(ending, Ending::BrokerAway) {
            self.outbox.withdraw();
        }
        for letter in self.inbox.close() {
            self.open(letter);
        }
        self.session.handle_disconnect();
        while let Some(output) = self.session.poll() {
            match output {
                Output::Report(report) => self.report(&report),
                Output::Incident(incident) => self.hall.road.incident(&self.peer, &incident),
                Output::Ended(end) => self.hall.road.metrics.calls.ended(&end),
                Output::Answered(id, answer) => self.asked.answer(&id, *answer),
                Output::HeartbeatInterval(interval) => self.remember_interval(interval),
                Output::Send(..) | Output::Ping => {}
            }
        }
        self.publish(self.hall.road.disconnected(self.generations.current(), &self.peer, ending.name()));
        self.publish(self.hall.presence.disconnected(&self.peer, self.arrival.address, ending.name()));
        self.inbox.depart(Departure::Announced);
        let ChargePoint { hall, peer, socket, outbox, inbox, .. } = &mut *self;
        let unsubscribed = async {
            // What comes while the gateway is being restarted waits with the broker: it gets an answer afterwards.
            if !matches!(ending, Ending::Shutdown) {
                hall.subscriber.unsubscribe(owner(peer)).await;
            }
        };
        let published = async {
            outbox.finish(&peer.identity).await;
            hall.registry.left(peer);
            inbox.depart(Departure::Complete);
        };
        tokio::join!(unsubscribed, ending.close(socket), published);
    }
}

/// Counts and logs that a charge point came past the door and is not let in.
fn turn_away(hall: &Hall, peer: &Peer, refusal: NotEntered) -> Ending {
    let ending = match refusal {
        NotEntered::Duplicate => Ending::Duplicate,
        NotEntered::Full => {
            hall.limits.hit(Limit::Connections);
            Ending::Full
        }
    };
    hall.road.metrics.closed(ending.name());
    info!(charge_point = %peer.identity, "closed: {ending}");
    ending
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    /// Of a future, without making one.
    fn size_of_future<A, B, C, D, F: Future>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_takes_no_more_room_than_it_needs_while_it_lasts() {
        type Task = ChargePoint<TcpStream>;
        let (state, task) = (size_of::<Task>(), size_of_future(Task::serve));
        assert!(state <= 1088, "{state} bytes for the state of a connection");
        assert!(task <= 256, "{task} bytes for its task");
    }
}
