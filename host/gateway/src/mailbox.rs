//! Where whatever is for a charge point waits for its task: MQTT messages, questions of the gateway's own, the wish to stop.

use crate::dead_letters::DeadLetters;
use crate::road::{REPORT, Road};
use ocpp_gateway_core::session::{Direction, OpenCalls, OwnAnswer};
use ocpp_gateway_core::{Fault, Peer};
use ocpp_gateway_mqtt::{
    Loss, MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit, Message, Observer, Publication, Recipient, SubscribeError,
};
use std::collections::LinkedList;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::task::coop;
use tracing::warn;

/// What is put into a mailbox.
pub enum Letter {
    /// A message from the broker, and when it came.
    Message(Message, Instant),
    Question(Question),
    /// Somebody wants to know what is open.
    Look(oneshot::Sender<OpenCalls>),
}

/// A CALL of the gateway's own, on behalf of an operator.
#[derive(Debug)]
pub struct Question {
    /// Starts with [`ocpp_gateway_core::session::OWN_ID`]; used once.
    pub id: String,
    pub action: String,
    /// JSON text of an object.
    pub payload: String,
    pub answer: oneshot::Sender<OwnAnswer>,
}

/// Why a letter was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    Full,
    /// Messages that wait, for this charge point or for all, take as much memory as they may.
    NoMemory,
    /// The charge point has just gone.
    Gone,
}

/// Why a connection is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The same charge point connected again.
    Replaced,
    /// It connected to another gateway.
    TakenOver,
    /// An operator wants it to end.
    Kicked,
    /// The broker does not let it have its topics any more. In a box: it is rare, and larger than the others.
    NotSubscribed(Box<SubscribeError>),
    /// The broker has been away for too long.
    BrokerAway,
    /// The gateway stops: when nothing waits for an answer any more, at the latest at this instant.
    Shutdown { by: Instant },
}

/// How far a connection has come on its way out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    #[default]
    Connected,
    /// Watchers, transforms and back ends have been told, though messages to the latter may still wait to be published.
    Announced,
    /// Its last message is with the publisher.
    Complete,
}

/// The slot in the door: a message can be put in at any time, without waiting.
#[derive(Clone)]
pub struct Mailbox(Arc<Inner>);

/// The end at which a mailbox is emptied.
pub struct Inbox(Arc<Inner>);

/// What is found in a mailbox.
pub enum Post {
    Stop(Stop),
    /// What the broker says of CALLs of the charge point.
    Told(Vec<Told>),
    Letter(Letter),
}

/// What the broker says of the publication that a CALL of the charge point has become.
pub enum Told {
    /// Nobody subscribes to its topic.
    NoSubscriber(Publication),
    /// Somebody does, for the CALL of this number.
    Delivered(u32),
}

struct Inner {
    contents: Mutex<Contents>,
    capacity: usize,
    memory: Arc<MemoryAccount>,
    peer: Peer,
    road: Arc<Road>,
    dead_letters: DeadLetters,
}

/// All that a charge point's task looks at each time it wakes, side by side: a channel for the letters, one for the wish to
/// stop and the waker of each would be ten times as much memory to fetch, for each message of hundreds of charge points.
#[derive(Default)]
struct Contents {
    // A list, because it is nearly always empty or holds a single letter: it has no buffer beside its letters.
    letters: LinkedList<(Letter, MemoryPermit)>,
    stop: Option<Stop>,
    told: Vec<Told>,
    /// Whom to wake for the next of these.
    waker: Option<Waker>,
    standing: Standing,
    departure: Departure,
    /// Wakes the connection that has taken over, which waits for the departure.
    successor: Option<Waker>,
    /// Nobody empties it any more.
    is_over: bool,
}

/// What happens to a message that is put in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Standing {
    #[default]
    Kept,
    GivenBack,
    /// Another gateway deals with it.
    Elsewhere,
}

