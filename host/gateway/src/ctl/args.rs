//! The definition of the `ctl` commands.

use super::connection::{DEFAULT_URL, GATEWAY, TokenArgs, URL_VARIABLE};
use super::transform_args::TransformsCommand;
use clap::{Args, Subcommand};
use std::num::NonZeroUsize;

#[derive(Debug, Args)]
pub struct CtlArgs {
    /// The URL of the gateway's admin listener.
    #[arg(long, value_name = "URL", env = URL_VARIABLE, default_value = DEFAULT_URL, global = true, help_heading = GATEWAY)]
    pub url: String,
    #[command(flatten)]
    pub token: TokenArgs,
    /// Print the JSON of the API unchanged.
    #[arg(long, global = true, help_heading = GATEWAY)]
    pub json: bool,
    #[command(subcommand)]
    pub command: CtlCommand,
}

#[derive(Debug, Subcommand)]
pub enum CtlCommand {
    /// Show whether the gateway is ready and why not, how many charge points are connected, and which transforms run.
    ///
    /// The exit code is 1 if the gateway is not ready.
    Status,
    /// List the connected charge points, or show one with its open CALLs.
    ChargePoints {
        /// The identity of a charge point; without it, all are listed.
        id: Option<String>,
        /// The most charge points to list; by default all.
        #[arg(long, value_name = "NUMBER", conflicts_with = "id")]
        limit: Option<NonZeroUsize>,
    },
    /// Close the connections of charge points; they may connect again at once.
    Kick {
        /// The identities of the charge points.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Send a CALL to a charge point, and print the result that it answers with.
    Call {
        /// The identity of the charge point.
        id: String,
        /// The action, such as TriggerMessage.
        action: String,
        /// The payload, a JSON object; `-` reads it from the standard input. By default {}.
        #[arg(allow_hyphen_values = true)]
        payload: Option<String>,
    },
    /// List, change and roll back transforms.
    #[command(subcommand)]
    Transforms(TransformsCommand),
    /// Print events as they happen, one a line, until Ctrl-C.
    ///
    /// With --json, each line is an object.
    Events,
    /// Show which lines the log has, or change it until the gateway is restarted.
    LogLevel {
        /// A level (off, error, warn, info, debug, trace), or directives such as info,ocpp_gateway_mqtt=debug.
        filter: Option<String>,
    },
}
