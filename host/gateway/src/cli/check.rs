//! `ocpp-gateway check`: finds faults of a configuration, and settings that can be loaded but do not work.

use crate::config::{self, Config, Listener};
use crate::transforms::{self, Store, topic_faults};
use ocpp_gateway_core::Action;
use ocpp_gateway_pipeline::{Compile, Pipeline, Tracing, TransformStatus};
use std::sync::Arc;

/// The result of a check.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Faults that keep the gateway from starting, or messages from arriving.
    pub faults: Vec<String>,
    /// Settings that are most likely mistakes.
    pub warnings: Vec<String>,
    pub transforms: Vec<TransformStatus>,
}

/// Reports all faults at once. `faults`: those found while reading the configuration. `compile`: what compiles
/// components; `None`: this process.
pub fn check(config: &Config, faults: Option<&config::ConfigFaults>, compile: Option<Arc<dyn Compile>>) -> CheckReport {
    let mut report = CheckReport { warnings: unknown_actions(config), ..CheckReport::default() };
    report.warnings.extend(config.all_listeners().iter().flat_map(Listener::warnings));
    report.faults.extend(faults.map(ToString::to_string));
    let store = match Store::read(&config.storage) {
        Ok(store) => Arc::new(store),
        Err(error) => {
            report.faults.push(error.to_string());
            return report;
        }
    };
    match transforms::load(config, &store, compile) {
        Ok((pipeline, drop_ins)) => {
            let skipped = drop_ins.statuses().into_iter().filter_map(|drop_in| drop_in.fault);
            report.warnings.extend(skipped.map(|fault| format!("drop-in skipped: {}", fault.text)));
            report.faults.extend(topics(&pipeline));
            report.transforms = pipeline.transforms();
        }
        Err(faults) => report.faults.push(faults.to_string()),
    }
    report
}

/// Warnings about actions that no version of OCPP has. They are not faults: a charge point may have actions of its own.
fn unknown_actions(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, transform) in config.transforms.iter().enumerate() {
        let overrides = (transform.component == "builtin:standard").then(|| topic_overrides(&transform.config));
        let named = transform.matching.actions.iter().map(|action| ("match.actions", action.as_str()));
        let overridden = overrides.into_iter().flatten().map(|action| ("config.uplink.topic_overrides", action));
        for (key, action) in named.chain(overridden).filter(|(_, action)| Action::of(action) == Action::OTHER) {
            let place = format!("transforms[{index}].{key}");
            warnings.push(match nearest_action(action) {
                Some(nearest) => format!("{place}: OCPP has no action {action:?}; did you mean {nearest}?"),
                None => format!("{place}: OCPP has no action {action:?}"),
            });
        }
    }
    warnings
}

/// The actions that have topics of their own in the configuration of `standard`.
fn topic_overrides(config: &toml::Table) -> Vec<&str> {
    let overrides =
        config.get("uplink").and_then(|uplink| uplink.get("topic_overrides")).and_then(toml::Value::as_table);
    overrides.into_iter().flat_map(|overrides| overrides.keys().map(String::as_str)).collect()
}

fn nearest_action(name: &str) -> Option<&'static str> {
    let distance = |action: &Action| strsim::damerau_levenshtein(&name.to_lowercase(), &action.name().to_lowercase());
    let nearest = Action::all().filter(|action| *action != Action::OTHER).min_by_key(distance)?;
    (distance(&nearest) <= name.len() / 3).then(|| nearest.name())
}

/// Faults of the topics of the mapping, after the transforms behind it.
fn topics(pipeline: &Pipeline) -> Vec<String> {
    let generation = pipeline.newest();
    topic_faults(
        |peer| pipeline.subscriptions(&generation, peer).ok(),
        |peer, frame| pipeline.report(&generation, peer, frame, Tracing::Off).publishes,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(toml: &str) -> CheckReport {
        let config: Config = toml::from_str(toml).expect("a configuration");
        check(&config, None, None)
    }

    fn standard(config: &str) -> String {
        format!("[[transforms]]\nname = \"standard\"\ncomponent = \"builtin:standard\"\n{config}")
    }

    #[test]
    fn valid_configuration_has_no_faults_and_no_warnings() {
        for toml in ["", &standard("match.actions = []\n[transforms.config]\nmountpoint = \"site/\"")] {
            let report = report(toml);
            assert_eq!((report.faults, report.warnings), (vec![], vec![]), "{toml}");
            assert_eq!(report.transforms.len(), 1);
        }
    }

    #[test]
    fn topics_that_cannot_work_are_faults() {
        let same = report(&standard("[transforms.config.downlink]\ntopic = \"cp/${cid}\""));
        assert!(matches!(&same.faults[..], [fault] if fault.contains("ocpp/cp/CHECK-1")), "{:?}", same.faults);
        let shared = report(&standard("[transforms.config.downlink]\ntopic = \"cs\""));
        assert!(matches!(&shared.faults[..], [fault] if fault.contains("\"ocpp/cs\"")), "{:?}", shared.faults);
    }

    #[test]
    fn access_rules_without_effect_are_warnings() {
        let rules = "access = [\"allow 10.0.0.0/8\", \"deny 10.1.0.0/16\", \"deny all\"]";
        let depot = "[[listeners]]\nname = \"depot\"\nlisten = \"127.0.0.1:1\"";
        let report = report(&format!("[ocpp]\n{rules}\n{depot}\n{rules}"));
        assert_eq!(report.faults, [""; 0]);
        let text =
            "\"deny 10.1.0.0/16\" has no effect: \"allow 10.0.0.0/8\" before it decides about all of its addresses.";
        for (warning, key) in report.warnings.iter().zip(["ocpp.access[1]", "listeners.depot.access[1]"]) {
            assert!(warning.starts_with(&format!("{key}: {text}")), "{warning}");
        }
        assert_eq!(report.warnings.len(), 2);
    }

    #[test]
    fn unknown_actions_are_warnings() {
        let toml =
            standard("[transforms.config.uplink.topic_overrides]\nMeterValue = \"meters/${cid}\"\nOurOwn = \"x\"");
        let report = report(&toml);
        assert_eq!(report.faults, [""; 0]);
        let warned = |part: &str| report.warnings.iter().any(|warning| warning.contains(part));
        assert!(warned("did you mean MeterValues?") && warned("no action \"OurOwn\""), "{:?}", report.warnings);
        assert_eq!(report.warnings.len(), 2);
        assert_eq!(nearest_action("bootnotification"), Some("BootNotification"));
        assert_eq!(nearest_action("Colour"), None);
    }
}
