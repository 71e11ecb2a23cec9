//! Stops calling a hook that fails: for one charge point, or for all if it fails for most of them.
//!
//! A charge point never pays for another one. What fails for one is stopped for that one ([`Individuals`]); a hook is
//! stopped for all only when it fails for most of those that it is called for ([`HookBreaker`]). A call that succeeds costs
//! some loads, and no lock unless its charge point has failed lately.

mod distinct;
mod hook;
mod individuals;
mod thresholds;

use crate::caller::Caller;
use crate::error::GuestFault;
use crate::hook::Function;
use hook::HookBreaker;
use individuals::Individuals;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A transform that fails for most within this time after a hot swap is taken back.
const TRIAL: Duration = Duration::from_secs(600);

/// All of one version of a transform.
#[derive(Debug)]
pub(crate) struct Breakers {
    hooks: [HookBreaker; Function::COUNT],
    individuals: Individuals,
    /// When this version was put in place.
    since: Instant,
    /// The version before is being put back.
    given_up: AtomicBool,
}

impl Breakers {
    /// `before`: those of the version that this one takes over from, which know how many charge points there are.
    pub(crate) fn new(before: Option<&Breakers>) -> Self {
        let now = Instant::now();
        let hook = |place: usize| HookBreaker::new(now, before.and_then(|before| before.hooks[place].usually_called()));
        Breakers {
            hooks: std::array::from_fn(hook),
            individuals: Individuals::default(),
            since: now,
            given_up: AtomicBool::new(false),
        }
    }

    /// To be asked before each call: `Err` if there must be none.
    pub(crate) fn admit(&self, function: Function, caller: Caller) -> Result<(), GuestFault> {
        let hook = &self.hooks[function as usize];
        if let Some(until) = hook.is_open() {
            return Err(GuestFault::Stopped { until, for_all: true });
        }
        if let Some(until) = self.individuals.stopped_for(individual(function, caller), Instant::now) {
            return Err(GuestFault::Stopped { until, for_all: false });
        }
        hook.note_call(caller.party);
        Ok(())
    }

    pub(crate) fn note_success(&self, function: Function, caller: Caller) {
        self.individuals.note_success(individual(function, caller), Instant::now);
    }

    /// `connected`: how many charge points are. Answers whether the hook is stopped for this one from now on.
    pub(crate) fn note_failure(&self, function: Function, caller: Caller, connected: usize) -> bool {
        let now = Instant::now();
        self.hooks[function as usize].note_failure(function, caller.party, connected, now);
        self.individuals.note_failure(individual(function, caller), now)
    }

    /// To be called now and then with the time, so that those that are called are counted anew.
    pub(crate) fn note_time(&self, function: Function, now: Instant) {
        self.hooks[function as usize].note_time(now);
    }

    pub(crate) fn is_any_open(&self) -> bool {
        self.hooks.iter().any(|hook| hook.is_open().is_some())
    }

    /// For how many charge points a hook is stopped; one counts for each of its hooks.
    pub(crate) fn stopped_individuals(&self) -> usize {
        self.individuals.stopped(Instant::now())
    }

    /// A hook that was stopped for all since this was last asked.
    pub(crate) fn take_trip(&self) -> Option<Function> {
        Function::ALL.iter().copied().find(|&function| self.hooks[function as usize].take_trip())
    }

    /// True, once, if the version before is to be put back because a hook of this one is stopped for all.
    pub(crate) fn give_up(&self) -> bool {
        self.since.elapsed() < TRIAL && !self.given_up.swap(true, Relaxed)
    }
}

/// One charge point and one hook.
fn individual(function: Function, caller: Caller) -> u64 {
    // Any odd number that mixes the bits.
    caller.own ^ (function as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::thresholds::FAILURES;
    use super::*;
    use ocpp_gateway_core::{Attributes, Identity, Offer};

    const HOOK: Function = Function::ToMqtt;

    fn charge_point(number: usize) -> Caller {
        Caller::charge_point(&format!("CP{number}"))
    }

    fn stranger(identity: usize, address: &str) -> Caller {
        Caller::stranger(&Offer {
            identity: Identity::new(&format!("X{identity}"), 48).expect("an identity"),
            remote_address: address.into(),
            path: String::new(),
            protocols: Vec::new(),
            headers: Attributes::new(),
            user: None,
        })
    }

    /// One call, if it may be made.
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
        // It is the quickest of all, too.
        let stopped = (0..1000).filter(|_| call(&breakers, HOOK, charge_point(0), false).is_err()).count();
        assert_eq!(stopped, 1000 - FAILURES as usize);
        (1..50).for_each(|other| assert_eq!(call(&breakers, HOOK, charge_point(other), true), Ok(())));
        assert_eq!((breakers.is_any_open(), breakers.take_trip()), (false, None));
        assert_eq!(breakers.stopped_individuals(), 1);
        // Its other hooks are called.
        assert_eq!(call(&breakers, Function::FromMqtt, charge_point(0), true), Ok(()));
    }

    #[test]
    fn eight_failures_of_nine_are_too_many_whoever_else_succeeds() {
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
        assert_eq!((breakers.take_trip(), breakers.take_trip()), (Some(HOOK), None));
        assert_eq!((breakers.give_up(), breakers.give_up()), (true, false));
    }

    #[test]
    fn what_follows_knows_how_many_there_are() {
        let before = Breakers::new(None);
        (0..50).for_each(|number| call(&before, HOOK, charge_point(number), true).expect("called"));
        let breakers = Breakers::new(Some(&before));
        // Three that are quicker than all others.
        for _ in 0..FAILURES {
            (0..3).for_each(|number| {
                breakers.note_failure(HOOK, charge_point(number), 0);
            });
        }
        assert!(!breakers.is_any_open());
    }

    #[test]
    fn one_address_is_one_stranger() {
        let breakers = Breakers::new(None);
        let offers = |address: fn(usize) -> String| {
            (0..100).all(|nth| call(&breakers, Function::Admit, stranger(nth, &address(nth)), false).is_ok())
        };
        assert!(offers(|nth| format!("192.0.2.1:{}", 1000 + nth)));
        assert!(offers(|nth| format!("[2001:db8::{nth:x}]:1000")));
        assert!(!breakers.is_any_open());
        // Behind a balancer all come from one address: what fails for one is not stopped for the others.
        for _ in 0..FAILURES {
            let _ = call(&breakers, Function::Admit, stranger(0, "192.0.2.1:1"), false);
        }
        assert!(call(&breakers, Function::Admit, stranger(0, "192.0.2.1:1"), true).is_err());
        assert!(call(&breakers, Function::Admit, stranger(500, "192.0.2.1:1"), true).is_ok());
    }
}
