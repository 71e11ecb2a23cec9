//! One transform that was loaded, and a call of it.

use crate::abi::{self, Packed, PublishIn};
use crate::breaker::Breakers;
use crate::clock::Clock;
use crate::error::{Cause, Failure, GuestFault, HostFault, LoadFault, Mishap};
use crate::guest::Belongings;
use crate::hook::{self, Function, Hook};
use crate::instance::{Blueprint, Instance};
use crate::matching::{Matcher, Matching};
use crate::native::Native;
use crate::output::Allowance;
use crate::probe::SchemaRule;
use crate::spec::{OnError, OnViolation};
use crate::stats::TransformStatus;
use crate::warm;
use ocpp_gateway_core::{Frame, Identity, Peer, Publish, Schemas};
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One version of one transform.
pub(crate) struct Transform {
    /// In the configuration.
    pub(crate) name: Arc<str>,
    /// `builtin:NAME`, a path, or that it was uploaded.
    pub(crate) component: String,
    /// What the component says of itself.
    pub(crate) info: abi::Info,
    pub(crate) version: Arc<str>,
    /// Of the component, in bytes.
    pub(crate) size: usize,
    pub(crate) on_error: OnError,
    pub(crate) on_violation: OnViolation,
    /// Its rules for payloads.
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) matcher: Matcher,
    pub(crate) blueprint: Blueprint,
    pub(crate) native: Option<Native>,
    pub(crate) breakers: Breakers,
    /// Instances made before anybody waits for one.
    pub(crate) spares: Mutex<Vec<Instance>>,
}

/// What a call is about, for the log and the limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Empty where there is none.
    pub(crate) charge_point: &'a str,
    /// Empty where it is not known.
    pub(crate) action: &'a str,
    /// The size of the message.
    pub(crate) bytes: usize,
}

impl<'a> Subject<'a> {
    /// None of the charge points.
    pub(crate) const NOBODY: Self = Subject { charge_point: "", action: "", bytes: 0 };

    /// A charge point that comes or goes.
    pub(crate) fn identity(identity: &'a Identity) -> Self {
        Subject { charge_point: identity.as_str(), ..Subject::NOBODY }
    }

    pub(crate) fn frame(peer: &'a Peer, frame: &'a Frame<'_>) -> Self {
        let error = frame.error.as_ref().map_or(0, |head| head.code.len() + head.description.len());
        let bytes = frame.payload.len() + frame.id.len() + frame.action_name().len() + error;
        Subject { charge_point: peer.identity.as_str(), action: frame.action_name(), bytes }
    }

    /// `action`: of the frame that the message comes from.
    pub(crate) fn message(peer: &'a Peer, action: Option<&'a str>, payload: &[u8]) -> Self {
        Subject { charge_point: peer.identity.as_str(), action: action.unwrap_or_default(), bytes: payload.len() }
    }
}

/// One call in so many is timed.
const TIMED_EVERY: u64 = 16;

impl Transform {
    /// The same transform after its trial: with its own messages and rules, with what the gateway keeps for it, and with
    /// an instance for each thread that may call it.
    pub(crate) fn go_live(
        &self,
        belongings: Arc<Belongings>,
        matcher: Matcher,
        schemas: Schemas,
    ) -> Result<Arc<Self>, LoadFault> {
        let blueprint = Blueprint { belongings, ..self.blueprint.clone() };
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let spares = (0..threads).map(|_| Ok(blueprint.start(&self.name)?.0)).collect::<Result<_, LoadFault>>()?;
        Ok(Arc::new(Transform {
            schemas: Arc::new(schemas),
            spares: Mutex::new(spares),
            ..self.anew(blueprint, matcher)
        }))
    }

    /// A transform on trial in other settings, with nothing kept for it.
    pub(crate) fn with(&self, config: String, clock: Clock) -> Result<Arc<Self>, LoadFault> {
        let belongings = Arc::new(Belongings::new(&self.blueprint.limits, clock));
        let blueprint = Blueprint { config, belongings, ..self.blueprint.clone() };
        let (first, _) = blueprint.start(&self.name)?;
        let matcher = Matcher::new(&Matching::default());
        Ok(Arc::new(Transform { native: None, spares: Mutex::new(vec![first]), ..self.anew(blueprint, matcher) }))
    }

    /// The same in other surroundings, without its rules and instances.
    fn anew(&self, blueprint: Blueprint, matcher: Matcher) -> Self {
        Transform {
            name: self.name.clone(),
            component: self.component.clone(),
            info: self.info.clone(),
            version: self.version.clone(),
            size: self.size,
            on_error: self.on_error,
            on_violation: self.on_violation,
            schemas: Default::default(),
            matcher,
            blueprint,
            native: self.native.clone(),
            breakers: Breakers::default(),
            spares: Default::default(),
        }
    }

    pub(crate) fn mishap(&self, cause: Cause) -> Mishap {
        Mishap { transform: self.name.clone(), version: self.version.clone(), cause }
    }

