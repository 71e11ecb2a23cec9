//! The program `ocpp-gateway`, as a library, so that tests can start whole gateways.
//!
//! [`listener`] accepts charge points, and each then has a task of its own in [`charge_point`]. [`routing`] carries
//! their messages to the broker and back. [`app`] starts, runs and stops a whole gateway.

pub mod admin;
pub mod app;
pub mod charge_point;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod ctl;
pub mod devtools;
pub mod listener;
pub mod operations;
pub mod recording;
pub mod routing;
pub mod transforms;
