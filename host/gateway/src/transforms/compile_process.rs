//! Compiles components in a separate process, which has limits and frees everything when it ends.
//!
//! The gateway starts its own program with the hidden command `compile-component`. The process limits itself, reads the
//! component from standard input and writes machine code to standard output.

use crate::config::RuntimeConfig;
use clap::Args;
use ocpp_gateway_pipeline::{Compile, CompileError, compile_component};
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// This program, even if its file has been replaced by another version meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";
const COMMAND: &str = "compile-component";

/// Exit codes of the process, after sysexits.h: the component is not valid, it needs too much memory, or too much wall
/// time has passed.
const INVALID: u8 = 65;
const NO_MEMORY: u8 = 71;
const TOO_SLOW: u8 = 75;

/// The limit of wall time, as a multiple of the limit of CPU time: the machine may be busy.
const WALL_TIME_FACTOR: u32 = 4;
/// Threads that serve charge points have a higher priority.
const NICENESS: i32 = 10;

/// The limits for compiling one component, passed to the process on its command line.
#[derive(Debug, Clone, Copy, Args)]
pub struct Budget {
    /// CPU time, in seconds.
    #[arg(long)]
    pub seconds: u64,
    /// Address space, in bytes.
    #[arg(long)]
    pub memory: u64,
}

impl Budget {
    /// The limits of the configuration. The least time that can be limited is one second.
    pub fn of(runtime: &RuntimeConfig) -> Self {
        let seconds = runtime.compile_time.get().as_secs_f64().ceil();
        Budget { seconds: (seconds as u64).max(1), memory: runtime.compile_memory.get() as u64 }
    }
}

/// Starts a process for each component. The pipeline compiles one at a time.
#[derive(Debug)]
pub struct CompileProcess {
    program: PathBuf,
    budget: Budget,
    state: Mutex<ProcessState>,
}

#[derive(Debug, Default)]
struct ProcessState {
    running: Option<Child>,
    stopped: bool,
}

impl CompileProcess {
    pub fn new(budget: Budget) -> Self {
        CompileProcess::of(THIS_PROGRAM.into(), budget)
    }

    /// `program`: the file of the gateway, for tests, which are other programs.
    pub fn of(program: PathBuf, budget: Budget) -> Self {
        CompileProcess { program, budget, state: Mutex::default() }
    }

    /// Kills the running process, and compiles nothing from now on, because the gateway stops.
    pub fn stop(&self) {
        let mut state = self.state.lock();
        state.stopped = true;
        if let Some(running) = &mut state.running {
            // The process may have just ended.
            let _ = running.kill();
        }
    }

    fn start(&self) -> io::Result<Pipes> {
        let Budget { seconds, memory } = self.budget;
        let mut command = Command::new(&self.program);
        command.arg0("ocpp-gateway").arg(COMMAND);
        command.arg("--seconds").arg(seconds.to_string()).arg("--memory").arg(memory.to_string());
        // The environment may contain secrets of the configuration.
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut state = self.state.lock();
        if state.stopped {
            return Err(stopped());
        }
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        state.running = Some(child);
        let pipe = || io::Error::other("a pipe is missing");
        Ok(Pipes { stdin: stdin.ok_or_else(pipe)?, stdout: stdout.ok_or_else(pipe)?, stderr: stderr.ok_or_else(pipe)? })
    }

    /// Waits for the process, which ends soon: its standard output is closed.
    fn wait(&self) -> io::Result<ExitStatus> {
        // Without the lock, so that `stop` does not wait.
        let running = self.state.lock().running.take();
        let status = running.map_or_else(|| Err(io::Error::other("no process")), |mut child| child.wait());
        if self.state.lock().stopped { Err(stopped()) } else { status }
    }

    fn explain(&self, status: ExitStatus, answer: &[u8], error_text: &[u8]) -> CompileError {
        let Budget { seconds, memory } = self.budget;
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        let too_slow = |what| CompileError::Budget(format!("more than {seconds} s {what} (runtime.compile_time)"));
        if status.code() == Some(INVALID.into()) {
            CompileError::Invalid(text(answer))
        } else if status.code() == Some(TOO_SLOW.into()) {
            too_slow("of CPU time, for which the machine was too busy")
        } else if status.signal() == Some(Signal::XCPU.as_raw()) {
            too_slow("of CPU time")
        } else if status.code() == Some(NO_MEMORY.into()) || status.signal() == Some(Signal::ABORT.as_raw()) {
            // Rust aborts if an infallible allocation fails.
            let allowed = memory >> 20;
            let said = text(error_text);
            CompileError::Budget(format!("more than {allowed} MiB of memory (runtime.compile_memory): {said}"))
        } else {
            let said = text(error_text);
            CompileError::Io(io::Error::other(format!("the compile process ended with {status}: {said}")))
        }
    }
}

struct Pipes {
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

impl Pipes {
    /// Writes the component, and returns standard output and standard error.
    fn communicate(self, component: &[u8]) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let Pipes { mut stdin, mut stdout, mut stderr } = self;
        // The process reads everything before it writes. If it ends earlier, its status explains why.
        let _ = stdin.write_all(component);
        drop(stdin);
        let (mut answer, mut error_text) = (Vec::new(), Vec::new());
        stdout.read_to_end(&mut answer)?;
        stderr.read_to_end(&mut error_text)?;
        Ok((answer, error_text))
    }
}

impl Compile for CompileProcess {
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let output = self.start()?.communicate(component);
        let status = self.wait()?;
        let (answer, error_text) = output?;
        if status.success() { Ok(answer) } else { Err(self.explain(status, &answer, &error_text)) }
    }
}

impl Drop for CompileProcess {
    fn drop(&mut self) {
        self.stop();
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "the gateway is stopping")
}

/// Runs the compile process.
pub fn run(budget: Budget) -> ExitCode {
    match limit(budget).and_then(|()| compile_standard_input()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            if error.kind() == io::ErrorKind::OutOfMemory { NO_MEMORY.into() } else { ExitCode::FAILURE }
        }
    }
}

fn compile_standard_input() -> io::Result<ExitCode> {
    let mut component = Vec::new();
    io::stdin().read_to_end(&mut component)?;
    let (answer, code) = match compile_component(&component) {
        Ok(code) => (code, ExitCode::SUCCESS),
        Err(CompileError::Invalid(reason)) => (reason.into_bytes(), ExitCode::from(INVALID)),
        Err(error) => return Err(io::Error::other(error)),
    };
    io::stdout().write_all(&answer)?;
    Ok(code)
}

fn limit(budget: Budget) -> io::Result<()> {
    let Budget { seconds, memory } = budget;
    // The process ends with the gateway.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let limit = |resource, limit| setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) });
    limit(Resource::Core, 0)?;
    limit(Resource::As, memory)?;
    // The process gets SIGXCPU at the soft limit, and SIGKILL, which may have other causes, at the hard limit.
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: seconds.checked_add(1) })?;
    // A failure does no harm.
    let _ = nice(NICENESS);
    let wall_time = Duration::from_secs(seconds).saturating_mul(WALL_TIME_FACTOR);
    thread::Builder::new().name("time-limit".into()).spawn(move || {
        thread::sleep(wall_time);
        std::process::exit(TOO_SLOW.into())
    })?;
    Ok(())
}
