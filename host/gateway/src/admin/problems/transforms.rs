//! Transforms, trials and drop-ins.

use super::current_problem::{CurrentProblem, Kind, Now, counted, short};
use crate::admin::health;
use crate::admin::state::AdminState;
use crate::transforms::DropInFault;
use ocpp_gateway_pipeline::{TransformFault, TransformStatus, TrialEnd, TrialEnding};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a change that failed is a problem: the next shift sees it, and an attempt that was given up does not warn
/// for ever.
const FAILED_CHANGE_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// `failures`: those of the last minutes, by transform.
pub(super) fn all(state: &AdminState, failures: &HashMap<String, u64>, now: Now) -> Vec<CurrentProblem> {
    let pipeline = &state.context.router.pipeline;
    let statuses = pipeline.transforms();
    let files = FileNames::of(state, &statuses);
    let faulty = health::faulty_drop_ins(state);
    let is_faulty_drop_in = |name: &str| faulty.iter().any(|(it, _)| it.transform.as_deref() == Some(name));
    let mut problems = Vec::new();
    for status in statuses {
        let name = &status.name;
        let failures = failures.get(name).copied().unwrap_or_default();
        problems.extend(transform(&status, failures, || remedy(state, &status, &files), &files));
        // The drop-in has the same fault, with the name of the file.
        let fault = status.last_fault.as_ref().filter(|_| !is_faulty_drop_in(name));
        problems.extend(fault.and_then(|fault| change(name, fault, now, &files)));
        let end = pipeline.trial(name).and_then(|trial| trial.end);
        problems.extend(end.and_then(|end| trial(name, &end, &files)));
    }
    problems.extend(faulty.iter().map(|(status, fault)| drop_in(&status.files, fault, &files)));
    problems
}

/// What replaces a transform that fails.
fn remedy(state: &AdminState, status: &TransformStatus, files: &FileNames) -> String {
    let history = state.changer.history(&status.name);
    let drop_ins = state.changer.drop_ins().statuses();
    let its_files =
        drop_ins.iter().find(|it| it.transform.as_ref() == Some(&status.name)).map(|it| it.files.join(", "));
    match its_files.filter(|_| history.upload.is_none()) {
        Some(its_files) => format!("Replace or remove {its_files} in the directory of drop-ins"),
        None if status.previous.is_some() || history.upload.is_some() => {
            format!("Go back to the version before: ocpp-gateway ctl transforms rollback {}", status.name)
        }
        None => format!("Correct {}, or upload a version that works", files.short(&status.component)),
    }
}

/// Hooks that are stopped, and calls that failed. `remedy`: what replaces it.
fn transform(
    status: &TransformStatus,
    failures: u64,
    remedy: impl FnOnce() -> String,
    files: &FileNames,
) -> Option<CurrentProblem> {
    let TransformStatus { name, stopped, stopped_charge_points, last_failure, .. } = status;
    let why = last_failure.as_ref().map(|why| format!(", the last time with: {}", files.short(why)));
    let failed = format!("{} in the last five minutes{}", counted(failures, "time"), why.unwrap_or_default());
    let kind = Kind::Transform;
    let problem = if *stopped {
        let text = format!(
            "A hook of transform {name} is stopped for all charge points, because it fails for most of them: its \
             messages are refused, or pass without it, as its on_error says. It failed {failed}"
        );
        CurrentProblem::error(kind, text)
    } else if *stopped_charge_points > 0 {
        let text = format!(
            "A hook of transform {name} is stopped for {}, for which it fails. It failed {failed}",
            counted(*stopped_charge_points as u64, "charge point")
        );
        CurrentProblem::warning(kind, text)
    } else if failures > 0 {
        CurrentProblem::warning(kind, format!("Transform {name} failed {failed}"))
    } else {
        return None;
    };
    let text = format!("{}. The log and ocpp-gateway ctl tap --trace have the messages. {}.", problem.text, remedy());
    Some(CurrentProblem { text, ..problem }.of(name))
}

