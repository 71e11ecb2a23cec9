//! Puts the topics of charge points under a prefix, by region or vendor, and gives each action a separate topic.
//!
//! The prefix is that of the first rule which matches the charge point. With `per_action`, a message of the `standard`
//! mapping that names an action in its envelope goes to `{topic}/{action}`. Settings: [`config::Config`].

pub mod config;
mod envelope;
mod rule;

use config::{Config, check_prefix};
use ocpp_transform::{Outbound, Peer, Publish, PublishAction, Transform, export, read_config};
use rule::Rule;

/// The router, with its rules compiled.
pub struct Router {
    rules: Vec<Rule>,
    default_prefix: String,
    per_action: bool,
}

impl Transform for Router {
    fn configure(config: &str) -> Result<Self, String> {
        Router::new(read_config(config)?)
    }
}

impl Outbound for Router {
    fn handle(&self, peer: &Peer, message: Publish) -> Vec<PublishAction> {
        let prefix = self.prefix(peer);
        let action = if self.per_action { envelope::action(&message) } else { None };
        let topic = match action {
            Some(action) => format!("{prefix}{}/{action}", message.topic),
            None if prefix.is_empty() => return vec![PublishAction::Pass],
            None => format!("{prefix}{}", message.topic),
        };
        vec![PublishAction::Replace(Publish { topic, ..message })]
    }
}

impl Router {
    /// Compiles the rules. The error names the key.
    fn new(config: Config) -> Result<Self, String> {
        let Config { rules, default_prefix, per_action } = config;
        check_prefix("default_prefix", &default_prefix)?;
        let rules = rules.into_iter().enumerate().map(|(index, rule)| rule.compile(&format!("rules[{index}]")));
        Ok(Router { rules: rules.collect::<Result<_, _>>()?, default_prefix, per_action })
    }

    fn prefix(&self, peer: &Peer) -> &str {
        let rule = self.rules.iter().find(|rule| rule.matches(peer));
        rule.map_or(&self.default_prefix, |rule| &rule.prefix)
    }
}

export!(Router: Outbound);

#[cfg(test)]
mod tests;
