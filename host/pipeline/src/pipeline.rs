//! What was loaded, ready to be called from any thread; and its exchange for something newer.

use crate::abi::PublishIn;
use crate::chain::Chain;
use crate::error::{Failure, LoadError, Mishap};
use crate::hook;
use crate::load::{self, Loader};
use crate::spec::{OnError, Source, TransformSpec, Validation};
use crate::stats::TransformStatus;
use crate::surroundings::Surroundings;
use crate::transform::{Subject, Transform};
use crate::walk::{Answer, NotMapped, Walk};
use arc_swap::ArcSwap;
use ocpp_gateway_core::{Asked, Decision, Frame, Offer, Peer, Publish, QoS, TopicFilter};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::{info, warn};

/// The transforms that every message runs through. Cheap to clone; each thread that calls it keeps instances of its
/// own. A call blocks its thread for as long as the transforms work, each at most its time limit.
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    chain: ArcSwap<Chain>,
    /// How often another chain has taken the place of this one.
    generation: AtomicU64,
    /// Held while something is loaded, so that no two exchanges overtake each other.
    workshop: Mutex<Workshop>,
    /// What each transform was before its last exchange.
    previous: Mutex<HashMap<Arc<str>, Arc<Transform>>>,
    /// Why the latest exchange of a transform failed, if it did.
    faults: Mutex<HashMap<String, String>>,
    on_exchange: Mutex<Option<Notice>>,
}

/// Told of every attempt to put other transforms in place.
type Notice = Box<dyn Fn(ExchangeOutcome) + Send>;