/// A change that failed, or was taken back.
fn change(name: &str, fault: &TransformFault, now: Now, files: &FileNames) -> Option<CurrentProblem> {
    let age = now.wall.duration_since(fault.at).unwrap_or_default();
    if !fault.is_rollback && age > FAILED_CHANGE_AGE {
        return None;
    }
    let what = if fault.is_rollback { "was rolled back automatically" } else { "failed" };
    let text = format!(
        "The latest change of transform {name} {what} ({}): the version before runs. Correct the new version and send \
         it again.",
        files.short(&fault.text)
    );
    Some(CurrentProblem::warning(Kind::Transform, text).of(name).since(fault.at))
}

/// A trial that has ended by itself.
fn trial(name: &str, TrialEnd { at, how, reason }: &TrialEnd, files: &FileNames) -> Option<CurrentProblem> {
    if *how != TrialEnding::Failed {
        return None;
    }
    let text = format!(
        "The trial of a new version of transform {name} has ended by itself ({}): the live version serves all charge \
         points. Its figures: ocpp-gateway ctl trial show {name}. To clear this: ocpp-gateway ctl trial end {name}.",
        files.short(reason)
    );
    Some(CurrentProblem::warning(Kind::Trial, text).of(name).since(*at))
}

fn drop_in(its_files: &[String], DropInFault { text, since }: &DropInFault, files: &FileNames) -> CurrentProblem {
    let its_files = its_files.join(", ");
    let text = format!(
        "The drop-in {its_files} is not used as it is ({}). Correct it: the gateway reads it again when it changes.",
        files.short(text)
    );
    CurrentProblem::warning(Kind::DropIn, text).of(its_files).since(*since)
}

/// The directories of the files that texts name by their whole paths. A reader knows the directories.
#[derive(Debug, Default)]
struct FileNames {
    /// Each with a `/` at its end, the longest first.
    directories: Vec<String>,
}

impl FileNames {
    fn of(state: &AdminState, statuses: &[TransformStatus]) -> Self {
        let config = state.changer.config();
        let configured = config.transforms.iter().flat_map(|it| [it.component_file(), it.program_file()]).flatten();
        let running = statuses.iter().map(|status| Path::new(&status.component));
        let parents = configured.map(Path::to_owned).chain(running.map(Path::to_owned));
        let parents = parents.filter_map(|path| path.parent().map(Path::to_owned));
        let drop_ins = state.changer.drop_ins().directory().map(Path::to_owned);
        FileNames::new(parents.chain(drop_ins).chain(config.storage.directory.clone()))
    }

    fn new(directories: impl IntoIterator<Item = PathBuf>) -> Self {
        let absolute =
            directories.into_iter().filter(|directory| directory.is_absolute() && directory.parent().is_some());
        let mut directories: Vec<_> = absolute.map(|directory| format!("{}/", directory.display())).collect();
        directories.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        directories.dedup();
        FileNames { directories }
    }

