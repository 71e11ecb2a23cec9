//! Trials of the gateway: a candidate for its mapping beside the version that runs.

use crate::admin::{Admin, Body};
use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// The trial of the mapping in the admin API.
const TRIAL: &str = "/api/v1/transforms/standard/trial";

/// Access to the trial of a gateway's mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransformTrial(pub(crate) Admin);

/// A candidate for a shadow trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Candidate {
    /// It does with each message of the load what the mapping does
    Equal,
    /// It maps each message of a charge point to another topic
    Different,
}

/// A trial as the gateway shows it, as far as it is needed here.
#[derive(Debug, Deserialize)]
pub(crate) struct TrialStatus {
    state: State,
    #[serde(default)]
    reason: Option<String>,
    /// Number of connected charge points in the trial.
    pub(crate) selected: u64,
    #[serde(default)]
    pub(crate) shadow: Option<ShadowCounts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Running,
    Ended,
}

/// What the candidate of a shadow trial has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct ShadowCounts {
    /// The sum of the following three.
    pub(crate) messages: u64,
    pub(crate) equal: u64,
    pub(crate) different: u64,
    pub(crate) failed: u64,
    /// Messages that were not shown to the candidate, as its queue was full.
    pub(crate) skipped: u64,
}

impl Candidate {
    /// The configuration. Both differ from that of the mapping, as a gateway refuses a trial of the version that runs.
    fn config(self, qos: u8) -> Value {
        let mut uplink = json!({ "qos": qos });
        let mount_point = match self {
            Candidate::Equal => {
                // No charge point of a load answers with a CALLERROR.
                uplink["error_topic"] = "cp/${cid}/Error".into();
                "ocpp/"
            }
            Candidate::Different => "candidate/",
        };
        json!({ "mountpoint": mount_point, "uplink": uplink, "downlink": { "qos": qos } })
    }
}

impl TransformTrial {
    /// Starts a shadow trial for all charge points.
    pub(crate) async fn start_shadow(self, candidate: Candidate, qos: u8) -> Result<Self> {
        self.start("mode=shadow", &candidate.config(qos)).await?;
        Ok(self)
    }

    /// `query`: mode and selection. `config`: the configuration of the candidate, which is the standard mapping.
    pub(crate) async fn start(self, query: &str, config: &Value) -> Result<TrialStatus> {
        let settings = json!({ "component": "builtin:standard", "config": config });
        let answer = self.0.request("POST", &format!("{TRIAL}?{query}"), Body::Json(&settings)).await?;
        let status: TrialStatus = answer.expect(201).context("the trial does not start")?;
        status.running()
    }

    /// Fails if the trial has ended.
    pub(crate) async fn show(self) -> Result<TrialStatus> {
        let answer = self.0.request("GET", TRIAL, Body::Empty).await?;
        answer.expect::<TrialStatus>(200).context("the trial is not shown")?.running()
    }

    pub(crate) async fn promote(self) -> Result<()> {
        let answer = self.0.request("POST", &format!("{TRIAL}/promote"), Body::Empty).await?;
        answer.expect::<Value>(200).context("the candidate is not promoted").map(drop)
    }

    /// Ends the trial.
    pub(crate) async fn end(self) -> Result<()> {
        let answer = self.0.request("DELETE", TRIAL, Body::Empty).await?;
        let status: TrialStatus = answer.expect(200).context("the trial is not ended")?;
        ensure!(status.state == State::Ended, "the trial goes on after its end");
        Ok(())
    }

    /// The counts of a shadow trial that is running.
    pub(crate) async fn shadow_counts(self) -> Result<ShadowCounts> {
        self.show().await?.shadow.context("the trial is no shadow")
    }
}

impl TrialStatus {
    fn running(self) -> Result<Self> {
        match self.state {
            State::Running => Ok(self),
            State::Ended => bail!("the trial has ended: {}", self.reason.as_deref().unwrap_or("no reason")),
        }
    }
}

impl ShadowCounts {
    /// What was seen since `earlier`.
    pub(crate) fn since(self, earlier: ShadowCounts) -> ShadowCounts {
        ShadowCounts {
            messages: self.messages.saturating_sub(earlier.messages),
            equal: self.equal.saturating_sub(earlier.equal),
            different: self.different.saturating_sub(earlier.different),
            failed: self.failed.saturating_sub(earlier.failed),
            skipped: self.skipped.saturating_sub(earlier.skipped),
        }
    }

    pub(crate) fn plus(self, other: ShadowCounts) -> ShadowCounts {
        ShadowCounts {
            messages: self.messages + other.messages,
            equal: self.equal + other.equal,
            different: self.different + other.different,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for ShadowCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShadowCounts { messages, equal, different, failed, skipped } = self;
        write!(f, "{messages} messages: {equal} equal, {different} different, {failed} failed; {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trial in the form of the API.
    fn status(state: &str, reason: Value, shadow: Value) -> TrialStatus {
        let trial = json!({
            "transform": "standard", "mode": "shadow", "percent": null, "charge_points": null, "state": state,
            "reason": reason, "connected": 400, "selected": 40, "kept": true, "warnings": [], "dry_run": false,
            "shadow": shadow, "canary": null
        });
        serde_json::from_value(trial).expect("the form of a trial")
    }

    #[test]
    fn counts_of_a_shadow_are_read_and_subtracted() {
        let shadow = json!({
            "messages": 10, "equal": 7, "different": 2, "failed": 1, "skipped": 5, "candidate_us": 12.5,
            "live_us": null, "differences": []
        });
        let running = status("running", Value::Null, shadow).running().expect("running");
        let counts = running.shadow.expect("a shadow");
        assert_eq!(
            (running.selected, counts.to_string().as_str()),
            (40, "10 messages: 7 equal, 2 different, 1 failed; 5 skipped")
        );
        let more = counts.plus(ShadowCounts { messages: 3, equal: 3, ..ShadowCounts::default() });
        assert_eq!(more.since(counts), ShadowCounts { messages: 3, equal: 3, ..ShadowCounts::default() });
    }

    #[test]
    fn candidates_differ_from_the_mapping_in_a_topic() {
        for (candidate, mount_point) in [(Candidate::Equal, "ocpp/"), (Candidate::Different, "candidate/")] {
            let config = candidate.config(1);
            assert_eq!((&config["mountpoint"], &config["uplink"]["qos"]), (&mount_point.into(), &1.into()));
            assert_eq!(config["uplink"].get("error_topic").is_some(), candidate == Candidate::Equal);
        }
    }

    #[test]
    fn trial_that_has_ended_by_itself_is_an_error_with_its_reason() {
        let ended = status("ended", "it failed for most charge points".into(), Value::Null);
        let error = ended.running().expect_err("ended").to_string();
        assert_eq!(error, "the trial has ended: it failed for most charge points");
    }
}
