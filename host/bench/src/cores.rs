//! Which program runs on which cores, so that neither the generator nor the broker takes time from what is measured.

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::thread;

/// Lists of cores, as `taskset` takes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cores {
    pub(crate) contestant: String,
    pub(crate) broker: String,
    pub(crate) generator: String,
}

impl Cores {
    /// One core for the contestant; of what is left, one for the generator and one for the broker, if there are two.
    /// `None` on a machine with a single core.
    pub(crate) fn plan() -> Option<Self> {
        Self::of(thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn of(cores: usize) -> Option<Self> {
        let (broker, generator) = match cores {
            0 | 1 => return None,
            2 => (1, 1),
            _ => (1, 2),
        };
        Some(Cores { contestant: "0".into(), broker: broker.to_string(), generator: generator.to_string() })
    }
}

/// The same program, on these cores only. taskset becomes the program, which keeps the process id.
pub(crate) fn pinned(command: &Command, cores: &str) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", cores]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        pinned.current_dir(dir);
    }
    pinned
}

/// Keeps this process, which has one thread, to its cores.
pub(crate) fn pin_this_process(cores: &str) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["-c", "-p", cores, &std::process::id().to_string()]).stdout(Stdio::null());
    let status = command.status().context("taskset, of util-linux, is needed; or --no-pin")?;
    ensure!(status.success(), "taskset cannot keep the generator to core {cores}; try --no-pin");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contestant_shares_its_core_with_nobody() {
        assert_eq!(Cores::of(1), None);
        for cores in [2, 3, 4, 64] {
            let plan = Cores::of(cores).expect("a plan");
            assert_ne!(plan.contestant, plan.broker);
            assert_ne!(plan.contestant, plan.generator);
            assert_eq!(plan.broker == plan.generator, cores == 2);
        }
    }

    #[test]
    fn what_is_pinned_stays_what_it_was() {
        let mut command = Command::new("node");
        command.arg("gateway.js").env("QOS", "1").current_dir("/tmp");
        let pinned = pinned(&command, "0");
        assert_eq!(pinned.get_program(), "taskset");
        assert_eq!(pinned.get_args().collect::<Vec<_>>(), ["-c", "0", "node", "gateway.js"]);
        assert_eq!(pinned.get_envs().count(), 1);
        assert_eq!(pinned.get_current_dir(), command.get_current_dir());
    }
}