    pub(crate) fn has(&self, function: Function) -> bool {
        self.blueprint.exports.get(function).is_some()
    }

    /// Calls a hook in this thread's instance, and checks what it answers with.
    pub(crate) fn call<H: Hook>(
        self: &Arc<Self>,
        subject: Subject<'_>,
        arguments: H::Arguments<'_>,
    ) -> Result<H::Checked, Failure> {
        let breaker = self.breakers.of(H::FUNCTION);
        if let Some(until) = breaker.is_open() {
            return Err(GuestFault::Stopped { until }.into());
        }
        warm::with(self, |warm, counters| {
            counters.calls.add(1);
            let started = counters.calls.get().is_multiple_of(TIMED_EVERY).then(Instant::now);
            let allowance = Allowance::new(&self.blueprint.limits, subject.bytes);
            let answer =
                self.run::<H>(warm, subject, allowance, arguments).and_then(|lifted| H::check(lifted, allowance));
            if let Some(started) = started {
                counters.timed_calls.add(1);
                counters.timed_ns.add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            match answer {
                Ok(_) => breaker.note_success(),
                Err(Failure::Refused(_)) => {
                    breaker.note_success();
                    counters.refusals.add(1);
                }
                Err(Failure::Guest(_) | Failure::Host(_)) => {
                    breaker.note_failure();
                    counters.failures.add(1);
                }
            }
            answer
        })
    }

    /// Maps a frame. For a mapping only.
    pub(crate) fn to_mqtt(self: &Arc<Self>, peer: &Peer, frame: &Frame<'_>) -> Result<Vec<Publish>, Failure> {
        match &self.native {
            Some(native) => native.to_mqtt(peer, frame),
            None => self.call::<hook::ToMqtt>(Subject::frame(peer, frame), Packed(peer.into(), frame.into())),
        }
    }

    /// Maps a message. For a mapping only.
    pub(crate) fn from_mqtt(
        self: &Arc<Self>,
        peer: &Peer,
        message: PublishIn<'_>,
    ) -> Result<Vec<Frame<'static>>, Failure> {
        match &self.native {
            Some(native) => native.from_mqtt(peer, message),
            None => {
                let subject = Subject::message(peer, None, message.payload());
                self.call::<hook::FromMqtt>(subject, Packed(peer.into(), message))
            }
        }
    }

    /// The JSON Schemas that it has; none if it has no such hook.
    pub(crate) fn schemas(self: &Arc<Self>) -> Result<Vec<SchemaRule>, Failure> {
        if !self.has(Function::Schemas) {
            return Ok(Vec::new());
        }
        self.call::<hook::Schemas>(Subject::NOBODY, ())
    }

    fn run<H: Hook>(
        &self,
        warm: &mut Option<Instance>,
        subject: Subject<'_>,
        allowance: Allowance,
        arguments: H::Arguments<'_>,
    ) -> Result<H::Answer, Failure> {
        let instance = match warm {
            Some(instance) => instance,
            None => warm.insert(self.start()?),
        };
        instance.prepare(&self.blueprint, allowance.bytes);
        let answer = instance.call::<H>(arguments);
        instance.flush_log(&self.name, &self.version, subject);
        match answer {
            Ok(answer) => {
                if instance.is_worn_out() {
                    *warm = None;
                }
                Ok(answer)
            }
            Err(error) => {
                // Whatever the guest was about when it was stopped, it is in no state to be called again.
                *warm = None;
                Err(self.blueprint.fault(&error).into())
            }
        }
    }

    fn start(&self) -> Result<Instance, Failure> {
        if let Some(spare) = self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(spare);
        }
        match self.blueprint.start(&self.name) {
            Ok((instance, _)) => Ok(instance),
            Err(LoadFault::Start(failure)) => Err(failure),
            Err(other) => Err(HostFault::Instance(other.to_string()).into()),
        }
    }

    pub(crate) fn status(&self) -> TransformStatus {
        let Transform { name, component, info, size, blueprint, .. } = self;
        let ledger = &blueprint.belongings.ledger;
        TransformStatus {
            name: name.to_string(),
            component: component.clone(),
            built_as: info.name.clone(),
            version: info.version.clone(),
            attributes: info.attributes.clone(),
            size: *size,
            calls: ledger.sum(|counters| &counters.calls),
            refusals: ledger.sum(|counters| &counters.refusals),
            failures: ledger.sum(|counters| &counters.failures),
            timed_calls: ledger.sum(|counters| &counters.timed_calls),
            timed: Duration::from_nanos(ledger.sum(|counters| &counters.timed_ns)),
            previous: None,
            last_fault: None,
            stopped: self.breakers.is_any_open(),
            log_lines_suppressed: blueprint.belongings.gate.suppressed(),
            readings: blueprint.belongings.meters.readings(),
            readings_refused: blueprint.belongings.meters.refused(),
        }
    }
}
