//! Stops calling a hook that fails: for one charge point, or for all if it fails for most of them.
//!
//! Charge points do not affect each other. A hook that fails for one is stopped for that one ([`ChargePointBreakers`]); it is
//! stopped for all only if it fails for most of those that it is called for ([`HookBreaker`]). A call that succeeds
//! costs some loads, and no lock unless its charge point has failed lately.

mod charge_points;
mod distinct_count;
mod hook;
mod thresholds;

use crate::caller::Caller;
use crate::error::GuestFault;
use crate::hook::Function;
use charge_points::ChargePointBreakers;
use hook::HookBreaker;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A transform that fails for most charge points within this time after a hot swap is rolled back.
const ROLLBACK_WINDOW: Duration = Duration::from_secs(600);

/// The breakers of one version of a transform.
#[derive(Debug)]
pub(crate) struct Breakers {
    hooks: [HookBreaker; Function::COUNT],
    charge_points: ChargePointBreakers,
    /// When this version was activated.
    since: Instant,
    /// Whether the rollback to the previous version has begun.
    rollback_begun: AtomicBool,
    /// Whether failures stop nothing.
    for_trial: bool,
}

impl Breakers {
    /// `before`: the breakers of the replaced version, which know the number of charge points.
    pub(crate) fn new(before: Option<&Breakers>) -> Self {
        let now = Instant::now();
        let hook = |index: usize| HookBreaker::new(now, before.and_then(|before| before.hooks[index].usually_called()));
        Breakers {
            hooks: std::array::from_fn(hook),
            charge_points: ChargePointBreakers::default(),
            since: now,
            rollback_begun: AtomicBool::new(false),
            for_trial: false,
        }
    }

    /// Breakers that stop nothing, however much fails.
    pub(crate) fn for_trial() -> Self {
        Breakers { for_trial: true, ..Breakers::new(None) }
    }

    /// Call it before each call of a hook; `Err`: the hook is stopped.
    pub(crate) fn admit(&self, function: Function, caller: Caller) -> Result<(), GuestFault> {
        let hook = &self.hooks[function as usize];
        if let Some(remaining) = hook.is_open() {
            return Err(GuestFault::Stopped { remaining, for_all: true });
        }
        if let Some(remaining) = self.charge_points.stopped_for(individual(function, caller), Instant::now) {
            return Err(GuestFault::Stopped { remaining, for_all: false });
        }
        hook.note_call(caller.group);
        Ok(())
    }

    pub(crate) fn note_success(&self, function: Function, caller: Caller) {
        self.charge_points.note_success(individual(function, caller), Instant::now);
    }

    /// `connected`: the number of connected charge points. Returns whether this failure stops the hook for this caller.
    pub(crate) fn note_failure(&self, function: Function, caller: Caller, connected: usize) -> bool {
        if self.for_trial {
            return false;
        }
        let now = Instant::now();
        self.hooks[function as usize].note_failure(function, caller.group, connected, now);
        self.charge_points.note_failure(individual(function, caller), now)
    }

    /// Call it regularly with the time, so that a new counting window can begin.
    pub(crate) fn note_time(&self, function: Function, now: Instant) {
        self.hooks[function as usize].note_time(now);
    }

    pub(crate) fn is_any_open(&self) -> bool {
        self.hooks.iter().any(|hook| hook.is_open().is_some())
    }

    /// Whether this hook is stopped for all.
    pub(crate) fn is_open(&self, function: Function) -> bool {
        self.hooks[function as usize].is_open().is_some()
    }

    /// The number of charge points for which a hook is stopped; one counts for each of its hooks.
    pub(crate) fn stopped_individuals(&self) -> usize {
        self.charge_points.stopped(Instant::now())
    }

    /// A hook that was stopped for all since the last call of this function.
    pub(crate) fn take_trip(&self) -> Option<Function> {
        Function::ALL.iter().copied().find(|&function| self.hooks[function as usize].take_trip())
    }

    /// Returns true once, if the transform is to be rolled back because a hook of it is stopped for all. A version on
    /// trial is taken back however long it has run.
    pub(crate) fn begin_rollback(&self, is_on_trial: bool) -> bool {
        (is_on_trial || self.since.elapsed() < ROLLBACK_WINDOW) && !self.rollback_begun.swap(true, Relaxed)
    }
}

