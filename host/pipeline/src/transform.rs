//! A loaded transform, and calls of its hooks.

use crate::abi;
use crate::actions::SchemaRule;
use crate::breaker::Breakers;
use crate::clock::Clock;
use crate::error::{Cause, Failure, GuestFault, HostFault, LoadFault, TransformIncident};
use crate::guest::TransformShared;
use crate::hook::{self, Function, Hook};
use crate::instance::{Instance, InstanceFactory};
use crate::load_options::LongCalls;
use crate::matching::Matcher;
use crate::output::Allowance;
use crate::settings::{OnError, OnViolation};
use crate::stats::TransformStatus;
use crate::subject::Subject;
use crate::swap_report::{TransformVersion, short_sha256};
use crate::trial::TrialGroup;
use ocpp_gateway_core::{CallError, MessageType, Payload, Schemas, Version};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use thread_local::ThreadLocal;
use tracing::{info, warn};

/// One version of one transform.
pub(crate) struct Transform {
    /// Its name in the configuration.
    pub(crate) name: Arc<str>,
    /// `builtin:NAME`, a path, or `upload of N bytes`.
    pub(crate) component: String,
    /// That of its specification.
    pub(crate) revision: AtomicU64,
    /// What the component reports for itself.
    pub(crate) info: abi::Info,
    pub(crate) version: Arc<str>,
    /// SHA-256 of the component: 64 hex digits.
    pub(crate) sha256: Arc<str>,
    /// SHA-256 of the file of its program, if there is one: 64 hex digits.
    pub(crate) program_sha256: Option<Arc<str>>,
    /// Size of the component in bytes.
    pub(crate) size: usize,
    pub(crate) on_error: OnError,
    pub(crate) on_violation: OnViolation,
    /// Its rules for payloads.
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) matcher: Arc<Matcher>,
    pub(crate) factory: InstanceFactory,
    pub(crate) breakers: Breakers,
    /// The charge points that it serves, if it is on trial.
    pub(crate) group: Option<Arc<TrialGroup>>,
    /// Why a call of it failed lately.
    pub(crate) last_failure: Mutex<Option<String>>,
    /// Instances made in advance, so that no message waits for one.
    pub(crate) spares: Mutex<Vec<Instance>>,
    /// The instance of each thread that has called it; `None` at first and after a fault. They are dropped with the
    /// transform, so that none of an old version remains after its last message, also on idle threads.
    pub(crate) instances: ThreadLocal<RefCell<Option<Instance>>>,
}

/// One call in this many is timed.
const TIMED_EVERY: u64 = 16;