struct Workshop {
    loader: Loader,
    specs: Vec<TransformSpec>,
    validation: Validation,
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
        let chain = load::chain(&loader, transforms, None, validation)?;
        Ok(Pipeline(Arc::new(Inner {
            chain: ArcSwap::from_pointee(chain),
            generation: AtomicU64::default(),
            workshop: Mutex::new(Workshop { loader, specs, validation }),
            previous: Mutex::default(),
            faults: Mutex::default(),
            on_exchange: Mutex::new(None),
        })))
    }

    // ---- messages ----------------------------------------------------------------------------------------------------

    /// A frame from a charge point, through `uplink`, the mapping and `outbound`.
    pub fn uplink(&self, peer: &Peer, frame: &Frame<'_>) -> Uplink {
        self.walk(peer, |walk| walk.uplink(frame))
    }

    /// A frame that the gateway itself made, through the mapping and `outbound`.
    pub fn report(&self, peer: &Peer, frame: &Frame<'_>) -> Uplink {
        self.walk(peer, |walk| walk.map_uplink(frame))
    }

    /// A message from a back end, through `inbound`, the mapping and `downlink`. `asked`: the CALLs that the
    /// charge point waits for.
    pub fn downlink(&self, peer: &Peer, message: &Message<'_>, asked: Asked<'_>) -> Downlink {
        let chain = self.0.chain.load();
        let mut walk = Walk::new(&chain, peer);
        walk.asked = asked;
        walk.inbound(0, PublishIn::from(message));
        let Walk { publishes, frames, not_mapped, mishaps, rejected, .. } = walk;
        self.look_after(&chain, &mishaps);
        Downlink { frames, publishes, not_mapped, mishaps, rejected }
    }

    /// What the transforms want published because a charge point has connected.
    pub fn connected(&self, peer: &Peer) -> Uplink {
        self.walk(peer, |walk| {
            walk.event(|transform, subject| transform.call::<hook::Connected>(subject, (peer.into(),)))
        })
    }

    /// What the transforms want published because a charge point is gone.
    pub fn disconnected(&self, peer: &Peer, reason: &str) -> Uplink {
        self.walk(peer, |walk| {
            walk.event(|transform, subject| transform.call::<hook::Disconnected>(subject, (peer.into(), reason)))
        })
    }

    fn walk(&self, peer: &Peer, run: impl FnOnce(&mut Walk<'_>)) -> Uplink {
        let chain = self.0.chain.load();
        let mut walk = Walk::new(&chain, peer);
        run(&mut walk);
        let mapped = walk.mapped();
        let is_dropped = walk.leads_nowhere();
        let Walk { publishes, answer, mishaps, .. } = walk;
        self.look_after(&chain, &mishaps);
        Uplink { publishes, mapped, answer, is_dropped, mishaps }
    }

    /// The topic filters whose messages are for this charge point.
    pub fn subscriptions(&self, peer: &Peer) -> Result<Vec<TopicFilter>, Failure> {
        let chain = self.0.chain.load();
        let filters = chain.mapping.call::<hook::Subscriptions>(Subject::identity(&peer.identity), (peer.into(),));
        if let Err(failure) = &filters {
            let Transform { name, version, .. } = &*chain.mapping;
            let charge_point = peer.identity.as_str();
            warn!(transform = %name, %version, charge_point, "does not name the topics of a charge point: {failure}");
            self.look_after_all(&chain);
        }
        filters
    }

    /// The same for a charge point that was connected when another mapping took over. One that fails at this leaves the
    /// charge point on topics of which it knows nothing: the mapping before it comes back, if there is one.
    pub fn subscriptions_anew(&self, peer: &Peer) -> Result<Vec<TopicFilter>, Failure> {
        let chain = self.0.chain.load();
        let filters = self.subscriptions(peer);
        if filters.is_err() && chain.mapping.breakers.give_up() {
            self.take_back(&chain.mapping);
        }
        filters
    }

    /// Different after each exchange. Whoever asks before [`Pipeline::subscriptions`] and again later knows whether what
    /// it was told still holds.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Whether a charge point may connect. Every transform has a say; the first that refuses has the last word.
    pub fn admit(&self, offer: &Offer) -> (Decision, Vec<Mishap>) {
        let chain = self.0.chain.load();
        let (mut attributes, mut mishaps) = (Vec::new(), Vec::new());
        let subject = Subject::identity(&offer.identity);
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

    /// Whether [`Pipeline::connected`] and [`Pipeline::disconnected`] would ask anybody.
    pub fn has_events(&self) -> bool {
        !self.0.chain.load().events.is_empty()
    }

    /// Every transform with its counts.
    pub fn transforms(&self) -> Vec<TransformStatus> {
        let chain = self.0.chain.load();
        let (previous, faults) = (lock(&self.0.previous), lock(&self.0.faults));
        let status = |transform: &Arc<Transform>| TransformStatus {
            previous: previous.get(&transform.name).map(|old| old.info.version.clone()),
            last_fault: faults.get(&*transform.name).cloned(),
            ..transform.status()
        };
        chain.transforms.iter().map(status).collect()
    }

    // ---- exchange ----------------------------------------------------------------------------------------------------

    /// Calls `notice` after each attempt. Where something was exchanged, charge points may need other subscriptions now.
    pub fn on_exchange(&self, notice: impl Fn(ExchangeOutcome) + Send + 'static) {
        *lock(&self.0.on_exchange) = Some(Box::new(notice));
    }

    /// Loads the transform `name` from `source`, or anew from where it came from, and puts it in the place of the one
    /// that runs. If anything is wrong with it, the one that runs goes on. Messages on their way end where they began.
    pub fn exchange(&self, name: &str, source: Option<Source>) -> Result<(), ExchangeError> {
        let mut workshop = lock(&self.0.workshop);
        let chain = self.0.chain.load_full();
        let Some(old) = chain.transforms.iter().find(|transform| *transform.name == *name) else {
            return Err(ExchangeError::Unknown(name.to_owned()));
        };
        // Whatever runs without being configured is the mapping that closes the chain.
        let closing = || TransformSpec { name: name.to_owned(), ..TransformSpec::standard() };
        let configured = workshop.spec(name).cloned().unwrap_or_else(closing);
        let mut spec = configured.clone();
        if let Some(source) = source {
            spec.source = source;
        }
        let loaded = workshop.loader.load(&spec, Some(old));
        let exchanged = loaded
            .map_err(|faults| faults.into_iter().map(|fault| load::error(&spec, fault)).collect())
            .and_then(|new| self.put_in_place(&workshop, &chain, new));
        if exchanged.is_ok() && workshop.spec(name).is_none() {
            workshop.specs.push(configured);
        }
        self.conclude(Some(name), ExchangeOutcome::Exchanged, exchanged)
    }

    /// Puts the version before the last exchange back in its place. The one that runs becomes the previous one.
    pub fn roll_back(&self, name: &str) -> Result<(), ExchangeError> {
        let workshop = lock(&self.0.workshop);
        self.roll_back_in(&workshop, name, true)
    }

    /// `keep`: whether the one that runs is worth going back to.
    fn roll_back_in(&self, workshop: &Workshop, name: &str, keep: bool) -> Result<(), ExchangeError> {
        let chain = self.0.chain.load_full();
        if !chain.transforms.iter().any(|transform| *transform.name == *name) {
            return Err(ExchangeError::Unknown(name.to_owned()));
        }
        let old = lock(&self.0.previous).get(name).cloned().ok_or(ExchangeError::NoPrevious)?;
        old.breakers.close();
        let rolled_back = self.put_in_place(workshop, &chain, old);
        if rolled_back.is_ok() && !keep {
            lock(&self.0.previous).remove(name);
        }
        self.conclude(Some(name), ExchangeOutcome::RolledBack, rolled_back)
    }

    /// Loads other transforms in the place of all that run. If anything is wrong with any of them, everything stays.
    pub fn exchange_all(&self, specs: Vec<TransformSpec>, validation: Validation) -> Result<(), ExchangeError> {
        let mut workshop = lock(&self.0.workshop);
        let old = self.0.chain.load_full();
        let loaded = workshop.loader.load_all(&specs, &old.transforms);
        let exchanged = loaded.and_then(|loaded| load::chain(&workshop.loader, loaded, None, validation)).map(|new| {
            let stays = |old: &&Arc<Transform>| new.transforms.iter().any(|new| new.name == old.name);
            let stayed = old.transforms.iter().filter(stays);
            *lock(&self.0.previous) = stayed.map(|old| (old.name.clone(), old.clone())).collect();
            workshop.specs = specs;
            workshop.validation = validation;
            self.go_live(new);
        });
        self.conclude(None, ExchangeOutcome::Exchanged, exchanged)
    }

    fn put_in_place(&self, workshop: &Workshop, chain: &Chain, new: Arc<Transform>) -> Result<(), Vec<LoadError>> {
        let exchange = |old: &Arc<Transform>| if old.name == new.name { new.clone() } else { old.clone() };
        let stays = |old: &&Arc<Transform>| old.name == new.name || workshop.spec(&old.name).is_some();
        let closed = chain.transforms.iter().find(|old| !stays(old));
        let transforms = chain.transforms.iter().filter(stays).map(exchange).collect();
        let next = load::chain(&workshop.loader, transforms, closed, workshop.validation)?;
        if let Some(old) = chain.transforms.iter().find(|old| old.name == new.name) {
            lock(&self.0.previous).insert(old.name.clone(), old.clone());
        }
        self.go_live(next);
        info!(transform = %new.name, version = %new.version, component = new.component, "runs from now on");
        Ok(())
    }

    fn go_live(&self, next: Chain) {
        for transform in &next.transforms {
            transform.blueprint.belongings.set_limits(&transform.blueprint.limits);
        }
        self.0.chain.store(Arc::new(next));
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// `name`: of the transform that was to be exchanged; `None`: all of them were.
    fn conclude(
        &self,
        name: Option<&str>,
        outcome: ExchangeOutcome,
        exchanged: Result<(), Vec<LoadError>>,
    ) -> Result<(), ExchangeError> {
        let outcome = match &exchanged {
            Ok(()) => {
                lock(&self.0.faults).retain(|transform, _| name.is_some_and(|name| transform != name));
                outcome
            }
            Err(errors) => {
                let mut faults = lock(&self.0.faults);
                for errors in errors.chunk_by(|one, next| name.is_some() || one.transform == next.transform) {
                    faults.insert(name.unwrap_or(&errors[0].transform).to_owned(), lines(errors));
                }
                ExchangeOutcome::Failed
            }
        };
        if let Some(notice) = &*lock(&self.0.on_exchange) {
            notice(outcome);
        }
        exchanged.map_err(ExchangeError::Load)
    }

    fn look_after(&self, chain: &Chain, mishaps: &[Mishap]) {
        if !mishaps.is_empty() {
            self.look_after_all(chain);
        }
    }

    /// Takes a transform back of which a hook has failed so often that its breaker has opened.
    fn look_after_all(&self, chain: &Chain) {
        for transform in &chain.transforms {
            let Some(function) = transform.breakers.take_trip() else { continue };
            let Transform { name, version, .. } = &**transform;
            warn!(transform = %name, %version, hook = function.interface(), "fails every time: it is not called for a while");
            if transform.breakers.give_up() {
                self.take_back(transform);
            }
        }
    }

    /// Puts the version before `failing` in its place, if there is one and `failing` still runs. Not on this thread:
    /// whoever loads something holds the workshop for long.
    fn take_back(&self, failing: &Arc<Transform>) {
        let (pipeline, failing) = (self.clone(), failing.clone());
        let taken_back = std::thread::Builder::new().name("transform-rollback".into()).spawn(move || {
            let workshop = lock(&pipeline.0.workshop);
            if !pipeline.0.chain.load().transforms.iter().any(|running| Arc::ptr_eq(running, &failing)) {
                return;
            }
            let (name, version) = (&failing.name, &failing.version);
            match pipeline.roll_back_in(&workshop, name, false) {
                Ok(()) => warn!(transform = %name, failed = %version, "the previous version has taken over"),
                Err(ExchangeError::NoPrevious | ExchangeError::Unknown(_)) => {}
                Err(error) => warn!(transform = %name, "the previous version could not take over: {error}"),
            }
        });
        if let Err(error) = taken_back {
            warn!("no thread for a rollback: {error}");
        }
    }
}

/// Whoever panicked while holding it left something that is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
