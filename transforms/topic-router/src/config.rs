//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

use crate::rule::Rule;
use ocpp_transform::topic;
use serde::Deserialize;
use std::collections::BTreeMap;
use wildmatch::WildMatch;

/// All settings. Without any, every message passes as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The first rule that matches the charge point decides.
    pub rules: Vec<RuleConfig>,
    /// For charge points that no rule matches; empty: no prefix.
    pub default_prefix: String,
    /// Whether a CALL or SEND goes to `{topic}/{action}`.
    pub per_action: bool,
}

/// A prefix, and the charge points it is for: those that satisfy both conditions, of which at least one is given. In
/// both, `*` stands for any text and `?` for one character.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Globs, one of which must match the identity.
    #[serde(default)]
    pub charge_points: Vec<String>,
    /// Attributes that the charge point got when it was admitted: name to glob. All must match.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Whole topic levels, so it ends with a slash; empty: these have no prefix.
    pub prefix: String,
}

impl RuleConfig {
    /// `key` names it in errors.
    pub(crate) fn compile(self, key: &str) -> Result<Rule, String> {
        if self.charge_points.is_empty() && self.attributes.is_empty() {
            return Err(format!("{key}: has neither charge_points nor attributes; default_prefix is for all others"));
        }
        check_prefix(&format!("{key}.prefix"), &self.prefix)?;
        Ok(Rule {
            charge_points: self.charge_points.iter().map(|glob| WildMatch::new(glob)).collect(),
            attributes: self.attributes.into_iter().map(|(name, glob)| (name, WildMatch::new(&glob))).collect(),
            prefix: self.prefix,
        })
    }
}

pub(crate) fn check_prefix(key: &str, prefix: &str) -> Result<(), String> {
    topic::check(prefix).map_err(|fault| format!("{key}: {fault}"))?;
    if !prefix.is_empty() && !prefix.ends_with('/') {
        return Err(format!("{key}: {prefix:?} must end with a slash"));
    }
    Ok(())
}
