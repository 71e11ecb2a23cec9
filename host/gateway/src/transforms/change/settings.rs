//! The settings and the component of a new version of a transform.

use super::request::ChangeError;
use crate::config::{HIDDEN, JQ, TransformConfig, is_remote};
use crate::transforms::store::{Code, CodeKind, StoredVersion};
use serde_json::{Map, Value};

/// Keys that only files can have, as their values are paths of the machine of the gateway.
const OF_FILES: [&str; 1] = ["samples"];

/// What every component begins with.
const WASM: &[u8] = b"\0asm";

/// What a version consists of.
#[derive(Debug, Clone, Default)]
pub(super) struct VersionParts {
    pub(super) settings: Map<String, Value>,
    pub(super) code: Option<Code>,
}

impl VersionParts {
    pub(super) fn of(version: Option<&StoredVersion>) -> Self {
        version.map_or_else(Self::default, |it| VersionParts { settings: it.settings.clone(), code: it.code.clone() })
    }

    /// The parts with these settings. Those that are not among them stay, and `null` returns to what the configuration
    /// says. `is_uploaded`: the component is sent with them.
    pub(super) fn with_settings(
        mut self,
        settings: Map<String, Value>,
        is_uploaded: bool,
    ) -> Result<Self, ChangeError> {
        check(&settings)?;
        if settings.contains_key("component") {
            if is_uploaded {
                return Err(ChangeError::Invalid("component: contradicts the component that is sent".into()));
            }
            self.code = None;
            // It was of the component before.
            self.settings.remove("sha256");
        }
        for (key, value) in settings {
            match value {
                Value::Null => drop(self.settings.remove(&key)),
                value => drop(self.settings.insert(key, value)),
            }
        }
        Ok(self)
    }

    /// The parts with another `config`.
    pub(super) fn with_config(mut self, config: Map<String, Value>) -> Result<Self, ChangeError> {
        self.settings.insert("config".into(), Value::Object(config));
        check(&Map::from_iter([("config".to_owned(), self.settings["config"].clone())]))?;
        Ok(self)
    }

    /// The parts with a component that is uploaded.
    pub(super) fn with_component(mut self, code: Code) -> Result<Self, ChangeError> {
        self.settings.remove("component");
        let wanted = self.settings.remove("sha256");
        let wanted =
            wanted.as_ref().and_then(Value::as_str).filter(|wanted| !wanted.eq_ignore_ascii_case(&code.sha256));
        if let Some(wanted) = wanted {
            let problem = format!("sha256: the component that is sent has {}, and not {wanted}", code.sha256);
            return Err(ChangeError::Invalid(problem));
        }
        self.code = Some(code);
        Ok(self)
    }

    /// The address that its component is fetched from.
    pub(super) fn address(&self) -> Option<String> {
        let component = self.settings.get("component").and_then(Value::as_str);
        component.filter(|component| is_remote(component)).map(str::to_owned)
    }

    /// The SHA-256 that its component has to have.
    pub(super) fn wanted(&self) -> Option<&str> {
        self.settings.get("sha256").and_then(Value::as_str)
    }

    /// Whether the ready-made jq runs. `configured`: the transform as the configuration has it.
    fn is_jq(&self, configured: Option<&TransformConfig>) -> bool {
        let is_uploaded = self.code.as_ref().is_some_and(|code| code.kind == CodeKind::Component);
        let named = self.settings.get("component").and_then(Value::as_str);
        let component = named.or(configured.map(|transform| transform.component.as_str()));
        !is_uploaded && component == Some(JQ)
    }

    /// Refuses settings with a jq program beside a component that cannot run it, or would run in the place of the
    /// ready-made jq. To be called on the parts that run.
    pub(super) fn check_program(
        &self,
        configured: Option<&TransformConfig>,
        settings: &Map<String, Value>,
        component: &[u8],
    ) -> Result<(), ChangeError> {
        let config = settings.get("config").and_then(Value::as_object);
        if !config.is_some_and(|config| config.contains_key("program")) {
            return Ok(());
        }
        let problem = if !component.starts_with(WASM) {
            "component: is not WebAssembly, and config.program is sent too: send the jq program as config.program only, \
             without a component"
        } else if self.is_jq(configured) {
            "config.program: contradicts the component that is sent, which would run in place of builtin:jq: send the \
             program without a component, or the component without the program"
        } else {
            return Ok(());
        };
        Err(ChangeError::Invalid(problem.into()))
    }

    /// A jq program among the settings becomes a file, like a component. `configured`: the transform as the
    /// configuration has it; `put`: stores the program.
    pub(super) fn with_program_in_a_file(
        mut self,
        configured: Option<&TransformConfig>,
        put: impl Fn(CodeKind, &[u8]) -> Result<Code, ChangeError>,
    ) -> Result<Self, ChangeError> {
        if !self.is_jq(configured) {
            return Ok(self);
        }
        let config = self.settings.get_mut("config").and_then(Value::as_object_mut);
        let Some(config) = config else { return Ok(self) };
        if config.contains_key("file") {
            let problem = "config.file: a path is for the configuration file; send the text as config.program";
            return Err(ChangeError::Invalid(problem.into()));
        }
        match config.remove("program") {
            Some(Value::String(program)) => {
                self.code = Some(put(CodeKind::Program, program.as_bytes())?);
                self.settings.insert("component".into(), JQ.into());
            }
            Some(_) => return Err(ChangeError::Invalid("config.program: has to be a text".into())),
            None => {}
        }
        Ok(self)
    }
}

/// Finds keys that the API does not take. All others are checked as those of a file.
fn check(settings: &Map<String, Value>) -> Result<(), ChangeError> {
    let invalid = |problem: String| Err(ChangeError::Invalid(problem));
    if let Some(key) = OF_FILES.into_iter().find(|key| settings.contains_key(*key)) {
        return invalid(format!("{key}: only the configuration file and drop-ins have it, as its value is a path"));
    }
    if settings.contains_key("name") {
        return invalid("name: a transform keeps the name that it was added with".into());
    }
    if let Some(key) = settings.keys().find(|key| key.contains('.')) {
        return invalid(format!("{key}: unknown key; a key of a section is a member of an object"));
    }
    if settings.values().any(is_hidden) {
        return invalid(format!("{HIDDEN:?} stands for a secret that is not shown: send the secret itself"));
    }
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if settings.get("sha256").and_then(Value::as_str).is_some_and(|text| !is_digest(text)) {
        return invalid("sha256: has to be 64 hex digits, as sha256sum prints them".into());
    }
    match settings.get("component").map(Value::as_str) {
        None => Ok(()),
        Some(None) if settings["component"].is_null() => Ok(()),
        Some(Some(component)) if component.starts_with("builtin:") || is_remote(component) => Ok(()),
        Some(_) => invalid(
            "component: has to be builtin:NAME, https://… or oci://…; a path is for the configuration file, and the \
             component itself can be uploaded"
                .into(),
        ),
    }
}

/// Whether a value is one that the API shows in the place of a secret, or contains one.
fn is_hidden(value: &Value) -> bool {
    match value {
        Value::String(text) => text == HIDDEN,
        Value::Array(values) => values.iter().any(is_hidden),
        Value::Object(members) => members.values().any(is_hidden),
        _ => false,
    }
}