/// The key of one charge point and one hook.
fn individual(function: Function, caller: Caller) -> u64 {
    // Any odd number that mixes the bits.
    caller.individual ^ (function as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::thresholds::MIN_FAILURES;
    use super::*;
    use ocpp_gateway_core::{Attributes, Identity, Offer};

    const HOOK: Function = Function::ToMqtt;

    fn charge_point(number: usize) -> Caller {
        Caller::charge_point(&format!("CP{number}"))
    }

    fn offer(identity: usize, address: &str) -> Caller {
        Caller::offer(&Offer {
            identity: Identity::new(&format!("X{identity}"), 48).expect("an identity"),
            remote_address: address.into(),
            path: String::new(),
            protocols: Vec::new(),
            headers: Attributes::new(),
            user: None,
            attributes: Attributes::new(),
        })
    }

    /// Makes one call, unless the hook is stopped.
    fn call(breakers: &Breakers, function: Function, caller: Caller, works: bool) -> Result<(), GuestFault> {
        breakers.admit(function, caller)?;
        match works {
            true => breakers.note_success(function, caller),
            false => {
                breakers.note_failure(function, caller, 50);
            }
        }
        Ok(())
    }

    fn is_stopped(breakers: &Breakers, caller: Caller) -> bool {
        breakers.admit(HOOK, caller).is_err()
    }

    #[test]
    fn a_hook_that_fails_for_one_charge_point_is_stopped_for_that_one() {
        let breakers = Breakers::new(None);
        // It also calls before all others.
        let stopped = (0..1000).filter(|_| call(&breakers, HOOK, charge_point(0), false).is_err()).count();
        assert_eq!(stopped, 1000 - MIN_FAILURES as usize);
        (1..50).for_each(|other| assert_eq!(call(&breakers, HOOK, charge_point(other), true), Ok(())));
        assert_eq!((breakers.is_any_open(), breakers.take_trip()), (false, None));
        assert_eq!(breakers.stopped_individuals(), 1);
        // Its other hooks are still called.
        assert_eq!(call(&breakers, Function::FromMqtt, charge_point(0), true), Ok(()));
    }

    #[test]
    fn eight_failures_of_nine_stop_a_charge_point_while_others_succeed() {
        let breakers = Breakers::new(None);
        let stopped = (0..100).any(|round| {
            let failing = (0..9).any(|nth| call(&breakers, HOOK, charge_point(0), nth == 8).is_err());
            call(&breakers, HOOK, charge_point(1 + round % 49), true).expect("others are served");
            failing
        });
        assert!(stopped);
        let one_in_three = Breakers::new(None);
        assert!((0..300).all(|nth| call(&one_in_three, HOOK, charge_point(0), nth % 3 != 0).is_ok()));
    }

    #[test]
    fn a_hook_that_fails_for_most_is_stopped_for_all() {
        let breakers = Breakers::new(None);
        let served = (0..50).take_while(|&number| call(&breakers, HOOK, charge_point(number), false).is_ok()).count();
        assert!((24..=29).contains(&served), "{served}");
        assert!(is_stopped(&breakers, charge_point(49)) && breakers.is_any_open());
        assert!(breakers.is_open(HOOK) && !breakers.is_open(Function::FromMqtt), "of its hooks, only this one");
        assert_eq!((breakers.take_trip(), breakers.take_trip()), (Some(HOOK), None));
        assert_eq!((breakers.begin_rollback(false), breakers.begin_rollback(false)), (true, false));
    }

    #[test]
    fn failures_of_a_trial_stop_nothing() {
        let breakers = Breakers::for_trial();
        let mut callers = (0..50).chain(std::iter::repeat_n(0, 1000));
        assert!(callers.all(|number| call(&breakers, HOOK, charge_point(number), false).is_ok()));
        assert_eq!((breakers.is_any_open(), breakers.stopped_individuals()), (false, 0));
    }

    #[test]
    fn next_version_knows_the_number_of_charge_points() {
        let before = Breakers::new(None);
        (0..50).for_each(|number| call(&before, HOOK, charge_point(number), true).expect("called"));
        let breakers = Breakers::new(Some(&before));
        // Three charge points fail before the others call.
        for _ in 0..MIN_FAILURES {
            (0..3).for_each(|number| {
                breakers.note_failure(HOOK, charge_point(number), 0);
            });
        }
        assert!(!breakers.is_any_open());
    }

    #[test]
    fn admission_failures_from_one_address_count_as_one() {
        let breakers = Breakers::new(None);
        let offers = |address: fn(usize) -> String| {
            (0..100).all(|nth| call(&breakers, Function::Admit, offer(nth, &address(nth)), false).is_ok())
        };
        assert!(offers(|nth| format!("192.0.2.1:{}", 1000 + nth)));
        assert!(offers(|nth| format!("[2001:db8::{nth:x}]:1000")));
        assert!(!breakers.is_any_open());
        // Behind a load balancer all have one address: what fails for one is not stopped for the others.
        for _ in 0..MIN_FAILURES {
            let _ = call(&breakers, Function::Admit, offer(0, "192.0.2.1:1"), false);
        }
        assert!(call(&breakers, Function::Admit, offer(0, "192.0.2.1:1"), true).is_err());
        assert!(call(&breakers, Function::Admit, offer(500, "192.0.2.1:1"), true).is_ok());
    }
}