    /// [`short`], with the names of files only.
    fn short(&self, text: &str) -> String {
        let line = text.lines().next().unwrap_or_default();
        let is_cut = text.lines().nth(1).is_some();
        let line = self.directories.iter().fold(line.to_owned(), |line, directory| line.replace(directory, ""));
        short(&if is_cut { line + "\n…" } else { line })
    }
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
            last_failure: None,
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
        let problem = |status: &TransformStatus, failures| {
            transform(status, failures, || "Remove quirk.jq".to_owned(), &FileNames::default())
        };
        assert_eq!(problem(&status(false, 0), 0), None);
        for (stopped, charge_points, failures, severity, part) in [
            (false, 0, 1, Severity::Warning, "failed 1 time in the last five minutes. The log"),
            (false, 3, 12, Severity::Warning, "stopped for 3 charge points, for which it fails. It failed 12 times"),
            (false, 1, 0, Severity::Warning, "stopped for 1 charge point, "),
            (true, 3, 12, Severity::Error, "stopped for all charge points"),
        ] {
            let problem = problem(&status(stopped, charge_points), failures).expect("a problem");
            assert_eq!((problem.severity, problem.subject.as_deref()), (severity, Some("quirk")));
            assert!(problem.text.contains(part) && problem.text.ends_with(" Remove quirk.jq."), "{}", problem.text);
        }
        let why = "trapped: `uplink` failed for MeterValues of CP1: cannot use null as number\nwasm trap";
        let failing = TransformStatus { last_failure: Some(why.into()), ..status(false, 0) };
        let problem = problem(&failing, 2).expect("a problem");
        let part =
            "minutes, the last time with: trapped: uplink failed for MeterValues of CP1: cannot use null as number";
        assert!(problem.text.contains(part), "{}", problem.text);
    }

    #[test]
    fn texts_name_files_without_their_directories() {
        let directories = ["/etc/ocpp", "/etc/ocpp/drop-ins", "/", "relative"];
        let files = FileNames::new(directories.map(PathBuf::from));
        for (text, shown) in [
            ("transform \"a\" (/etc/ocpp/drop-ins/a.jq): no", "transform \"a\" (a.jq): no"),
            ("/etc/ocpp/b.wasm has changed", "b.wasm has changed"),
            ("ocpp/cp/CP1 and /var/lib/x and relative/y", "ocpp/cp/CP1 and /var/lib/x and relative/y"),
            ("/etc/ocpp/a.jq\nmore", "a.jq…"),
        ] {
            assert_eq!(files.short(text), shown);
        }
    }

    #[test]
    fn failed_change_is_a_warning_for_a_day_and_a_rollback_until_the_next_change() {
        let now = now();
        let fault = |days: u32, is_rollback| {
            let at = now.wall - FAILED_CHANGE_AGE * days - Duration::from_secs(1);
            TransformFault { text: "line 1: no such\nthing".into(), at, is_rollback }
        };
        let failed = change("quirk", &fault(0, false), now, &FileNames::default()).expect("a problem");
        assert!(failed.text.contains("quirk failed (line 1: no such…): the version before runs"), "{}", failed.text);
        assert!(failed.severity == Severity::Warning && failed.since.is_some());
        assert_eq!(change("quirk", &fault(1, false), now, &FileNames::default()), None);
        let rolled_back = change("quirk", &fault(1, true), now, &FileNames::default()).expect("a problem");
        assert!(rolled_back.text.contains("rolled back automatically"), "{}", rolled_back.text);
    }

    #[test]
    fn trial_that_has_ended_by_itself_is_a_warning() {
        let end = |how| TrialEnd { at: SystemTime::now(), how, reason: "uplink fails for most charge points".into() };
        for how in [TrialEnding::Promoted, TrialEnding::Ended] {
            assert_eq!(trial("quirk", &end(how), &FileNames::default()), None);
        }
        let problem = trial("quirk", &end(TrialEnding::Failed), &FileNames::default()).expect("a problem");
        assert!(problem.text.contains("by itself (uplink fails for most charge points)"), "{}", problem.text);
        assert!(
            problem.text.contains("To clear this: ocpp-gateway ctl trial end quirk.") && problem.since.is_some(),
            "{problem:?}"
        );
    }

    #[test]
    fn drop_in_with_a_fault_is_a_warning() {
        let fault = DropInFault { text: "no such hook".into(), since: SystemTime::now() };
        let problem = drop_in(&["a.jq".into(), "a.toml".into()], &fault, &FileNames::default());
        assert!(problem.text.contains("drop-in a.jq, a.toml is not used as it is (no such hook)"), "{}", problem.text);
        assert_eq!(problem.subject.as_deref(), Some("a.jq, a.toml"));
    }
}
