//! Transforms, trials and drop-ins.

use super::current_problem::{CurrentProblem, Kind, Now, counted, short};
use crate::admin::state::AdminState;
use crate::transforms::{DropInFault, DropInStatus};
use ocpp_gateway_pipeline::{TransformFault, TransformStatus, TrialEnd, TrialEnding};
use std::collections::HashMap;
use std::time::Duration;

/// How long a change that failed is a problem: the next shift sees it, and an attempt that was given up does not warn
/// for ever.
const FAILED_CHANGE_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// `failures`: those of the last minutes, by transform.
pub(super) fn all(state: &AdminState, failures: &HashMap<String, u64>, now: Now) -> Vec<CurrentProblem> {
    let pipeline = &state.context.router.pipeline;
    let drop_ins = state.changer.drop_ins().statuses();
    let is_faulty_drop_in =
        |name: &str| drop_ins.iter().any(|it| it.fault.is_some() && it.transform.as_deref() == Some(name));
    let mut problems = Vec::new();
    for status in pipeline.transforms() {
        let name = &status.name;
        problems.extend(transform(&status, failures.get(name).copied().unwrap_or_default()));
        // The drop-in has the same fault, with the name of the file.
        let fault = status.last_fault.as_ref().filter(|_| !is_faulty_drop_in(name));
        problems.extend(fault.and_then(|fault| change(name, fault, now)));
        let end = pipeline.trial(name).and_then(|trial| trial.end);
        problems.extend(end.and_then(|end| trial(name, &end)));
    }
    problems.extend(drop_ins.iter().filter_map(drop_in));
    problems
}

/// Hooks that are stopped, and calls that failed.
fn transform(status: &TransformStatus, failures: u64) -> Option<CurrentProblem> {
    let TransformStatus { name, stopped, stopped_charge_points, .. } = status;
    let failed = format!("{} in the last five minutes", counted(failures, "time"));
    let look = format!(
        "`ocpp-gateway ctl tap --trace` and the log have the errors; \
         `ocpp-gateway ctl transforms rollback {name}` brings the version before back."
    );
    let problem = if *stopped {
        let text = format!(
            "A hook of transform {name} is stopped for all charge points, because it fails for most of them \
             ({failed}): its messages are refused, or pass without it, as its on_error says. {look}"
        );
        CurrentProblem::error(Kind::Transform, text)
    } else if *stopped_charge_points > 0 {
        let text = format!(
            "A hook of transform {name} is stopped for {}, for which it fails ({failed}). {look}",
            counted(*stopped_charge_points as u64, "charge point")
        );
        CurrentProblem::warning(Kind::Transform, text)
    } else if failures > 0 {
        CurrentProblem::warning(Kind::Transform, format!("Transform {name} failed {failed}. {look}"))
    } else {
        return None;
    };
    Some(problem.of(name))
}

/// A change that failed, or was taken back.
fn change(name: &str, fault: &TransformFault, now: Now) -> Option<CurrentProblem> {
    let age = now.wall.duration_since(fault.at).unwrap_or_default();
    if !fault.is_rollback && age > FAILED_CHANGE_AGE {
        return None;
    }
    let what = if fault.is_rollback { "was rolled back automatically" } else { "failed" };
    let text = format!(
        "The latest change of transform {name} {what} ({}): the version before runs. Correct the new version and send \
         it again.",
        short(&fault.text)
    );
    Some(CurrentProblem::warning(Kind::Transform, text).of(name).since(fault.at))
}

/// A trial that has ended by itself.
fn trial(name: &str, TrialEnd { at, how, reason }: &TrialEnd) -> Option<CurrentProblem> {
    if *how != TrialEnding::Failed {
        return None;
    }
    let text = format!(
        "The trial of a new version of transform {name} has ended by itself ({}): the live version serves all charge \
         points. `ocpp-gateway ctl trial show {name}` has its figures, `ocpp-gateway ctl trial end {name}` clears \
         this.",
        short(reason)
    );
    Some(CurrentProblem::warning(Kind::Trial, text).of(name).since(*at))
}

