//! What the API says of transforms and of their changes, as text.

use ocpp_gateway_pipeline::{short_hashes, short_sha256};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A transform, as far as it is shown. Members that an older gateway does not have are absent.
#[derive(Debug, Deserialize)]
pub(super) struct TransformSummary {
    pub(super) name: String,
    pub(super) component: String,
    built_as: String,
    version: String,
    sha256: String,
    program_sha256: Option<String>,
    calls: u64,
    failures: u64,
    stopped: bool,
    stopped_charge_points: u64,
    pub(super) last_fault: Option<String>,
    pub(super) last_fault_at: Option<String>,
    origin: Option<String>,
    upload: Option<Map<String, Value>>,
    /// The mode of its trial.
    trial: Option<String>,
}

impl TransformSummary {
    /// The head of a table of transforms.
    pub(super) const HEAD: [&'static str; 7] = ["NAME", "COMPONENT", "VERSION", "SHA256", "CALLS", "FAILURES", "STATE"];

    /// A row of that table.
    pub(super) fn row(&self) -> [String; 7] {
        let program = self.program_sha256.as_deref();
        [
            self.name.clone(),
            self.component.clone(),
            self.built(),
            program.map_or_else(
                || short_sha256(&self.sha256).to_owned(),
                |program| format!("program {}", short_sha256(program)),
            ),
            self.calls.to_string(),
            self.failures.to_string(),
            self.state(),
        ]
    }

    fn built(&self) -> String {
        format!("{} {}", self.built_as, self.version)
    }

    fn hashes(&self) -> String {
        short_hashes(&self.sha256, self.program_sha256.as_deref())
    }

    /// `ok`, or what is wrong after an exclamation mark.
    fn state(&self) -> String {
        if self.stopped {
            return "! stopped, as it fails for most charge points".into();
        }
        match (self.stopped_charge_points, &self.last_fault) {
            (0, None) => match &self.trial {
                Some(mode) => format!("ok, {mode} on trial"),
                None => "ok".into(),
            },
            (0, Some(_)) => "! the latest change failed".into(),
            (1, _) => "! stopped for 1 charge point".into(),
            (number, _) => format!("! stopped for {number} charge points"),
        }
    }

    /// The latest fault, in a line.
    pub(super) fn fault(&self) -> Option<String> {
        let fault = self.last_fault.as_ref()?;
        Some(format!("{}: {}: {fault}", self.name, self.last_fault_at.as_deref().unwrap_or("?")))
    }

    /// Names with their values.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![("name", self.name.clone()), ("component", self.component.clone())];
        pairs.extend(self.origin.clone().map(|origin| ("origin", origin)));
        pairs.push(("version", format!("{}, {}", self.built(), self.hashes())));
        if let Some(upload) = &self.upload {
            pairs.push(("upload", sent(upload)));
        }
        pairs.push(("calls", format!("{}, {} failed", self.calls, self.failures)));
        pairs.push(("state", self.state()));
        pairs.extend(self.last_fault_at.clone().map(|at| ("latest fault", at)));
        pairs
    }
}

/// Which version an upload is, and who has sent it when. Its hashes are those of what runs.
fn sent(upload: &Map<String, Value>) -> String {
    let members = ["number", "at", "from", "token"].map(|name| (name, upload.get(name).unwrap_or(&Value::Null)));
    let members = members.iter().filter(|(_, value)| !value.is_null());
    members.map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", ")
}

/// A value, without quotes if it is text.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What is known of one transform beside its summary.
#[derive(Debug, Deserialize)]
pub(super) struct TransformDetails {
    #[serde(flatten)]
    pub(super) summary: TransformSummary,
    pub(super) settings: Option<Value>,
    #[serde(default)]
    pub(super) versions: Vec<KeptVersion>,
}

/// A version that the gateway has kept.
#[derive(Debug, Deserialize)]
pub(super) struct KeptVersion {
    number: u64,
    running: bool,
    at: Option<String>,
    from: Option<String>,
    token: Option<String>,
    component: Option<String>,
    sha256: Option<String>,
    program_sha256: Option<String>,
    fault: Option<String>,
}

