//! A transform in a chain, which messages of a recording pass.

use super::super::component::{self, CompiledCode, TransformArg};
use super::super::verdict::BadConfiguration;
use crate::config::Bytes;
use crate::recording::{MessageContent, ReplayMessage};
use anyhow::anyhow;
use ocpp_gateway_core::UnansweredCalls;
use ocpp_gateway_pipeline::{
    Clock, LoadError, LoadFault, LoadOptions, Message, Pipeline, SetClock, TransformStatus, TryChain, TryOutcome,
};

/// A chain with one transform, and `builtin:standard` if that has no mapping.
pub(super) struct ReplayChain(TryChain);

impl ReplayChain {
    /// `config`: JSON text of an object.
    pub(super) fn load(
        transform: &TransformArg,
        config: String,
        memory: Bytes,
        compiled: &CompiledCode,
        clock: &SetClock,
    ) -> anyhow::Result<Self> {
        transform.read()?;
        let options = LoadOptions { clock: Clock::Set(clock.clone()), ..compiled.options() };
        let pipeline = Pipeline::load_in(vec![transform.spec(config, memory)], options).map_err(|errors| {
            let text = format!("{transform}: {}", component::lines(&errors));
            match errors[..] {
                [LoadError { fault: LoadFault::Config(_), .. }] => BadConfiguration(text).into(),
                _ => anyhow!(text),
            }
        })?;
        Ok(ReplayChain(pipeline.try_chain(None)?.without_trace()))
    }

    /// What becomes of a message. The error says why it cannot be read.
    pub(super) fn run(&self, message: &ReplayMessage<'_>) -> Result<TryOutcome, String> {
        let ReplayChain(chain) = self;
        let peer = &message.peer;
        Ok(match &message.content {
            MessageContent::Frame { text, attributes, is_report: false } => {
                chain.uplink(peer, &message.frame(text, attributes)?)
            }
            MessageContent::Frame { text, attributes, is_report: true } => {
                chain.report(peer, &message.frame(text, attributes)?)
            }
            MessageContent::Message { topic, payload, qos, retain, unanswered } => {
                let message = Message { topic, payload, qos: *qos, retain: *retain };
                chain.downlink(peer, &message, UnansweredCalls::listed(unanswered))
            }
        })
    }

    pub(super) fn transforms(&self) -> Vec<TransformStatus> {
        self.0.transforms()
    }
}
