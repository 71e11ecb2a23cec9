//! The command line: what can be asked for, and what is said on a terminal.

mod args;
pub mod banner;
pub mod check;

pub use args::{Cli, Command, Options};