impl KeptVersion {
    /// The head of a table of versions.
    pub(super) const HEAD: [&'static str; 6] = ["VERSION", "AT", "FROM", "TOKEN", "COMPONENT", "HASH"];

    /// Why it was rolled back automatically, in a line.
    pub(super) fn fault(&self) -> Option<String> {
        self.fault.as_ref().map(|fault| format!("{}: rolled back: {fault}", self.number))
    }

    /// A row of that table.
    pub(super) fn row(&self) -> [String; 6] {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        let state = match self.fault {
            _ if self.running => " (runs)",
            Some(_) => " (rolled back)",
            None => "",
        };
        let hashes = self.sha256.as_deref().map(|sha256| short_hashes(sha256, self.program_sha256.as_deref()));
        [
            format!("{}{state}", self.number),
            text(&self.at),
            text(&self.from),
            text(&self.token),
            text(&self.component),
            text(&hashes),
        ]
    }
}

/// The answer to a change.
#[derive(Debug, Deserialize)]
pub(super) struct ChangeAnswer {
    #[serde(default)]
    dry_run: bool,
    changed: Option<bool>,
    /// Absent in an older gateway.
    changes: Option<Vec<Change>>,
    kept: Option<bool>,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    /// The transform, if it exists afterwards.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A transform that a change concerns.
#[derive(Debug, Deserialize)]
struct Change {
    name: String,
    change: String,
    now: Option<Version>,
    before: Option<Version>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Version {
    component: String,
    version: String,
    sha256: String,
    program_sha256: Option<String>,
}

impl Version {
    pub(super) fn text(&self) -> String {
        let hashes = short_hashes(&self.sha256, self.program_sha256.as_deref());
        format!("{}, version {}, {hashes}", self.component, self.version)
    }
}

impl Change {
    fn line(&self) -> String {
        let Change { name, change, now, before } = self;
        let now = now.as_ref().map(|now| format!(": {}", now.text())).unwrap_or_default();
        let before = before.as_ref().map(|before| format!("; before: {}", before.text())).unwrap_or_default();
        format!("{name}: {change}{now}{before}")
    }
}

impl ChangeAnswer {
    /// What has changed, or would change.
    pub(super) fn lines(self) -> Vec<String> {
        let mut lines = Vec::new();
        match self.changes {
            Some(changes) if changes.is_empty() => {
                lines.push(match self.changed {
                    Some(false) => "Nothing changes.".into(),
                    _ => "No transform is added, replaced or removed: only their order, or what a restart runs.".into(),
                });
            }
            Some(changes) => lines.extend(changes.iter().map(Change::line)),
            None => {
                let summary = serde_json::from_value::<TransformSummary>(self.rest.into());
                lines.extend(
                    summary.map(|it| format!("{}: {}, {}, {}", it.name, it.component, it.built(), it.hashes())),
                );
            }
        }
        if self.dry_run {
            lines.push("A dry run: nothing has been changed.".into());
        } else if self.kept == Some(false) && self.changed != Some(false) && self.warnings.is_empty() {
            lines.push("The change ends with the gateway's process.".into());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(answer: Value) -> Vec<String> {
        serde_json::from_value::<ChangeAnswer>(answer).expect("an answer").lines()
    }

    #[test]
    fn change_names_both_versions_and_whether_it_stays() {
        let version = |sha256: &str| json!({"component": "upload", "version": "0.2", "sha256": sha256});
        let change = json!({"name": "quirk", "change": "replaced", "now": version("0123456789abcdef"), "before": version("fedcba9876543210")});
        let line = "quirk: replaced: upload, version 0.2, sha256 0123456789ab; before: upload, version 0.2, sha256 fedcba987654";
        let answer =
            |dry_run, kept| json!({"dry_run": dry_run, "changes": [change.clone()], "kept": kept, "warnings": []});
        assert_eq!(lines(answer(false, true)), [line]);
        assert_eq!(lines(answer(false, false)), [line, "The change ends with the gateway's process."]);
        assert_eq!(lines(answer(true, false)), [line, "A dry run: nothing has been changed."]);
        let unchanged = |changed| lines(json!({"dry_run": false, "changed": changed, "changes": [], "kept": true}));
        assert_eq!(unchanged(false), ["Nothing changes."]);
        assert!(unchanged(true)[0].contains("order"));
    }

    #[test]
    fn what_is_wrong_with_a_transform_is_its_state() {
        let summary = |stopped: bool, charge_points: u64, fault: Option<&str>| {
            let summary = json!({"name": "a", "component": "b", "built_as": "c", "version": "d", "sha256": "e", "calls": 1,
                "failures": 0, "stopped": stopped, "stopped_charge_points": charge_points, "last_fault": fault});
            serde_json::from_value::<TransformSummary>(summary).expect("a summary").state()
        };
        assert_eq!(summary(false, 0, None), "ok");
        assert_eq!(summary(true, 3, None), "! stopped, as it fails for most charge points");
        assert_eq!(summary(false, 1, None), "! stopped for 1 charge point");
        assert_eq!(summary(false, 2, Some("x")), "! stopped for 2 charge points");
        assert_eq!(summary(false, 0, Some("x")), "! the latest change failed");
    }
}
