//! What was loaded, ready to be called from any thread; and hot swaps to something newer.

mod hot_swap;

use crate::abi::PublishIn;
use crate::chain::{Chain, Generation};
use crate::error::{Failure, LoadError, Mishap};
use crate::hook;
use crate::load::{self, Closing, Loader};
use crate::spec::{OnError, TransformSpec, Validation};
use crate::stats::TransformStatus;
use crate::surroundings::Surroundings;
use crate::swap_report::{SwapReport, TransformFault, TransformVersion};
use crate::transform::{Subject, Transform};
use crate::walk::{Answer, NotMapped, Walk};
use arc_swap::ArcSwap;
use ocpp_gateway_core::{Asked, Decision, Frame, Offer, Peer, Publish, QoS, TopicFilter};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tracing::warn;

/// The transforms that messages run through, generation after generation. Cheap to clone; each thread that calls it keeps
/// instances of its own. A call blocks its thread for as long as the transforms work, each at most its time limit.
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    /// The newest one.
    chain: ArcSwap<Chain>,
    /// Its number, at hand for each message.
    number: AtomicU64,
    /// Those that were newest before, as far as they are still in use; the latest comes last.
    older: Mutex<Vec<Weak<Chain>>>,
    loader: Loader,
    /// Held while something is loaded for a hot swap, which may take a minute: one after the other. Whoever takes both locks
    /// takes this one first; a rollback, which loads nothing, takes the other one only.
    loading: Mutex<()>,
    /// Held while something is put in place.
    workshop: Mutex<Workshop>,
    /// What each transform was before its last exchange: its code, without instances.
    previous: Mutex<HashMap<Arc<str>, Arc<Transform>>>,
    /// Why the latest exchange of a transform failed, or was taken back, if it was.
    faults: Mutex<HashMap<String, TransformFault>>,
    on_exchange: Mutex<Option<Notice>>,
}

/// Told of every attempt to put other transforms in place.
type Notice = Box<dyn Fn(&SwapReport) + Send>;

struct Workshop {
    specs: Vec<TransformSpec>,
    validation: Validation,
    /// Transforms that an operator has rolled back since the latest load began.
    rolled_back: Vec<String>,
}

impl Workshop {
    fn spec(&self, name: &str) -> Option<&TransformSpec> {
        self.specs.iter().find(|spec| spec.name == name)
    }
}

/// An MQTT message as it was received, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: QoS,
    pub retain: bool,
}

impl<'a> From<&'a Publish> for Message<'a> {
    fn from(publish: &'a Publish) -> Self {
        let Publish { topic, payload, qos, retain, .. } = publish;
        Message { topic, payload, qos: *qos, retain: *retain }
    }
}

/// What has become of a frame from a charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    pub publishes: Vec<Publish>,
    /// Which of them the mapping made of the frame, if it made one. Others are published beside the frame.
    pub mapped: Option<usize>,
    /// What the charge point is answered now, if it is.
    pub answer: Option<Answer>,
    /// Nothing is left of the frame that could lead to an answer: a CALL ends here.
    pub is_dropped: bool,
    pub mishaps: Vec<Mishap>,
}

/// What has become of a message from a back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downlink {
    pub frames: Vec<Frame<'static>>,
    pub publishes: Vec<Publish>,
    /// Why it is no frame, if it is none.
    pub not_mapped: Option<NotMapped>,
    pub mishaps: Vec<Mishap>,
    /// Message id and action of a frame that was rejected.
    pub rejected: Option<(String, String)>,
}

/// What has come of an attempt to put other transforms in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeOutcome {
    Exchanged,
    RolledBack,
    /// Everything is as it was.
    Failed,
}

/// Why a transform was not exchanged.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error("no transform is called {0:?}")]
    Unknown(String),
    #[error("there is no previous version to go back to")]
    NoPrevious,
    #[error("{0:?} was rolled back while another version of it was being loaded: that one is not put in place")]
    Overtaken(String),
    #[error("{}", lines(.0))]
    Load(Vec<LoadError>),
}

fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Pipeline {
    /// Reads, compiles, links, configures and tries every transform; with none, `builtin:standard` with its defaults.
    /// Takes some 30 ms for a small component: not for a thread that serves sockets. The errors are all there are.
    pub fn load(specs: Vec<TransformSpec>) -> Result<Self, Vec<LoadError>> {
        Self::load_in(specs, Surroundings::default())
    }

    /// The same, in other surroundings than none.
    pub fn load_in(specs: Vec<TransformSpec>, surroundings: Surroundings) -> Result<Self, Vec<LoadError>> {
        let validation = surroundings.validation;
        let loader = Loader::new(&specs, surroundings)?;
        let transforms = loader.load_all(&specs, &[])?;
        let chain = load::chain(&loader, transforms, Closing::AsConfigured(&[]), validation)?;
        Ok(Pipeline(Arc::new(Inner {
            chain: ArcSwap::from_pointee(chain),
            number: AtomicU64::default(),
            older: Mutex::default(),
            loader,
            loading: Mutex::default(),
            workshop: Mutex::new(Workshop { specs, validation, rolled_back: Vec::new() }),
            previous: Mutex::default(),
            faults: Mutex::default(),
            on_exchange: Mutex::new(None),
        })))
    }

    // ---- generations -------------------------------------------------------------------------------------------------

    /// The generation that the latest hot swap has put in place.
    pub fn newest(&self) -> Generation {
        Generation(self.0.chain.load_full())
    }

    /// The number of [`Pipeline::newest`]: whoever holds on to a generation sees by it whether there is a newer one.
    pub fn newest_number(&self) -> u64 {
        self.0.number.load(Ordering::Acquire)
    }

    /// All that somebody still uses, the newest first.
    pub fn generations(&self) -> Vec<Generation> {
        // Under the lock, so that a swap is seen as a whole.
        let older = lock(&self.0.older);
        let chains = [self.0.chain.load_full()].into_iter().chain(older.iter().rev().filter_map(Weak::upgrade));
        chains.map(Generation).collect()
    }

    // ---- messages ----------------------------------------------------------------------------------------------------

    /// A frame from a charge point, through `uplink`, the mapping and `outbound`.
    pub fn uplink(&self, generation: &Generation, peer: &Peer, frame: &Frame<'_>) -> Uplink {
        self.walk(generation, peer, |walk| walk.uplink(frame))
    }

    /// A frame that the gateway itself made, through the mapping and `outbound`.
    pub fn report(&self, generation: &Generation, peer: &Peer, frame: &Frame<'_>) -> Uplink {
        self.walk(generation, peer, |walk| walk.map_uplink(frame))
    }

    /// A message from a back end, through `inbound`, the mapping and `downlink`. `asked`: the CALLs that the charge point
    /// waits for.
    pub fn downlink(
        &self,
        Generation(chain): &Generation,
        peer: &Peer,
        message: &Message<'_>,
        asked: Asked<'_>,
    ) -> Downlink {
        let mut walk = Walk::new(chain, peer);
        walk.asked = asked;
        walk.inbound(0, PublishIn::from(message));
        let Walk { publishes, frames, not_mapped, mishaps, rejected, .. } = walk;
        self.look_after(chain, &mishaps);
        Downlink { frames, publishes, not_mapped, mishaps, rejected }
    }

    /// What the transforms want published because a charge point has connected. To be called once for each connection, and
    /// [`Pipeline::disconnected`] at its end: this is how many charge points are known to be there.
    pub fn connected(&self, generation: &Generation, peer: &Peer) -> Uplink {
        self.0.loader.runtime.note_connected();
        self.walk(generation, peer, |walk| {
            walk.event(|transform, subject| transform.call::<hook::Connected>(subject, (peer.into(),)))
        })
    }

    /// What the transforms want published because a charge point is gone.
    pub fn disconnected(&self, generation: &Generation, peer: &Peer, reason: &str) -> Uplink {
        self.0.loader.runtime.note_disconnected();
        self.walk(generation, peer, |walk| {
            walk.event(|transform, subject| transform.call::<hook::Disconnected>(subject, (peer.into(), reason)))
        })
    }

    fn walk(&self, Generation(chain): &Generation, peer: &Peer, run: impl FnOnce(&mut Walk<'_>)) -> Uplink {
        let mut walk = Walk::new(chain, peer);
        run(&mut walk);
        let mapped = walk.mapped();
        let is_dropped = walk.leads_nowhere();
        let Walk { publishes, answer, mishaps, .. } = walk;
        self.look_after(chain, &mishaps);
        Uplink { publishes, mapped, answer, is_dropped, mishaps }
    }

    /// The topic filters whose messages are for this charge point.
    pub fn subscriptions(&self, Generation(chain): &Generation, peer: &Peer) -> Result<Vec<TopicFilter>, Failure> {
        let filters = chain.mapping.call::<hook::Subscriptions>(Subject::identity(&peer.identity), (peer.into(),));
        if let Err(failure) = &filters {
            let Transform { name, version, .. } = &*chain.mapping;
            let charge_point = peer.identity.as_str();
            warn!(transform = %name, %version, charge_point, "does not name the topics of a charge point: {failure}");
            self.look_after_all(chain);
        }
        filters
    }

    /// Whether a charge point may connect. Every transform has a say; the first that refuses has the last word.
    pub fn admit(&self, offer: &Offer) -> (Decision, Vec<Mishap>) {
        let chain = self.0.chain.load();
        let (mut attributes, mut mishaps) = (Vec::new(), Vec::new());
        let subject = Subject::offer(offer);
        let mut asked = chain.admission.iter().filter(|it| it.matcher.takes_identity(&offer.identity));
        let refusal = asked.find_map(|transform| match transform.call::<hook::Admit>(subject, (offer.into(),)) {
            Ok(Decision::Accept(more)) => {
                attributes.extend(more);
                None
            }
            Ok(refusal) => Some(refusal),
            Err(failure) => {
                mishaps.push(transform.mishap(failure.into()));
                let reason = "the gateway cannot tell whether this charge point may connect";
                let refusal = || Decision::Refuse { status: 503, reason: reason.into() };
                (transform.on_error != OnError::Bypass).then(refusal)
            }
        });
        self.look_after(&chain, &mishaps);
        (refusal.unwrap_or(Decision::Accept(attributes)), mishaps)
    }

    /// Whether [`Pipeline::admit`] would ask anybody.
    pub fn has_admission(&self) -> bool {
        !self.0.chain.load().admission.is_empty()
    }

    /// Every transform with its counts.
    pub fn transforms(&self) -> Vec<TransformStatus> {
        let chain = self.0.chain.load();
        let (previous, faults) = (lock(&self.0.previous), lock(&self.0.faults));
        let status = |transform: &Arc<Transform>| TransformStatus {
            previous: previous.get(&transform.name).map(|old| TransformVersion::of(old)),
            last_fault: faults.get(&*transform.name).cloned(),
            ..transform.status()
        };
        chain.transforms.iter().map(status).collect()
    }
}

/// Whoever panicked while holding it left something that is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
