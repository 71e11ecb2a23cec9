//! What the log contains, and in which form.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The targets of the gateway: the common prefix of its crates, and that of transforms.
const OWN_TARGETS: [&str; 2] = ["ocpp_gateway", "transform"];

/// On `info`, the embedded broker logs several lines for each client that connects or disconnects. On `warn`, rustls
/// logs what a peer does wrong in a handshake, which the listener and the MQTT clients log themselves.
const QUIET_LIBRARIES: [&str; 2] = ["mqtt5=warn", "rustls=error"];

/// Lines about what callers of the admin API did are written on every level: a log with warnings alone needs them too.
const AUDIT: &str = "audit=info";

/// What is written to standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, expecting = "a section")]
pub struct LogConfig {
    pub format: LogFormat,
    /// `RUST_LOG` takes precedence.
    pub level: LogLevel,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { format: LogFormat::Text, level: LogLevel("info".into()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for programs.
    Json,
}

/// Which lines are written: the name of a level, directives such as `ocpp_gateway_mqtt=debug`, or several of both,
/// separated by commas.
///
/// The name of a level alone is for the gateway and the transforms. Libraries log up to `info`, because compiling one
/// component is thousands of their lines on `debug`; the embedded broker logs up to `warn`, rustls up to `error`. A
/// directive that names a target takes precedence. The target `audit` is on `info` unless a directive names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

/// Why a text is not a [`LogLevel`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLogLevel {
    #[error(
        "{0:?} is neither a level (off, error, warn, info, debug, trace) nor a directive such as \"ocpp_gateway_mqtt=debug\""
    )]
    Word(String),
    #[error("{0:?} is no directive: {1}")]
    Directive(String, String),
}

impl LogLevel {
    pub fn filter(&self) -> EnvFilter {
        let mut directives = QUIET_LIBRARIES.map(str::to_owned).to_vec();
        directives.push(AUDIT.to_owned());
        for part in parts(&self.0) {
            match part.parse::<LevelFilter>() {
                Ok(level) if level > LevelFilter::INFO => {
                    directives.push(LevelFilter::INFO.to_string());
                    directives.extend(OWN_TARGETS.map(|target| format!("{target}={level}")));
                }
                _ => directives.push(part.to_owned()),
            }
        }
        // `from_str` has checked all directives.
        EnvFilter::new(directives.join(","))
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogLevel {
    type Err = BadLogLevel;
    fn from_str(text: &str) -> Result<Self, BadLogLevel> {
        if parts(text).next().is_none() {
            return Err(BadLogLevel::Word(text.to_owned()));
        }
        for part in parts(text) {
            // `EnvFilter` takes a word alone for a target, and switches all other targets off.
            let is_directive = part.contains('=') || part.starts_with('[');
            if !is_directive && part.parse::<LevelFilter>().is_err() {
                return Err(BadLogLevel::Word(part.to_owned()));
            }
            EnvFilter::builder()
                .parse(part)
                .map_err(|error| BadLogLevel::Directive(part.to_owned(), error.to_string()))?;
        }
        Ok(LogLevel(text.to_owned()))
    }
}

super::values::written_as_text!(
    LogLevel,
    "a level such as \"info\", or directives such as \"ocpp_gateway_mqtt=debug\""
);

#[cfg(test)]
mod tests {
    use super::*;

    fn directives(level: &str) -> Vec<String> {
        let text = level.parse::<LogLevel>().expect("a level").filter().to_string();
        let mut directives: Vec<String> = text.split(',').map(str::to_owned).collect();
        directives.sort();
        directives
    }

    #[test]
    fn embedded_broker_and_rustls_log_less_unless_a_directive_names_them() {
        assert_eq!(directives("info"), ["audit=info", "info", "mqtt5=warn", "rustls=error"]);
        assert_eq!(directives("info,mqtt5=debug"), ["audit=info", "info", "mqtt5=debug", "rustls=error"]);
    }

    #[test]
    fn audit_lines_are_written_on_every_level_unless_a_directive_names_them() {
        assert_eq!(directives("error"), ["audit=info", "error", "mqtt5=warn", "rustls=error"]);
        assert_eq!(directives("error,audit=off"), ["audit=off", "error", "mqtt5=warn", "rustls=error"]);
    }

    #[test]
    fn debug_means_the_gateway_and_transforms_but_no_libraries() {
        assert_eq!(
            directives("debug"),
            ["audit=info", "info", "mqtt5=warn", "ocpp_gateway=debug", "rustls=error", "transform=debug"]
        );
        assert_eq!(
            directives("trace, cranelift_codegen=debug"),
            [
                "audit=info",
                "cranelift_codegen=debug",
                "info",
                "mqtt5=warn",
                "ocpp_gateway=trace",
                "rustls=error",
                "transform=trace"
            ]
        );
    }

    #[test]
    fn words_that_are_neither_level_nor_directive_are_refused() {
        for word in ["warning", "verbose", "", ",", "info,warning", "ocpp_gateway"] {
            assert!(matches!(word.parse::<LogLevel>(), Err(BadLogLevel::Word(_))), "{word}");
        }
        for directive in ["no=such=level", "ocpp_gateway=loud"] {
            assert!(matches!(directive.parse::<LogLevel>(), Err(BadLogLevel::Directive(..))), "{directive}");
        }
        for level in ["off", "ERROR", "warn", "[handshake]=debug", "ocpp_gateway_mqtt=debug,warn"] {
            assert!(level.parse::<LogLevel>().is_ok(), "{level}");
        }
    }
}