fn drop_in(DropInStatus { files, fault, .. }: &DropInStatus) -> Option<CurrentProblem> {
    let DropInFault { text, since } = fault.as_ref()?;
    let files = files.join(", ");
    let text = format!(
        "The drop-in {files} is not used as it is ({}). Correct it: the gateway reads it again when it changes.",
        short(text)
    );
    Some(CurrentProblem::warning(Kind::DropIn, text).of(files).since(*since))
}

#[cfg(test)]
mod tests {
    use super::super::current_problem::Severity;
    use super::*;
    use ocpp_gateway_core::Attributes;
    use std::time::{Instant, SystemTime};

    fn now() -> Now {
        Now { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    fn status(stopped: bool, stopped_charge_points: usize) -> TransformStatus {
        TransformStatus {
            name: "quirk".into(),
            component: "quirk.jq".into(),
            revision: 0,
            built_as: "jq".into(),
            version: "1".into(),
            attributes: Attributes::new(),
            sha256: String::new(),
            program_sha256: None,
            size: 0,
            calls: 0,
            refusals: 0,
            failures: 0,
            timed_calls: 0,
            timed: Duration::ZERO,
            previous: None,
            last_fault: None,
            instances: 0,
            stopped,
            hooks: Vec::new(),
            stopped_hooks: Vec::new(),
            stopped_charge_points,
            log_lines_suppressed: 0,
            readings: Vec::new(),
            readings_refused: 0,
        }
    }

    #[test]
    fn failing_transform_is_a_warning_until_it_is_stopped_for_all() {
        assert_eq!(transform(&status(false, 0), 0), None);
        for (stopped, charge_points, failures, severity, part) in [
            (false, 0, 1, Severity::Warning, "failed 1 time in the last five minutes"),
            (false, 3, 12, Severity::Warning, "stopped for 3 charge points, for which it fails (12 times"),
            (false, 1, 0, Severity::Warning, "stopped for 1 charge point, "),
            (true, 3, 12, Severity::Error, "stopped for all charge points"),
        ] {
            let problem = transform(&status(stopped, charge_points), failures).expect("a problem");
            assert_eq!((problem.severity, problem.subject.as_deref()), (severity, Some("quirk")));
            assert!(problem.text.contains(part) && problem.text.contains("rollback quirk"), "{}", problem.text);
        }
    }

    #[test]
    fn failed_change_is_a_warning_for_a_day_and_a_rollback_until_the_next_change() {
        let now = now();
        let fault = |days: u32, is_rollback| {
            let at = now.wall - FAILED_CHANGE_AGE * days - Duration::from_secs(1);
            TransformFault { text: "line 1: no such\nthing".into(), at, is_rollback }
        };
        let failed = change("quirk", &fault(0, false), now).expect("a problem");
        assert!(failed.text.contains("quirk failed (line 1: no such…): the version before runs"), "{}", failed.text);
        assert!(failed.severity == Severity::Warning && failed.since.is_some());
        assert_eq!(change("quirk", &fault(1, false), now), None);
        let rolled_back = change("quirk", &fault(1, true), now).expect("a problem");
        assert!(rolled_back.text.contains("rolled back automatically"), "{}", rolled_back.text);
    }

    #[test]
    fn trial_that_has_ended_by_itself_is_a_warning() {
        let end = |how| TrialEnd { at: SystemTime::now(), how, reason: "uplink fails for most charge points".into() };
        for how in [TrialEnding::Promoted, TrialEnding::Ended] {
            assert_eq!(trial("quirk", &end(how)), None);
        }
        let problem = trial("quirk", &end(TrialEnding::Failed)).expect("a problem");
        assert!(problem.text.contains("by itself (uplink fails for most charge points)"), "{}", problem.text);
        assert!(problem.text.contains("`ocpp-gateway ctl trial end quirk`") && problem.since.is_some(), "{problem:?}");
    }

    #[test]
    fn drop_in_with_a_fault_is_a_warning() {
        let status = |fault| DropInStatus { files: vec!["a.jq".into(), "a.toml".into()], transform: None, fault };
        assert_eq!(drop_in(&status(None)), None);
        let since = SystemTime::now();
        let problem = drop_in(&status(Some(DropInFault { text: "no such hook".into(), since }))).expect("a problem");
        assert!(problem.text.contains("drop-in a.jq, a.toml is not used as it is (no such hook)"), "{}", problem.text);
        assert_eq!(problem.subject.as_deref(), Some("a.jq, a.toml"));
    }
}
