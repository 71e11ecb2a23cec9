//! The definition of the command line. `main` runs the commands.

use crate::ctl::CtlArgs;
use crate::devtools;
use crate::listener::authentication::HashKind;
use crate::transforms::compile_process;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// A gateway between OCPP-J charge points and MQTT back ends.
///
/// Without a configuration, it starts an embedded MQTT broker and waits for charge points. Environment variables can
/// set any key of the configuration: OCPP_GATEWAY__MQTT__URL=mqtt://broker sets `url` in `[mqtt]`, and
/// OCPP_GATEWAY__TRANSFORMS sets the whole list of transforms, as TOML.
/// RUST_LOG=debug logs more.
#[derive(Debug, Parser)]
#[command(name = "ocpp-gateway", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: Options,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway; this is the default command.
    Run(Options),
    /// Check the configuration and the components, and report every fault.
    Check(Options),
    /// Print the effective configuration, without secrets.
    Config(Options),
    /// Print an entry for the file of `ocpp.auth.users`, from a password on the standard input.
    User {
        /// The identity of the charge point.
        identity: String,
        /// How the password is hashed.
        #[arg(long, value_enum, default_value_t)]
        hash: HashKind,
    },
    /// Show and change a running gateway, over its admin API.
    Ctl(Box<CtlArgs>),
    /// Print what a shell needs to complete the commands and options of this program.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write, build and test transforms.
    #[command(subcommand)]
    Transform(devtools::TransformCommand),
    /// Compile a component from the standard input to machine code on the standard output; the gateway runs this
    /// itself.
    #[command(hide = true)]
    CompileComponent(compile_process::Budget),
}

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The file of the configuration, in TOML.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Cli {
    /// What a shell needs to complete the command line.
    pub fn completions(shell: Shell) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "ocpp-gateway", &mut script);
        script
    }

    /// The command, with `run` filled in.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_the_default_command() {
        let file_of = |line: &str| match Cli::parse_from(line.split(' ')).into_command() {
            Command::Run(options) => options.config,
            other => panic!("{other:?}"),
        };
        assert_eq!(file_of("ocpp-gateway"), None);
        assert_eq!(file_of("ocpp-gateway --config a.toml"), Some("a.toml".into()));
        assert_eq!(file_of("ocpp-gateway run -c a.toml"), Some("a.toml".into()));
    }
}
