//! `ocpp-gateway ctl …`: a running gateway, over its admin API.
//!
//! - `args`: the command line; `run`: from a command to an exit code; `output`: tables, and text of others for a terminal.
//! - `client`: requests and refusals; `connection`: where the gateway is, and the token; `new_version`: what an upload
//!   sends. `transform dev` uses these as well.
//! - `event_stream`: server-sent events; `trace`: what transforms made of a message, as text.
//! - A file for each group of commands: `status`, `charge_points`, `transforms`, `trial`, `try_message`, `tap`,
//!   `events`, `log_level`.

mod args;
mod charge_points;
pub(crate) mod client;
pub(crate) mod connection;
mod error;
mod event_stream;
mod events;
mod log_level;
mod multipart;
pub(crate) mod new_version;
mod output;
mod run;
mod settings;
mod status;
mod tap;
#[cfg(test)]
pub(crate) mod test_gateway;
#[cfg(test)]
mod tests;
mod trace;
mod transform_args;
mod transform_summary;
mod transforms;
mod trial;
mod trial_args;
mod trial_difference;
mod trial_summary;
mod try_message;

pub use args::CtlArgs;
pub use connection::AccessArgs;
pub use run::run;