impl Inbox {
    /// What has come: a wish to stop before anything else, and letters only if they are wanted now.
    pub fn poll(&mut self, cx: &mut Context<'_>, letters: bool) -> Poll<Post> {
        // Whoever gets letter after letter lets others have their turn.
        let turn = ready!(coop::poll_proceed(cx));
        let contents = &mut *self.0.lock();
        if let Some(stop) = contents.stop.take() {
            return Poll::Ready(Post::Stop(stop));
        }
        if !contents.told.is_empty() {
            turn.made_progress();
            return Poll::Ready(Post::Told(std::mem::take(&mut contents.told)));
        }
        if letters && let Some((letter, _)) = contents.letters.pop_front() {
            turn.made_progress();
            return Poll::Ready(Post::Letter(letter));
        }
        if !contents.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            contents.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Who is told here what becomes of CALLs of the charge point.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.0) as _
    }

    /// What is charged for letters.
    pub fn memory(&self) -> &Arc<MemoryAccount> {
        &self.0.memory
    }

    /// Whether no letter waits.
    pub fn is_empty(&self) -> bool {
        self.0.lock().letters.is_empty()
    }

    /// Takes what is in it, and from now on nothing more is.
    pub fn close(&mut self) -> impl Iterator<Item = Letter> + use<> {
        let mut contents = self.0.lock();
        contents.is_over = true;
        contents.told = Vec::new();
        std::mem::take(&mut contents.letters).into_iter().map(|(letter, _)| letter)
    }

    /// The connection has come so far on its way out.
    pub fn depart(&mut self, departure: Departure) {
        let mut contents = self.0.lock();
        contents.departure = departure;
        let successor = contents.successor.take();
        drop(contents);
        successor.into_iter().for_each(Waker::wake);
    }
}

/// However the task ended.
impl Drop for Inbox {
    fn drop(&mut self) {
        drop(self.close());
        self.depart(Departure::Complete);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Nothing is done under it that leaves anything half done.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, reason: Stop) {
        let mut contents = self.lock();
        contents.stop.get_or_insert(reason);
        wake(contents);
    }

    /// There are no more of them than CALLs of the charge point are open.
    fn tell(&self, told: Told) {
        let mut contents = self.lock();
        // Of one that is gone nobody waits for an answer.
        if !contents.is_over {
            contents.told.push(told);
            wake(contents);
        }
    }

    /// Whether one more letter of so many bytes would be taken; then it is paid for.
    fn room(&self, contents: &Contents, bytes: usize) -> Result<MemoryPermit, NotTaken> {
        if contents.is_over {
            Err(NotTaken::Gone)
        } else if contents.letters.len() >= self.capacity {
            Err(NotTaken::Full)
        } else {
            self.memory.try_charge(bytes + MESSAGE_OVERHEAD).ok_or(NotTaken::NoMemory)
        }
    }
}

impl Mailbox {
    /// A mailbox for `capacity` letters, which `memory` is charged for, and the end at which it is emptied.
    pub fn new(
        peer: Peer,
        road: Arc<Road>,
        dead_letters: DeadLetters,
        capacity: usize,
        memory: Arc<MemoryAccount>,
    ) -> (Self, Inbox) {
        let contents = Mutex::default();
        let inner = Arc::new(Inner { contents, capacity: capacity.max(1), memory, peer, road, dead_letters });
        (Mailbox(Arc::clone(&inner)), Inbox(inner))
    }

    /// From now on messages are for the connection that has taken over. Where there is none, they are turned back.
    pub fn close(&self) {
        self.0.lock().standing = Standing::GivenBack;
    }

    /// From now on messages are for another gateway, which gets each of them too.
    pub fn leave_to_other(&self) {
        self.0.lock().standing = Standing::Elsewhere;
    }

    /// Tells the connection to end. If nobody listens, it is on its way out already.
    pub fn stop(&self, reason: Stop) {
        self.0.stop(reason);
    }

