//! The definition of the `ctl` commands.

use super::connection::{AccessArgs, DEFAULT_URL, GATEWAY, URL_VARIABLE};
use super::tap::TapArgs;
use super::transform_args::{TransformsCommand, VersionArgs};
use super::trial_args::TrialCommand;
use clap::{Args, Subcommand};
use std::num::NonZeroUsize;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct CtlArgs {
    /// The URL of the gateway's admin listener.
    #[arg(long, value_name = "URL", env = URL_VARIABLE, default_value = DEFAULT_URL, global = true, help_heading = GATEWAY)]
    pub url: String,
    #[command(flatten)]
    pub token: AccessArgs,
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
    ///
    /// Vendor, model and status are those of the latest messages since the gateway started.
    ChargePoints {
        /// The identity of a charge point; without it, all are listed.
        id: Option<String>,
        /// The most charge points to list; by default all.
        #[arg(long, value_name = "NUMBER", conflicts_with = "id")]
        limit: Option<NonZeroUsize>,
        /// Only charge points whose identity, address, vendor or model contains this text, in any case.
        #[arg(long, value_name = "TEXT", conflicts_with = "id")]
        search: Option<String>,
        /// Only charge points of the listener with this name.
        #[arg(long, value_name = "NAME", conflicts_with = "id")]
        listener: Option<String>,
        /// List those that are not connected, but were since the gateway started.
        #[arg(long, conflicts_with = "id")]
        away: bool,
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
    /// Run a new version of a transform beside the one that is live: to compare them, or for some charge points only.
    #[command(subcommand)]
    Trial(TrialCommand),
    /// Show what the transforms would make of a message: each stage with its actions, time and log lines. Nothing is sent.
    ///
    /// With a component or settings, they are tried in the place of the transform that --name names, or as one more.
    Try(TryArgs),
    /// Watch messages as they pass the gateway, or record them, until Ctrl-C or the end that an option sets.
    ///
    /// On a terminal, each message is a line of text. Into a file or a pipe, or with --json, it is the JSON of the gateway:
    /// `ocpp-gateway ctl tap --for 10m > day.jsonl` makes a recording, with which a transform can be tested.
    Tap(TapArgs),
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

#[derive(Debug, Args)]
#[command(override_usage = "ocpp-gateway ctl try [OPTIONS] <MESSAGE> [FILE|--component <COMPONENT>]")]
pub struct TryArgs {
    /// A file with a frame, such as [2,"1","Heartbeat",{}], or with the request of the API: charge_point, and frame or
    /// message. `-` is the standard input.
    #[arg(value_name = "MESSAGE")]
    pub message: PathBuf,
    /// The identity of the charge point.
    #[arg(long, value_name = "ID")]
    pub charge_point: Option<String>,
    /// Its version of OCPP.
    #[arg(long, value_name = "VERSION", default_value = "ocpp1.6")]
    pub ocpp: String,
    #[command(flatten)]
    pub candidate: VersionArgs,
    /// The transform that the candidate is tried in place of; one of another name is one more.
    #[arg(long)]
    pub name: Option<String>,
    /// The transform that a candidate which is one more stands in front of.
    #[arg(long, value_name = "NAME")]
    pub before: Option<String>,
}
