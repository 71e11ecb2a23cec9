//! JSON as Rust types, on demand: a transform that only routes never parses a payload.

use crate::types::{CallError, Frame, Peer, Publish};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::Serialize;

/// Reads the configuration that [`Transform::configure`](crate::Transform::configure) gets. The error names the key,
/// for the author of the configuration. Give the type `#[serde(default, deny_unknown_fields)]`, so that every key is
/// optional and a mistyped one is refused.
///
/// ```
/// #[derive(Default, serde::Deserialize)]
/// #[serde(default, deny_unknown_fields)]
/// struct Config {
///     interval_s: u32,
/// }
///
/// assert_eq!(ocpp_transform::read_config::<Config>(r#"{"interval_s":300}"#).expect("a config").interval_s, 300);
/// let error = ocpp_transform::read_config::<Config>(r#"{"interval_s":"5m"}"#).err();
/// assert_eq!(error.as_deref(), Some("interval_s: invalid type: string \"5m\", expected a whole number of 0 or more"));
/// ```
pub fn read_config<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| match error.path().to_string().as_str() {
        "." => problem(error.inner()),
        key => format!("{key}: {}", problem(error.inner())),
    })
}

/// The text of an error without its position, which is one in the JSON that the gateway made from the user's
/// configuration, and without the names of Rust types.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&position).unwrap_or(&text);
    match text.rsplit_once(", expected ") {
        Some((found, "u8" | "u16" | "u32" | "u64" | "usize")) => {
            format!("{found}, expected a whole number of 0 or more")
        }
        Some((found, "i8" | "i16" | "i32" | "i64" | "isize")) => format!("{found}, expected a whole number"),
        Some((found, "f32" | "f64")) => format!("{found}, expected a number"),
        _ => text.to_owned(),
    }
}

/// Reads a setting that is a quality of service, 0 to 2.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Config {
///     #[serde(deserialize_with = "ocpp_transform::qos")]
///     qos: u8,
/// }
///
/// assert_eq!(ocpp_transform::read_config::<Config>(r#"{"qos":1}"#).expect("a config").qos, 1);
/// let error = ocpp_transform::read_config::<Config>(r#"{"qos":3}"#).err().expect("no config");
/// assert!(error.starts_with("qos: 3 is no QoS; there are 0, 1 and 2"));
/// ```
pub fn qos<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let level = u8::deserialize(deserializer)?;
    if level <= 2 { Ok(level) } else { Err(D::Error::custom(format!("{level} is no QoS; there are 0, 1 and 2"))) }
}

impl Frame {
    /// The payload, or the details of an error, as a type.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "camelCase")]
    /// struct Authorize<'a> {
    ///     id_tag: &'a str,
    /// }
    ///
    /// let frame = ocpp_transform::testing::call("17", "Authorize", r#"{"idTag":"4F2A"}"#);
    /// assert_eq!(frame.read_payload::<Authorize>().expect("an Authorize").id_tag, "4F2A");
    /// ```
    pub fn read_payload<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.payload)
    }

    /// The same frame with another payload, which must become a JSON object.
    ///
    /// ```
    /// let frame = ocpp_transform::testing::call("17", "Authorize", r#"{"idTag":"4F2A"}"#);
    /// let frame = frame.with_payload(&serde_json::json!({ "idTag": "redacted" })).expect("JSON");
    /// assert_eq!(frame.payload, r#"{"idTag":"redacted"}"#);
    /// ```
    pub fn with_payload<T: Serialize + ?Sized>(self, payload: &T) -> Result<Self, serde_json::Error> {
        Ok(Frame { payload: serde_json::to_string(payload)?, ..self })
    }
}

impl Publish {
    /// A message with a JSON payload, QoS 1, not retained.
    ///
    /// ```
    /// let audit = ocpp_transform::Publish::json("audit/CP1", &serde_json::json!({ "seen": true })).expect("JSON");
    /// assert_eq!(audit.payload, br#"{"seen":true}"#);
    /// ```
    pub fn json<T: Serialize + ?Sized>(topic: impl Into<String>, payload: &T) -> Result<Self, serde_json::Error> {
        Ok(Publish::new(topic, serde_json::to_vec(payload)?))
    }

    /// The payload as a type.
    ///
    /// ```
    /// let message = ocpp_transform::Publish::new("limits/CP1", r#"{"amps":16}"#);
    /// let limits: serde_json::Value = message.read_payload().expect("JSON");
    /// assert_eq!(limits["amps"], 16);
    /// ```
    pub fn read_payload<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.payload)
    }
}

impl CallError {
    /// An error without details. `code` is an OCPP error code.
    ///
    /// ```
    /// let error = ocpp_transform::CallError::new("SecurityError", "no remote resets");
    /// assert_eq!(error.details, "{}");
    /// ```
    pub fn new(code: impl Into<String>, description: impl Into<String>) -> Self {
        CallError { code: code.into(), description: description.into(), details: "{}".into() }
    }

    /// The error for a payload that does not have the form of its action. The code is spelt as in the charge point's
    /// version (OCPP-J 1.6 section 4.2.3, OCPP 2.0.1 part 4 section 4.3).
    ///
    /// ```
    /// use ocpp_transform::{CallError, testing};
    /// assert_eq!(CallError::malformed(&testing::peer("CP1"), "no idTag").code, "FormationViolation");
    /// ```
    pub fn malformed(peer: &Peer, description: impl Into<String>) -> Self {
        let code = if peer.protocol == "ocpp1.6" { "FormationViolation" } else { "FormatViolation" };
        CallError::new(code, description)
    }
}