impl Transform {
    /// The transform after its trial: with its matcher and rules, with the data that the gateway keeps for it, and with
    /// an instance for each thread that may call it.
    pub(crate) fn go_live(
        &self,
        shared: Arc<TransformShared>,
        matcher: Matcher,
        schemas: Schemas,
        old: Option<&Arc<Transform>>,
    ) -> Result<Arc<Self>, LoadFault> {
        let factory = InstanceFactory { shared, ..self.factory.clone() };
        let spares = factory.spares(&self.name)?;
        Ok(Arc::new(Transform {
            schemas: Arc::new(schemas),
            matcher: Arc::new(matcher),
            spares: Mutex::new(spares),
            breakers: Breakers::new(old.map(|old| &old.breakers)),
            ..self.copy_with(factory)
        }))
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Relaxed)
    }

    /// A copy without instances, for a later rollback.
    pub(crate) fn without_instances(&self) -> Arc<Self> {
        Arc::new(self.copy_with(self.factory.clone()))
    }

    /// A copy with instances, which replaces `running`. An instance that cannot be made now is made on its first call,
    /// as the transform has run before.
    pub(crate) fn reactivated(&self, running: &Transform) -> Arc<Self> {
        Arc::new(Transform {
            spares: Mutex::new(self.factory.spares(&self.name).unwrap_or_default()),
            breakers: Breakers::new(Some(&running.breakers)),
            ..self.copy_with(self.factory.clone())
        })
    }

    /// A copy for trial: with a copy of its state, and with breakers that stop nothing. What it logs is captured.
    pub(crate) fn for_trial(&self) -> Arc<Self> {
        Arc::new(Transform { breakers: Breakers::for_trial(), ..self.copy_without_effect() })
    }

    /// A copy that repeats the calls of another version: with a copy of the state, and without effect. A hook that
    /// fails is stopped as for any version.
    pub(crate) fn for_shadow(&self, group: Arc<TrialGroup>) -> Arc<Self> {
        Arc::new(Transform { group: Some(group), ..self.copy_without_effect() })
    }

    /// A copy with a copy of the state, what it logs captured, and no instances.
    fn copy_without_effect(&self) -> Self {
        let shared = Arc::new(self.factory.shared.for_trial(&self.factory.limits));
        let long_calls = LongCalls::default();
        self.copy_with(InstanceFactory { shared, long_calls, ..self.factory.clone() })
    }

    /// A copy that serves some charge points beside the version that serves the others.
    pub(crate) fn for_canary(&self, group: Arc<TrialGroup>) -> Arc<Self> {
        let shared = Arc::new(self.factory.shared.for_canary(&self.factory.limits));
        let factory = InstanceFactory { shared, ..self.factory.clone() };
        let spares = Mutex::new(factory.spares(&self.name).unwrap_or_default());
        Arc::new(Transform { group: Some(group), spares, ..self.copy_with(factory) })
    }

    /// A copy of a version on trial, which replaces `running`.
    pub(crate) fn promoted(&self, running: &Transform) -> Arc<Self> {
        let InstanceFactory { shared, long_calls, .. } = running.factory.clone();
        let factory = InstanceFactory { shared, long_calls, ..self.factory.clone() };
        Arc::new(Transform {
            spares: Mutex::new(factory.spares(&self.name).unwrap_or_default()),
            breakers: Breakers::new(Some(&running.breakers)),
            ..self.copy_with(factory)
        })
    }

    /// Whether both stem from one load: the same code with the same settings, which may have been swapped out and
    /// rolled back to since.
    pub(crate) fn is_same_load(&self, other: &Transform) -> bool {
        Arc::ptr_eq(&self.factory.exports, &other.factory.exports)
    }

    /// A transform for trial with other settings and an empty state.
    pub(crate) fn with(&self, config: String, clock: Clock) -> Result<Arc<Self>, LoadFault> {
        let shared = Arc::new(TransformShared::new(&self.factory.limits, clock));
        let factory = InstanceFactory { config, shared, ..self.factory.clone() };
        let (first, _) = factory.start(&self.name)?;
        Ok(Arc::new(Transform { spares: Mutex::new(vec![first]), ..self.copy_with(factory) }))
    }

    /// A copy with another factory, without instances.
    fn copy_with(&self, factory: InstanceFactory) -> Self {
        Transform {
            name: self.name.clone(),
            component: self.component.clone(),
            revision: self.revision().into(),
            info: self.info.clone(),
            version: self.version.clone(),
            sha256: self.sha256.clone(),
            program_sha256: self.program_sha256.clone(),
            size: self.size,
            on_error: self.on_error,
            on_violation: self.on_violation,
            schemas: self.schemas.clone(),
            matcher: self.matcher.clone(),
            factory,
            breakers: Breakers::new(None),
            group: None,
            last_failure: Mutex::default(),
            spares: Default::default(),
            instances: Default::default(),
        }
    }

    pub(crate) fn as_version(&self) -> TransformVersion {
        TransformVersion {
            component: self.component.clone(),
            revision: self.revision(),
            version: self.version.to_string(),
            sha256: self.sha256.to_string(),
            program_sha256: self.program_sha256.as_deref().map(str::to_owned),
        }
    }

    pub(crate) fn log_activated(&self) {
        let Transform { name, version, sha256, program_sha256, component, .. } = self;
        let program = program_sha256.as_deref().map(short_sha256);
        info!(transform = %name, %version, sha256 = short_sha256(sha256), program, component, "activated");
    }

    pub(crate) fn incident(&self, cause: Cause) -> TransformIncident {
        TransformIncident { transform: self.name.clone(), version: self.version.clone(), cause }
    }

    pub(crate) fn has(&self, function: Function) -> bool {
        self.factory.exports.get(function).is_some()
    }

    /// Calls a hook in the instance of this thread, and checks its answer.
    pub(crate) fn call<H: Hook>(
        &self,
        subject: Subject<'_>,
        arguments: H::Arguments<'_>,
    ) -> Result<H::Checked, Failure> {
        self.breakers.admit(H::FUNCTION, subject.caller)?;
        let counters = self.factory.shared.call_stats.own();
        counters.calls.add(1);
        let started = counters.calls.get().is_multiple_of(TIMED_EVERY).then(Instant::now);
        let allowance = Allowance::new(&self.factory.limits, subject.bytes);
        let answer = self.run::<H>(subject, allowance, arguments).and_then(|lifted| H::check(lifted, allowance));
        if let Some(started) = started {
            counters.timed_calls.add(1);
            counters.timed_ns.add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
            self.breakers.note_time(H::FUNCTION, started);
        }
        match &answer {
            Ok(_) => self.breakers.note_success(H::FUNCTION, subject.caller),
            Err(Failure::Refused(_)) => {
                self.breakers.note_success(H::FUNCTION, subject.caller);
                counters.refusals.add(1);
            }
            Err(failure @ (Failure::Guest(_) | Failure::Host(_))) => {
                counters.failures.add(1);
                self.remember(failure);
                self.note_failure(H::FUNCTION, subject);
            }
        }
        answer
    }

    /// For operators, and for the reason of the end of a trial.
    #[cold]
    fn remember(&self, failure: &Failure) {
        if !matches!(failure, Failure::Guest(GuestFault::Stopped { .. })) {
            let text = failure.to_string();
            *self.last_failure.lock() = text.lines().next().map(str::to_owned);
        }
    }

    #[cold]
    fn note_failure(&self, function: Function, subject: Subject<'_>) {
        let Subject { charge_point, caller, .. } = subject;
        let connected = self.group.as_ref().map_or_else(|| self.factory.runtime.connected(), |group| group.expected());
        let is_stopped = self.breakers.note_failure(function, caller, connected);
        if is_stopped && self.factory.shared.log_limiter.admit(caller.group, Instant::now()).is_some() {
            let (transform, version, hook) = (&self.name, &self.version, function.interface());
            warn!(
                %transform, %version, hook, charge_point,
                "fails for most messages of a charge point: stopped for that charge point"
            );
        }
    }

    /// Its JSON Schemas; none if it lacks the hook.
    pub(crate) fn schemas(&self) -> Result<Vec<SchemaRule>, Failure> {
        if !self.has(Function::Schemas) {
            return Ok(Vec::new());
        }
        self.call::<hook::Schemas>(Subject::NONE, ())
    }

    /// The violation of its schemas by a payload, if any. The cost of a check is limited, and exceeding the limit is a
    /// failure as in a call.
    pub(crate) fn violation(
        &self,
        subject: Subject<'_>,
        version: Version,
        kind: MessageType,
        action: &str,
        payload: &Payload<'_>,
    ) -> Result<Option<CallError>, Failure> {
        if !self.schemas.has(version, kind, action) {
            return Ok(None);
        }
        self.breakers.admit(Function::Schemas, subject.caller)?;
        match self.schemas.violation(version, kind, action, payload) {
            Ok(violation) => {
                self.breakers.note_success(Function::Schemas, subject.caller);
                Ok(violation)
            }
            Err(costly) => {
                self.note_failure(Function::Schemas, subject);
                Err(GuestFault::Schema(costly).into())
            }
        }
    }

    fn run<H: Hook>(
        &self,
        subject: Subject<'_>,
        allowance: Allowance,
        arguments: H::Arguments<'_>,
    ) -> Result<H::Answer, Failure> {
        let cached = &mut *self.instances.get_or_default().borrow_mut();
        let instance = match cached {
            Some(instance) => instance,
            None => cached.insert(self.start()?),
        };
        instance.prepare(&self.factory, allowance, subject.caller);
        let answer = instance.call::<H>(arguments);
        instance.flush_log(&self.name, &self.version, subject);
        match answer {
            Ok(answer) => {
                if instance.needs_recycling() {
                    *cached = None;
                }
                Ok(answer)
            }
            Err(error) => {
                let fault = instance.fault(&error, &self.factory);
                // A guest that was stopped in a call may be in an inconsistent state: it is not called again.
                *cached = None;
                Err(fault.into())
            }
        }
    }

    fn start(&self) -> Result<Instance, Failure> {
        if let Some(spare) = self.spares.lock().pop() {
            return Ok(spare);
        }
        match self.factory.start(&self.name) {
            Ok((instance, _)) => Ok(instance),
            Err(LoadFault::Start(failure)) => Err(failure),
            Err(other) => Err(HostFault::Instance(other.to_string()).into()),
        }
    }

    /// The names of the hooks that it uses and that are `wanted`, each once.
    fn hooks(&self, wanted: impl Fn(Function) -> bool) -> Vec<&'static str> {
        let all = Function::ALL.iter().copied().filter(|&function| function != Function::Configure);
        let mut names: Vec<_> =
            all.filter(|&function| self.has(function) && wanted(function)).map(Function::hook).collect();
        names.dedup();
        names
    }

    pub(crate) fn status(&self) -> TransformStatus {
        let Transform { name, component, info, sha256, program_sha256, size, factory, .. } = self;
        let call_stats = &factory.shared.call_stats;
        TransformStatus {
            name: name.to_string(),
            component: component.clone(),
            revision: self.revision(),
            built_as: info.name.clone(),
            version: info.version.clone(),
            attributes: info.attributes.clone(),
            sha256: sha256.to_string(),
            program_sha256: program_sha256.as_deref().map(str::to_owned),
            size: *size,
            calls: call_stats.sum(|counters| &counters.calls),
            refusals: call_stats.sum(|counters| &counters.refusals),
            failures: call_stats.sum(|counters| &counters.failures),
            last_failure: self.last_failure.lock().clone(),
            timed_calls: call_stats.sum(|counters| &counters.timed_calls),
            timed: Duration::from_nanos(call_stats.sum(|counters| &counters.timed_ns)),
            instances: factory.shared.instances.load(Relaxed),
            previous: None,
            last_fault: None,
            hooks: self.hooks(|_| true),
            stopped_hooks: self.hooks(|function| self.breakers.is_open(function)),
            stopped: self.breakers.is_any_open(),
            stopped_charge_points: self.breakers.stopped_individuals(),
            log_lines_suppressed: factory.shared.log_limiter.suppressed(),
            readings: factory.shared.custom_metrics.readings(),
            readings_refused: factory.shared.custom_metrics.refused(),
        }
    }
}
