//! Assignment of programs to cores, so that neither generator nor broker takes CPU time from the measured program.

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use serde::Serialize;
use std::fs;
use std::process::{Command, Stdio};

/// Lists of cores in the format of `taskset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cores {
    pub(crate) contestant: String,
    pub(crate) broker: String,
    pub(crate) generator: String,
}

impl Cores {
    /// One core for the contestant, one for the generator and one for the broker; with two cores, generator and broker
    /// share one. Only cores that this process may use. Of hyper-threads that share a physical core, only the first, if
    /// there are other physical cores. `None` with a single core.
    pub(crate) fn plan() -> Result<Option<Self>> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("cannot read which cores may be used")?;
        let allowed: Vec<usize> =
            (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or_default()).collect();
        let distinct = distinct_cores(&allowed, siblings);
        Ok(Self::of(if distinct.len() > 1 { &distinct } else { &allowed }))
    }

    fn of(cores: &[usize]) -> Option<Self> {
        let (contestant, broker, generator) = match *cores {
            [] | [_] => return None,
            [contestant, other] => (contestant, other, other),
            [contestant, broker, generator, ..] => (contestant, broker, generator),
        };
        let [contestant, broker, generator] = [contestant, broker, generator].map(|core| core.to_string());
        Some(Cores { contestant, broker, generator })
    }
}

/// Without the hyper-threads that share a physical core with an earlier one.
fn distinct_cores(cores: &[usize], siblings: impl Fn(usize) -> Vec<usize>) -> Vec<usize> {
    let is_sibling = |core: usize| siblings(core).iter().any(|sibling| *sibling < core && cores.contains(sibling));
    cores.iter().copied().filter(|core| !is_sibling(*core)).collect()
}

fn siblings(core: usize) -> Vec<usize> {
    let list = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    cores_in(&fs::read_to_string(list).unwrap_or_default())
}

/// The cores in a list in the kernel's format: `0-1,64-65`. Invalid parts are ignored.
fn cores_in(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

/// The same command, on these cores only. taskset executes the program in its own process, so the process id stays.
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

/// Restricts this process, which has one thread, to these cores.
pub(crate) fn pin_this_process(cores: &str) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["-c", "-p", cores, &std::process::id().to_string()]).stdout(Stdio::null());
    let status = command.status().context("taskset (util-linux) is needed; without it, use --no-pin")?;
    ensure!(status.success(), "taskset cannot restrict the generator to core {cores}; try --no-pin");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contestant_has_a_core_of_its_own() {
        assert_eq!(Cores::of(&[5]), None);
        for cores in [&[4, 5][..], &[0, 1, 2], &[4, 6, 8, 10]] {
            let plan = Cores::of(cores).expect("a plan");
            assert_eq!(plan.contestant, cores[0].to_string());
            assert_ne!(plan.contestant, plan.broker);
            assert_ne!(plan.contestant, plan.generator);
            assert_eq!(plan.broker == plan.generator, cores.len() == 2);
        }
    }

    #[test]
    fn hyper_threads_of_one_core_are_used_once() {
        let siblings = |core| vec![core % 2, core % 2 + 2];
        assert_eq!(distinct_cores(&[0, 1, 2, 3], siblings), [0, 1]);
        assert_eq!(distinct_cores(&[2, 3], siblings), [2, 3]);
    }

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(cores_in("0-1,64-65\n"), [0, 1, 64, 65]);
        assert_eq!(cores_in("3\n"), [3]);
        assert_eq!(cores_in(""), [0; 0]);
    }

    #[test]
    fn pinned_command_keeps_arguments_environment_and_directory() {
        let mut command = Command::new("node");
        command.arg("gateway.js").env("QOS", "1").current_dir("/tmp");
        let pinned = pinned(&command, "0");
        assert_eq!(pinned.get_program(), "taskset");
        assert_eq!(pinned.get_args().collect::<Vec<_>>(), ["-c", "0", "node", "gateway.js"]);
        assert_eq!(pinned.get_envs().count(), 1);
        assert_eq!(pinned.get_current_dir(), command.get_current_dir());
    }
}
