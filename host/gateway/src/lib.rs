//! The program `ocpp-gateway`, as a library, so that tests can start whole gateways.
//!
//! A message comes in through [`handshake`] and [`charge_point`], takes the [`road`] to the broker, and back by way of
//! a [`mailbox`]. [`app`] puts it all together.

pub mod admin;
pub mod app;
pub mod banner;
pub mod charge_point;
pub mod check;
pub mod cli;
pub mod coalescing;
pub mod compile_process;
pub mod config;
pub mod dead_letters;
mod echoes;
mod ephemeral;
pub mod events;
pub mod exchange;
pub mod file_limit;
pub mod files;
mod fixture;
pub mod handshake;
pub mod limits;
pub mod listener;
pub mod log;
mod long_calls;
pub mod mailbox;
mod memory;
mod message_id;
pub mod metrics;
pub mod notify;
pub mod outage;
pub mod presence;
pub mod proxies;
pub mod registry;
pub mod road;
pub mod security;
pub mod shutdown;
pub mod socket;
pub mod transforms;
pub mod watch;
pub mod workbench;
