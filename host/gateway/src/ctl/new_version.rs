//! A new version of a transform: what is sent to the gateway.

use super::client::{Answer, ApiError, Client, Upload, path, with_query};
use super::multipart;
use crate::config::JQ;
use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use ureq::http::Method;

const SEGMENT: &str = "transforms";

/// How a change is to be made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ChangeOptions {
    /// Only say what would change.
    pub(crate) dry_run: bool,
    /// Whether a component may lack hooks that the running one has.
    pub(crate) allow_fewer_hooks: bool,
}

impl ChangeOptions {
    /// The page with these as its parameters.
    pub(super) fn of(self, page: String) -> String {
        let parameters = [("dry_run", self.dry_run), ("allow_fewer_hooks", self.allow_fewer_hooks)];
        let set: Vec<_> =
            parameters.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name, "true")).collect();
        with_query(page, &set)
    }
}

/// A component, settings, or both.
#[derive(Debug, Default)]
pub(crate) struct NewVersion {
    /// The keys of a `[[transforms]]` entry, but the name.
    pub(super) settings: Map<String, Value>,
    pub(super) component: Option<Vec<u8>>,
    /// The content of the `.minisig` file of the component or program.
    pub(super) signature: Option<Vec<u8>>,
}

impl NewVersion {
    pub(crate) fn of_component(component: Vec<u8>) -> Self {
        NewVersion { component: Some(component), ..NewVersion::default() }
    }

    /// A program in jq.
    pub(crate) fn of_program(program: &str) -> Self {
        let settings = json!({"component": JQ, "config": {"program": program}});
        let Value::Object(settings) = settings else { return NewVersion::default() };
        NewVersion { settings, ..NewVersion::default() }
    }

    /// Replaces the version of this transform that runs.
    pub(crate) fn replace(&self, client: &Client, name: &str, options: ChangeOptions) -> Result<Answer, ApiError> {
        client.upload(Method::PUT, &options.of(path(&[SEGMENT, name])), &self.upload(self.settings.clone()))
    }

    /// Adds a transform that the gateway does not have.
    pub(crate) fn add(&self, client: &Client, name: &str, options: ChangeOptions) -> Result<Answer, ApiError> {
        let mut settings = self.settings.clone();
        settings.insert("name".into(), name.into());
        client.upload(Method::POST, &options.of(path(&[SEGMENT])), &self.upload(settings))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.component.is_none()
    }

    pub(super) fn upload(&self, settings: Map<String, Value>) -> Upload {
        let json = Value::from(settings.clone()).to_string();
        let (content_type, body) = match &self.component {
            Some(component) if settings.is_empty() => ("application/wasm".to_owned(), component.clone()),
            Some(component) => multipart::form(&json, component),
            None => ("application/json".to_owned(), json.into_bytes()),
        };
        Upload { content_type, body, signature: self.signature.as_ref().map(|signature| BASE64.encode(signature)) }
    }
}
