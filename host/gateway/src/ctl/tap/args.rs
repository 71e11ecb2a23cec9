//! The definition of `ctl tap`.

use crate::config::Span;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::num::NonZeroU64;
use std::path::PathBuf;

/// The heading of options that choose messages, in the help.
const CHOICE: &str = "Which messages";

#[derive(Debug, Args)]
pub struct TapArgs {
    /// Only of charge points whose identity matches this pattern: `*` stands for any text, `?` for one character. In
    /// quotes, or the shell replaces it with names of files.
    #[arg(value_name = "CHARGE_POINT", help_heading = CHOICE)]
    pub charge_point: Option<String>,
    /// Only with this action, such as Heartbeat, and their answers.
    #[arg(long, value_name = "NAME", help_heading = CHOICE)]
    pub action: Option<String>,
    /// Only of this message type.
    #[arg(long = "type", value_name = "TYPE", ignore_case = true, help_heading = CHOICE, value_parser =
        PossibleValuesParser::new(["CALL", "CALLRESULT", "CALLERROR", "CALLRESULTERROR", "SEND"]))]
    pub message_type: Option<String>,
    /// Only in this direction: uplink is from the charge point, downlink to it.
    #[arg(long, ignore_case = true, value_parser = PossibleValuesParser::new(["uplink", "downlink"]), help_heading = CHOICE)]
    pub direction: Option<String>,
    /// Only with an MQTT topic that matches this filter, such as ocpp/cp/#.
    #[arg(long, value_name = "FILTER", help_heading = CHOICE)]
    pub topic: Option<String>,
    /// Show what each transform makes of a message: its input, its actions, its time and its log lines.
    #[arg(long)]
    pub trace: bool,
    /// Leave out the content of messages; a gateway with `admin.tap_payloads = false` gives nothing else.
    #[arg(long, conflicts_with_all = ["trace", "fixtures"])]
    pub no_payload: bool,
    /// End after this time, such as 30s, 10m or 2h.
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<Span>,
    /// End after this number of messages.
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<NonZeroU64>,
    /// Write a fixture for `transform test` for each call of a transform: DIR/TRANSFORM/NAME.toml. Files that are there
    /// already stay as they are.
    #[arg(long, value_name = "DIR")]
    pub fixtures: Option<PathBuf>,
    /// The most fixtures of one transform, hook, message type and action.
    #[arg(long, value_name = "NUMBER", default_value = "5", requires = "fixtures")]
    pub per_kind: NonZeroU64,
    /// Print text into a file or a pipe as well, in place of JSON.
    #[arg(long)]
    pub text: bool,
}

impl TapArgs {
    /// The parameters of the request.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let upper = self.message_type.as_deref().map(str::to_uppercase);
        let lower = self.direction.as_deref().map(str::to_lowercase);
        let flag = |is_set: bool| is_set.then(|| "true".to_owned());
        let parameters = [
            ("charge_point", self.charge_point.clone()),
            ("action", self.action.clone()),
            ("type", upper),
            ("direction", lower),
            ("topic", self.topic.clone()),
            ("payload", flag(!self.no_payload)),
            ("trace", flag(self.trace || self.fixtures.is_some())),
        ];
        parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
