//! Validates payloads by the published schemas and by the rules of transforms.
//!
//! Both apply after the last `uplink` hook, or before the first if so configured; and after the last `downlink` hook.

use super::run::{ChainRun, traced_frame};
use crate::abi::packed::Packed;
use crate::chain::Chain;
use crate::error::{Cause, Failure, TransformIncident};
use crate::hook::{self, Function};
use crate::settings::{OnError, OnViolation, UnknownActions};
use crate::shadow::{ShadowNote, handles};
use crate::subject::Subject;
use crate::trace::TracedAnswer as _;
use crate::transform::Transform;
use ocpp_gateway_core::{CallError, Direction, Fault, Frame, MessageType, Payload, Peer, Schema, Version};
use std::sync::Arc;
use std::time::Instant;

/// Stands for a transform's name where the published schemas find a fault. The version is that of OCPP.
const PUBLISHED: &str = "(published schemas)";

/// Why a frame is not valid.
pub(super) struct ValidationError {
    pub(super) error: CallError,
    /// Whether the `check` of a transform has chosen the error, which is then passed on unchanged.
    pub(super) is_from_check: bool,
}

impl ChainRun<'_> {
    /// The error for which a frame is to be rejected, if any. `Err`: a transform failed to check it, with the
    /// `on_error` of the transform.
    pub(super) fn validation_error(
        &mut self,
        direction: Direction,
        frame: &Frame<'_>,
    ) -> Result<Option<ValidationError>, OnError> {
        let published = self.chain.validation.covers(direction);
        if !published && self.chain.rules.is_empty() {
            return Ok(None);
        }
        let payload = Payload::new(&frame.payload);
        if published && let Some(error) = self.published_error(direction, frame, &payload) {
            return Ok(Some(ValidationError { error, is_from_check: false }));
        }
        self.rule_error(direction, frame, &payload)
    }

    fn published_error(&mut self, direction: Direction, frame: &Frame<'_>, payload: &Payload<'_>) -> Option<CallError> {
        let (validation, version, kind) = (self.chain.validation, self.peer.version, frame.kind);
        let action = match (kind, direction) {
            (MessageType::Call | MessageType::Send, _) | (MessageType::CallResult, Direction::Uplink) => {
                frame.action.as_deref()
            }
            // A back end may leave out the action that it answers, or name a wrong one.
            (MessageType::CallResult, Direction::Downlink) => self.unanswered.action(&frame.id),
            (MessageType::CallError | MessageType::CallResultError, _) => None,
        }?;
        let action_of_frame = frame.action.as_deref();
        // Whatever rules a shadow has.
        let mut rules = rules(self.chain, self.peer, direction, action_of_frame)
            .filter(|transform| rules_apply(transform, self.peer, direction, action_of_frame));
        let (fault, error) = match Schema::find(version, kind, action) {
            Ok(_) if rules.any(|transform| transform.schemas.replaces(version, kind, action)) => return None,
            Ok(schema) => (Fault::Violation, schema.violation(version, payload)?),
            // The CALL was let through, so its answer is too.
            Err(_) if kind == MessageType::CallResult || validation.unknown_actions == UnknownActions::Accept => {
                return None;
            }
            Err(_) if rules.any(|transform| transform.schemas.has(version, kind, action)) => return None,
            Err(fault) => (fault, fault.error(version, unknown(fault, version, kind))),
        };
        let rejected = validation.on_violation == OnViolation::Reject;
        let text = error.to_string();
        let (transform, version) = (PUBLISHED.into(), version.subprotocol().into());
        self.incidents.push(TransformIncident { transform, version, cause: Cause::Invalid { fault, rejected, text } });
        rejected.then_some(error)
    }

    fn rule_error(
        &mut self,
        direction: Direction,
        frame: &Frame<'_>,
        payload: &Payload<'_>,
    ) -> Result<Option<ValidationError>, OnError> {
        for transform in rules(self.chain, self.peer, direction, frame.action.as_deref()) {
            let verdict = match self.chain.shadow_of(transform).cloned() {
                None => self.verdict(transform, frame, payload),
                Some(shadow) => self.shadowed_verdict(transform, &shadow, direction, frame, payload),
            };
            let invalid = match verdict {
                Ok(invalid) => invalid,
                Err(failure) => match self.fallback(transform, failure) {
                    OnError::Bypass => None,
                    other => return Err(other),
                },
            };
            let Some(invalid) = invalid else { continue };
            let text = invalid.error.to_string();
            let rejected = transform.on_violation == OnViolation::Reject;
            let fault = if invalid.is_from_check && rejected { Fault::Rejected } else { Fault::Violation };
            self.incident(transform, Cause::Invalid { fault, rejected, text });
            if rejected {
                return Ok(Some(invalid));
            }
        }
        Ok(None)
    }

    /// Applies the schemas of a transform, and then its `check`, for rules that no schema can express.
    fn verdict(
        &mut self,
        transform: &Arc<Transform>,
        frame: &Frame<'_>,
        payload: &Payload<'_>,
    ) -> Result<Option<ValidationError>, Failure> {
        let (subject, peer) = (Subject::frame(self.peer, frame), self.peer);
        if let Some(error) = transform.violation(subject, peer.version, frame.kind, frame.action_name(), payload)? {
            return Ok(Some(ValidationError { error, is_from_check: false }));
        }
        let arguments = Packed(peer.into(), frame.into());
        let error = self.call::<hook::Check>(transform, subject, arguments, || traced_frame(frame))?;
        Ok(error.map(|error| ValidationError { error, is_from_check: true }))
    }

    /// The same, noted for the shadow of the transform.
    #[cold]
    fn shadowed_verdict(
        &mut self,
        transform: &Arc<Transform>,
        shadow: &ShadowNote,
        direction: Direction,
        frame: &Frame<'_>,
        payload: &Payload<'_>,
    ) -> Result<Option<ValidationError>, Failure> {
        let (peer, action) = (self.peer, frame.action.as_deref());
        let is_called = rules_apply(transform, peer, direction, action);
        let started = Instant::now();
        let verdict = if is_called { self.verdict(transform, frame, payload) } else { Ok(None) };
        let error = verdict.as_ref().map(|invalid| invalid.as_ref().map(|invalid| invalid.error.clone()));
        let live = error.map(|error| error.actions()).map_err(Clone::clone);
        let input = traced_frame(frame).into();
        shadow.push(peer, Function::Check, Some(direction), input, live, is_called.then(|| started.elapsed()));
        verdict
    }
}

/// Whether the rules of a transform apply to such a frame.
fn rules_apply(transform: &Transform, peer: &Peer, direction: Direction, action: Option<&str>) -> bool {
    transform.matcher.matches_direction(direction) && handles(transform, Function::Check, peer, action)
}

/// The transforms whose rules, or those of their shadows, apply to such a frame.
fn rules<'c>(
    chain: &'c Chain,
    peer: &'c Peer,
    direction: Direction,
    action: Option<&'c str>,
) -> impl Iterator<Item = &'c Arc<Transform>> {
    let applies = move |transform: &&Arc<Transform>| {
        let applies = |transform: &Transform| rules_apply(transform, peer, direction, action);
        applies(transform) || chain.shadow_of(transform).is_some_and(|shadow| applies(shadow.candidate()))
    };
    chain.rules.iter().filter(applies)
}

/// Describes an action that has no schema.
fn unknown(fault: Fault, version: Version, kind: MessageType) -> String {
    match fault {
        Fault::UnsupportedAction => format!("{version} has this action, but not as a {}", kind.name()),
        _ => format!("{version} has no such action"),
    }
}
