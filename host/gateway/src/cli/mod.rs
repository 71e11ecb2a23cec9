//! The command line: its arguments, the banner and the command `check`.

mod args;
pub mod banner;
pub mod check;

pub use args::{Cli, Command, Options};
