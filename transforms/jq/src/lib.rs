//! Runs a jq program on frames and messages. The program defines a filter for each hook that it wants:
//!
//! ```jq
//! def uplink: if .action == "Heartbeat" then {reply: {currentTime: (now | todate)}} else . end;
//! ```
//!
//! The page of this transform has the inputs, the outputs and many small programs.

pub mod hook;
mod input;
mod natives;
mod object;
mod output;
mod problem;
pub mod program;
mod read;
mod write;

use hook::Hook;
use input::ChargePoints;
use jaq_json::Val;
use ocpp_transform::{
    Acceptance, Admission, Attributes, CallError, Decision, Downlink, Events, Frame, FrameAction, Inbound, Mapping,
    Offer, Outbound, Peer, Publish, PublishAction, Refusal, Rejection, TopicFilter, Transform, Uplink, Validation,
    export, read_config,
};
use program::Program;

/// A jq program as a transform.
pub struct Jq {
    program: Program,
    charge_points: ChargePoints,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    program: String,
}

impl Transform for Jq {
    fn configure(config: &str) -> Result<Self, String> {
        let config: Config = read_config(config)?;
        Ok(Jq { program: Program::compile(&config.program)?, charge_points: ChargePoints::default() })
    }

    fn attributes(&self) -> Attributes {
        let hooks: Vec<_> = self.program.hooks().map(Hook::name).collect();
        vec![("hooks".to_owned(), hooks.join(" "))]
    }
}

impl Jq {
    fn on_frame(&self, hook: Hook, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        if !self.program.defines(hook) {
            return vec![FrameAction::Pass];
        }
        let action = frame.action.clone();
        let actions = input::frame(self.charge_points.value(peer), frame).and_then(|input| {
            let outputs = self.program.run(hook, input.value.clone())?;
            outputs.into_iter().map(|output| output::frame_action(&input, output)).collect()
        });
        actions.unwrap_or_else(|error| fail(&Failure::of(hook, action.as_deref(), &peer.id, &error)))
    }

    fn on_message(&self, hook: Hook, peer: &Peer, message: Publish) -> Vec<PublishAction> {
        if !self.program.defines(hook) {
            return vec![PublishAction::Pass];
        }
        let topic = message.topic.clone();
        let input = input::message(self.charge_points.value(peer), message);
        let actions = self
            .program
            .run(hook, input.value.clone())
            .and_then(|outputs| outputs.into_iter().map(|output| output::publish_action(&input, output)).collect());
        actions.unwrap_or_else(|error| fail(&Failure::of(hook, Some(&topic), &peer.id, &error)))
    }

    /// What is published when a charge point connects or disconnects.
    fn on_event(&self, hook: Hook, peer: &Peer, reason: Option<&str>) -> Vec<Publish> {
        if !self.program.defines(hook) {
            return Vec::new();
        }
        self.outputs(hook, peer, reason, output::message)
    }

    /// The outputs of a hook that sees a charge point and no message.
    fn outputs<T>(&self, hook: Hook, peer: &Peer, reason: Option<&str>, read: fn(Val) -> Result<T, String>) -> Vec<T> {
        let outputs = self.program.run(hook, input::event(self.charge_points.value(peer), reason));
        let read = outputs.and_then(|outputs| outputs.into_iter().map(read).collect());
        read.unwrap_or_else(|error| fail(&Failure::of(hook, None, &peer.id, &error)))
    }
}

impl Uplink for Jq {
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        self.on_frame(Hook::Uplink, peer, frame)
    }
}

impl Downlink for Jq {
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        self.on_frame(Hook::Downlink, peer, frame)
    }
}

impl Outbound for Jq {
    fn handle(&self, peer: &Peer, message: Publish) -> Vec<PublishAction> {
        self.on_message(Hook::Outbound, peer, message)
    }
}

impl Inbound for Jq {
    fn handle(&self, peer: &Peer, message: Publish) -> Vec<PublishAction> {
        self.on_message(Hook::Inbound, peer, message)
    }
}

impl Mapping for Jq {
    fn subscriptions(&self, peer: &Peer) -> Vec<TopicFilter> {
        self.outputs(Hook::Subscriptions, peer, None, output::topic_filter)
    }

    fn to_mqtt(&self, peer: &Peer, frame: Frame) -> Result<Vec<Publish>, Refusal> {
        let (id, action) = (frame.id.clone(), frame.action.clone());
        let result = input::frame(self.charge_points.value(peer), frame)
            .and_then(|input| self.program.run(Hook::ToMqtt, input.value))
            .and_then(|outputs| mapped(outputs, output::message));
        answer(result, Some(&id), || Failure::of(Hook::ToMqtt, action.as_deref(), &peer.id, ""))
    }

