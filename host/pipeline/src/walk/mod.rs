//! One message on its way through a chain: `uplink` and `downlink` are the two ways.

mod downlink;
mod uplink;

use crate::abi::Packed;
use crate::chain::{Chain, Stages};
use crate::error::{Cause, Failure, GuestFault, IllegalOutput, Mishap};
use crate::hook;
use crate::spec::{OnError, OnViolation};
use crate::transform::{Subject, Transform};
use ocpp_gateway_core::call_error::ORIGIN;
use ocpp_gateway_core::{CallError, Direction, Fault, Frame, Peer, Publish};
use std::sync::Arc;

/// All that the other side learns of a failure inside; the rest is for the log.
const NOT_PROCESSED: &str = "the gateway could not process this message";

/// So many calls one message may cause, however many copies of it the transforms make.
const CALLS_PER_MESSAGE: usize = 256;

/// What a charge point is answered on the spot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// With this payload.
    Result(String),
    Error(CallError),
}

/// A message from a back end that was not made into frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMapped {
    pub fault: Fault,
    /// The message id; empty where it could not be read.
    pub id: String,
    pub text: String,
}

/// What has come of the message so far.
pub(crate) struct Walk<'a> {
    chain: &'a Chain,
    peer: &'a Peer,
    calls: usize,
    pub(crate) publishes: Vec<Publish>,
    pub(crate) frames: Vec<Frame<'static>>,
    /// To the charge point, for the CALL that it sent.
    pub(crate) answer: Option<Answer>,
    pub(crate) not_mapped: Option<NotMapped>,
    pub(crate) mishaps: Vec<Mishap>,
}

/// What the failure of a stage means for the message.
enum Fallback {
    Reject,
    Bypass,
    Drop,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(chain: &'a Chain, peer: &'a Peer) -> Self {
        Walk {
            chain,
            peer,
            calls: 0,
            publishes: Vec::new(),
            frames: Vec::new(),
            answer: None,
            not_mapped: None,
            mishaps: Vec::new(),
        }
    }

    /// Asks every transform that wants to know of connections; `call` calls one.
    pub(crate) fn event(&mut self, call: impl Fn(&Arc<Transform>, Subject<'_>) -> Result<Vec<Publish>, Failure>) {
        let (chain, peer) = (self.chain, self.peer);
        for transform in chain.events.iter().filter(|transform| transform.matcher.takes_peer(peer)) {
            match call(transform, Subject::identity(&peer.identity)) {
                Ok(publishes) => self.all_outbound(publishes, None),
                Err(failure) => self.failed(transform, failure),
            }
        }
    }

    /// What the rules of transforms have against a frame, if it is to be rejected for that; or what is to become of it
    /// because a transform failed to say.
    fn violation(
        &mut self,
        direction: Direction,
        frame: &Frame<'_>,
    ) -> Result<Option<(Arc<Transform>, CallError)>, Fallback> {
        let (chain, peer) = (self.chain, self.peer);
        let concerned = |transform: &&Arc<Transform>| {
            transform.matcher.takes_direction(direction) && transform.matcher.takes(peer, frame.action.as_deref())
        };
        for transform in chain.rules.iter().filter(concerned) {
            let broken = match transform.schemas.violation(peer.version, frame) {
                Some(error) => Some(error),
                None => self.check(transform, frame)?,
            };
            let Some(error) = broken else { continue };
            match transform.on_violation {
                OnViolation::Reject => return Ok(Some((transform.clone(), error))),
                OnViolation::Log => {
                    self.mishap(transform, Cause::Violation(format!("{}: {}", error.code, error.description)));
                }
            }
        }
        Ok(None)
    }

    /// What no schema can say.
    fn check(&mut self, transform: &Arc<Transform>, frame: &Frame<'_>) -> Result<Option<CallError>, Fallback> {
        let arguments = Packed(self.peer.into(), frame.into());
        match self.ask::<hook::Check>(transform, Subject::frame(self.peer, frame), arguments) {
            Err(Fallback::Bypass) => Ok(None),
            asked => asked,
        }
    }

    fn ask<H: hook::Hook>(
        &mut self,
        transform: &Arc<Transform>,
        subject: Subject<'_>,
        arguments: H::Arguments<'_>,
    ) -> Result<H::Checked, Fallback> {
        self.calls += 1;
        let asked = if self.calls > CALLS_PER_MESSAGE {
            let illegal = IllegalOutput::TooMany { count: self.calls, limit: CALLS_PER_MESSAGE };
            Err(GuestFault::Output(illegal).into())
        } else {
            transform.call::<H>(subject, arguments)
        };
        asked.map_err(|failure| {
            self.failed(transform, failure);
            match transform.on_error {
                OnError::Reject => Fallback::Reject,
                OnError::Bypass => Fallback::Bypass,
                OnError::Drop => Fallback::Drop,
            }
        })
    }

    fn dropped(&mut self, transform: &Transform, reason: impl Into<String>) {
        self.mishap(transform, Cause::Dropped(reason.into()));
    }

    pub(crate) fn failed(&mut self, transform: &Transform, failure: Failure) {
        self.mishap(transform, Cause::Failed(failure));
    }

    fn mishap(&mut self, transform: &Transform, cause: Cause) {
        self.mishaps.push(transform.mishap(cause));
    }
}

/// The first of `stages` from `stage` on that is for this message, and the one to go on with.
fn next<'s>(
    stages: &'s Stages,
    stage: usize,
    peer: &Peer,
    action: Option<&str>,
) -> Option<(&'s Arc<Transform>, usize)> {
    let place = stage + stages[stage..].iter().position(|transform| transform.matcher.takes(peer, action))?;
    Some((&stages[place], place + 1))
}

/// Whether the gateway made this frame.
fn is_own(frame: &Frame<'_>) -> bool {
    let (name, value) = ORIGIN;
    frame.attributes.iter().any(|(own_name, own_value)| own_name == name && own_value == value)
}
