//! One transform that was loaded, and a call of it.

use crate::abi;
use crate::error::{Failure, GuestFault, HostFault, IllegalOutput, LoadFault};
use crate::instance::{Blueprint, Instance};
use crate::output::{self, Allowance};
use crate::spec::OnError;
use crate::stats::{Ledger, TransformStatus};
use crate::warm;
use ocpp_gateway_core::Peer;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) struct Transform {
    /// In the configuration.
    pub(crate) name: String,
    /// `builtin:NAME` or a path.
    pub(crate) component: String,
    /// What the component says of itself.
    pub(crate) info: abi::Info,
    /// Of the component, in bytes.
    pub(crate) size: usize,
    pub(crate) on_error: OnError,
    pub(crate) blueprint: Blueprint,
    pub(crate) ledger: Ledger,
}

/// One call in so many is timed.
const TIMED_EVERY: u64 = 16;

impl Transform {
    /// Calls a hook in this thread's instance, and checks what it answers with. `bytes_in`: the size of the message.
    pub(crate) fn call<Lifted, Answer>(
        self: &Arc<Self>,
        peer: &Peer,
        bytes_in: usize,
        hook: impl FnOnce(&mut Instance) -> wasmtime::Result<Result<Lifted, abi::Refusal>>,
        check: impl FnOnce(Lifted, Allowance) -> Result<Answer, IllegalOutput>,
    ) -> Result<Answer, Failure> {
        warm::with(self, |warm, counters| {
            counters.calls.add(1);
            let started = counters.calls.get().is_multiple_of(TIMED_EVERY).then(Instant::now);
            let allowance = Allowance::new(&self.blueprint.limits, bytes_in);
            let answer = self
                .run(warm, peer, allowance, hook)
                .and_then(|lifted| check(lifted, allowance).map_err(|illegal| GuestFault::Output(illegal).into()));
            if let Some(started) = started {
                counters.timed_calls.add(1);
                counters.timed_ns.add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            match answer {
                Ok(_) => {}
                Err(Failure::Refused(_)) => counters.refusals.add(1),
                Err(Failure::Guest(_) | Failure::Host(_)) => counters.failures.add(1),
            }
            answer
        })
    }

    fn run<Lifted>(
        &self,
        warm: &mut Option<Instance>,
        peer: &Peer,
        allowance: Allowance,
        hook: impl FnOnce(&mut Instance) -> wasmtime::Result<Result<Lifted, abi::Refusal>>,
    ) -> Result<Lifted, Failure> {
        let instance = match warm {
            Some(instance) => instance,
            None => warm.insert(self.start()?),
        };
        instance.prepare(&self.blueprint, allowance.bytes);
        let answer = hook(instance);
        instance.flush_log(&self.name, peer.identity.as_str());
        match answer {
            Ok(answer) => {
                if instance.is_worn_out() {
                    *warm = None;
                }
                answer.map_err(|refusal| Failure::Refused(output::refusal(refusal)))
            }
            Err(error) => {
                // Whatever the guest was about when it was stopped, it is in no state to be called again.
                *warm = None;
                Err(self.blueprint.fault(&error).into())
            }
        }
    }

    fn start(&self) -> Result<Instance, Failure> {
        match self.blueprint.start(&self.name) {
            Ok((instance, _)) => Ok(instance),
            Err(LoadFault::Start(failure)) => Err(failure),
            Err(other) => Err(HostFault::Instance(other.to_string()).into()),
        }
    }

    pub(crate) fn status(&self) -> TransformStatus {
        let Transform { name, component, info, size, ledger, blueprint, .. } = self;
        TransformStatus {
            name: name.clone(),
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
            log_lines_suppressed: blueprint.gate.suppressed(),
        }
    }
}