    fn from_mqtt(&self, peer: &Peer, message: Publish) -> Result<Vec<Frame>, Refusal> {
        let topic = message.topic.clone();
        let outputs = self.program.run(Hook::FromMqtt, input::message(self.charge_points.value(peer), message).value);
        let result = outputs.and_then(|outputs| mapped(outputs, output::frame));
        answer(result, None, || Failure::of(Hook::FromMqtt, Some(&topic), &peer.id, ""))
    }
}

impl Events for Jq {
    fn connected(&self, peer: &Peer) -> Vec<Publish> {
        self.on_event(Hook::Connected, peer, None)
    }

    fn disconnected(&self, peer: &Peer, reason: &str) -> Vec<Publish> {
        self.on_event(Hook::Disconnected, peer, Some(reason))
    }
}

impl Admission for Jq {
    fn admit(&self, offer: Offer) -> Decision {
        if !self.program.defines(Hook::Admit) {
            return Decision::Accept(Acceptance { attributes: Attributes::new() });
        }
        let id = offer.id.clone();
        let output = self.program.run_first(Hook::Admit, input::offer(offer));
        match output.and_then(|output| output.map(output::decision).transpose()) {
            Ok(Some(decision)) => decision,
            // As with messages: what has no output does not get through.
            Ok(None) => Decision::Refuse(Rejection { status: 403, reason: "not admitted".to_owned() }),
            Err(error) => fail(&Failure::of(Hook::Admit, None, &id, &error)),
        }
    }
}

impl Validation for Jq {
    fn check(&self, peer: &Peer, frame: &Frame) -> Option<CallError> {
        if !self.program.defines(Hook::Check) {
            return None;
        }
        let output = input::frame(self.charge_points.value(peer), frame.clone())
            .and_then(|input| self.program.run_first(Hook::Check, input.value))
            .and_then(|output| output.map(output::check_error).transpose());
        output.unwrap_or_else(|error| fail(&Failure::of(Hook::Check, frame.action.as_deref(), &peer.id, &error)))
    }
}

/// What a mapping made of a message, or its refusal.
enum Mapped<T> {
    Done(Vec<T>),
    Refused(Refusal),
}

fn mapped<T>(outputs: Vec<Val>, read: fn(Val) -> Result<T, String>) -> Result<Mapped<T>, String> {
    let mut done = Vec::with_capacity(outputs.len());
    for output in outputs {
        match output::refusal(&output)? {
            Some(refusal) => return Ok(Mapped::Refused(refusal)),
            None => done.push(read(output)?),
        }
    }
    Ok(Mapped::Done(done))
}

/// A mapping answers an error with a refusal, because the sender of the message can be told.
fn answer<T>(
    result: Result<Mapped<T>, String>,
    id: Option<&str>,
    failure: impl FnOnce() -> Failure,
) -> Result<Vec<T>, Refusal> {
    let mut refusal = match result {
        Ok(Mapped::Done(done)) => return Ok(done),
        Ok(Mapped::Refused(refusal)) => refusal,
        Err(error) => Refusal::new("InternalError", failure().with(&error).0),
    };
    if let (Some(id), "{}") = (id, refusal.details.as_str()) {
        let id = write::write(&Val::from(id.to_owned())).unwrap_or_else(|_| "null".to_owned());
        refusal.details = format!("{{\"UniqueId\":{id}}}");
    }
    Err(refusal)
}

/// What went wrong, and where: `` `uplink` failed for MeterValues of CP1: … ``.
struct Failure(String);

impl Failure {
    fn of(hook: Hook, what: Option<&str>, charge_point: &str, error: &str) -> Self {
        let hook = hook.name();
        Failure(match what {
            Some(what) => format!("`{hook}` failed for {what} of {charge_point}: {error}"),
            None => format!("`{hook}` failed for {charge_point}: {error}"),
        })
    }

    fn with(self, error: &str) -> Self {
        Failure(self.0 + error)
    }
}

/// Ends the call as a failure, which the gateway handles as `on_error` says: with a line in the log, and a trap.
fn fail(failure: &Failure) -> ! {
    #[cfg(target_family = "wasm")]
    {
        // Not a panic, whose line in the log would begin with a place in this crate, which is not at fault.
        ocpp_transform::log::log(ocpp_transform::log::Level::Error, &failure.0, &[]);
        std::process::abort()
    }
    #[cfg(not(target_family = "wasm"))]
    panic!("{}", failure.0)
}

export!(Jq: Uplink, Downlink, Outbound, Inbound, Mapping, Events, Admission, Validation);

#[cfg(test)]
mod tests;
