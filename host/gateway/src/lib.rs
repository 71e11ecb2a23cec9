//! The program `ocpp-gateway`, as a library, so that tests can start whole gateways.
//!
//! A charge point comes in through the [`listener`] and has a task of its own in [`charge_point`]; [`routing`] is the way
//! of its messages to the broker and back. [`app`] puts it all together.

pub mod admin;
pub mod app;
pub mod charge_point;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod devtools;
pub mod listener;
pub mod operations;
pub mod routing;
pub mod transforms;