    /// Ready when the connection has come as far as `wanted` on its way out. Only its successor may ask.
    pub fn poll_departure(&self, cx: &mut Context<'_>, wanted: Departure) -> Poll<()> {
        let mut contents = self.0.lock();
        if contents.departure >= wanted {
            return Poll::Ready(());
        }
        contents.successor = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Has the charge point's task look around: something that it looks for itself has changed.
    pub fn nudge(&self) {
        wake(self.0.lock());
    }

    /// The back ends are told that a message did not reach its charge point.
    fn undelivered(&self, message: Message, fault: Fault, text: &'static str) {
        let Inner { peer, road, dead_letters, .. } = &*self.0;
        if !dead_letters.put(peer, message, fault, text) {
            warn!(charge_point = %peer.identity, "a message is lost, and nobody is told: {text}");
            road.metrics.incident(Direction::Downlink, fault);
            road.publisher.lose(Loss::Overflow, REPORT);
        }
    }

    /// The same for one that would not reach it however free it is.
    fn unwanted(&self, message: Message) {
        let (fault, text) = if message.oversized.is_some() {
            (Fault::TooLarge, "the message is too large")
        } else {
            (Fault::Retained, "a retained message is stale: publish without the retain flag")
        };
        self.undelivered(message, fault, text);
    }

    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Letters that wait for the charge point's task.
    pub fn waiting(&self) -> usize {
        self.0.lock().letters.len()
    }

    /// Puts in a CALL of the gateway's own.
    pub fn ask(&self, question: Question) -> Result<(), NotTaken> {
        self.put(Letter::Question(question))
    }

    /// What is open at the moment.
    pub async fn look(&self) -> Result<OpenCalls, NotTaken> {
        let (answer, answered) = oneshot::channel();
        self.put(Letter::Look(answer))?;
        answered.await.map_err(|_| NotTaken::Gone)
    }

    fn put(&self, letter: Letter) -> Result<(), NotTaken> {
        let bytes = if let Letter::Question(question) = &letter { question.payload.len() } else { 0 };
        let contents = self.0.lock();
        let memory = self.0.room(&contents, bytes)?;
        add(contents, letter, memory);
        Ok(())
    }
}

impl Observer for Inner {
    fn no_subscriber(&self, publication: Publication) {
        self.tell(Told::NoSubscriber(publication));
    }

    fn delivered(&self, number: u32) {
        self.tell(Told::Delivered(number));
    }

    /// It would be answered with an error; the charge point keeps what it has to say while it is off line.
    fn evicted(&self, _number: u32) {
        self.stop(Stop::BrokerAway);
    }
}

impl Recipient for Mailbox {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        if says_nothing(&message) {
            return Ok(());
        }
        let Inner { peer, road, .. } = &*self.0;
        if road.echoes.is_echo(&message, Some(peer.identity.as_str())) {
            road.metrics.echoes.inc();
            return Ok(());
        }
        let contents = self.0.lock();
        match contents.standing {
            Standing::Kept => {}
            Standing::GivenBack => return Err(message),
            Standing::Elsewhere => return Ok(()),
        }
        if message.retain || message.oversized.is_some() {
            drop(contents);
            self.unwanted(message);
            return Ok(());
        }
        match self.0.room(&contents, message.topic.len() + message.payload.len()) {
            Ok(memory) => add(contents, Letter::Message(message, Instant::now()), memory),
            Err(NotTaken::Gone) => return Err(message),
            Err(NotTaken::Full) => {
                drop(contents);
                self.undelivered(message, Fault::QueueFull, "too many messages wait for this charge point");
            }
            Err(NotTaken::NoMemory) => {
                drop(contents);
                self.undelivered(message, Fault::QueueFull, "the messages that wait take as much memory as they may");
            }
        }
        Ok(())
    }

    fn turn_back(&self, message: Message) {
        self.undelivered(message, Fault::Disconnected, "the charge point has just disconnected");
    }

    /// The charge point is told, and comes back: then its topics are asked for again. Otherwise it would stay connected, and
    /// no back end could reach it.
    fn refused(&self, error: SubscribeError) {
        self.stop(Stop::NotSubscribed(Box::new(error)));
    }
}

/// Whether nobody is meant by it: an empty payload clears what is retained on a topic (MQTT 3.1.1, 3.3.1.3).
pub fn says_nothing(message: &Message) -> bool {
    message.payload.is_empty() && message.oversized.is_none()
}

fn add(mut contents: MutexGuard<'_, Contents>, letter: Letter, memory: MemoryPermit) {
    contents.letters.push_back((letter, memory));
    wake(contents);
}

/// Wakes the charge point's task, after the lock that it wants is free.
fn wake(mut contents: MutexGuard<'_, Contents>) {
    let waker = contents.waker.take();
    drop(contents);
    waker.into_iter().for_each(Waker::wake);
}
