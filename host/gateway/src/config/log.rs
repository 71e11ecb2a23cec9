//! What the log has, and in which form.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The embedded broker has several lines for each client that comes and goes. Directives of the configuration that name it
/// win.
const QUIET: &str = "mqtt5=warn";

/// What is written to standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives as in `RUST_LOG`, which wins.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Log { format: LogFormat::Text, level: "info".into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for programs.
    Json,
}

impl Log {
    /// What `level` comes to.
    pub fn filter(&self) -> Result<EnvFilter, ParseError> {
        EnvFilter::builder().parse(format!("{QUIET},{}", self.level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_broker_is_quiet_unless_it_is_named() {
        let directives = |level: &str| {
            let text = Log { level: level.into(), ..Log::default() }.filter().expect("directives").to_string();
            let mut directives: Vec<String> = text.split(',').map(str::to_owned).collect();
            directives.sort();
            directives
        };
        assert_eq!(directives("info"), ["info", "mqtt5=warn"]);
        assert_eq!(directives("debug,mqtt5=debug"), ["debug", "mqtt5=debug"]);
        assert!(Log { level: "no=such=level".into(), ..Log::default() }.filter().is_err());
    }
}
