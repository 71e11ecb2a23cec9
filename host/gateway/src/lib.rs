//! The program `ocpp-gateway`, as a library, so that tests can start whole gateways.
//!
//! A charge point comes in through the [`listener`] and has a task of its own in [`charge_point`]; [`routing`] is the way
//! of its messages to the broker and back. [`app`] puts it all together.

mod address;
pub mod admin;
pub mod app;
pub mod banner;
pub mod charge_point;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod compile_process;
pub mod config;
mod ephemeral;
pub mod events;
pub mod exchange;
pub mod file_limit;
mod fixture;
pub mod listener;
pub mod log;
mod long_calls;
pub mod metrics;
mod names;
pub mod notify;
pub mod routing;
pub mod shutdown;
pub mod transforms;
pub mod watch;
pub mod workbench;
