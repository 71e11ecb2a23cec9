//! The machine, programs and settings of the results.

use crate::cores::Cores;
use crate::stand::{Contestant, Stand, StandArgs};
use crate::syscalls::Counter;
use serde::Serialize;
use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::SystemTime;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// The day, in UTC.
    pub(crate) date: String,
    /// The command line.
    pub(crate) command: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// Name and version of each program.
    pub(crate) programs: Vec<(String, String)>,
    pub(crate) pinned: Option<Cores>,
    pub(crate) syscalls_counted_by: Counter,
    pub(crate) qos: u8,
    pub(crate) rounds: usize,
    pub(crate) seconds_per_round: f64,
}

impl Machine {
    pub(super) fn detect(stand: &Stand<'_>, contestants: &[Contestant], rounds: usize) -> Self {
        let args = stand.args;
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        Machine {
            date: date(),
            command: command(),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            memory_gib: memory_kib >> 20,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            programs: programs(args, contestants),
            pinned: stand.cores.clone(),
            syscalls_counted_by: stand.counter,
            qos: args.qos.number(),
            rounds,
            seconds_per_round: args.measure.as_secs_f64(),
        }
    }

    #[cfg(test)]
    pub(crate) fn unknown() -> Self {
        Machine {
            date: "2026-01-01".into(),
            command: "bench public".into(),
            processor: "a processor".into(),
            cores: 2,
            memory_gib: 24,
            kernel: "6.1".into(),
            programs: vec![("mosquitto".into(), "2.0".into())],
            pinned: None,
            syscalls_counted_by: Counter::None,
            qos: 1,
            rounds: 3,
            seconds_per_round: 10.0,
        }
    }
}

fn command() -> String {
    let program = std::env::args().next().unwrap_or_default();
    let program = Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    std::iter::once(program).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

fn programs(args: &StandArgs, contestants: &[Contestant]) -> Vec<(String, String)> {
    let first_line = |command: &mut Command| {
        let output = command.output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
    };
    // `mosquitto -h` prints its version and exits with an error.
    let broker = ("mosquitto", first_line(Command::new(&args.mosquitto).arg("-h")));
    let versions = contestants.iter().map(|contestant| {
        let version = match (contestant, contestant.peer()) {
            (_, Some(peer)) => peer.version(),
            (Contestant::Gateway, None) => first_line(Command::new(&args.gateway).arg("--version")),
            _ => None,
        };
        (contestant.name(), version)
    });
    std::iter::once(broker).chain(versions).filter_map(|(name, version)| Some((name.to_owned(), version?))).collect()
}

fn date() -> String {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let text = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since_epoch).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}
