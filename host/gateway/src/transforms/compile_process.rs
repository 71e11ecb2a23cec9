//! Compiles components in a process of its own, which has limits and gives everything back when it ends.
//!
//! The gateway starts itself once more, with the hidden command `compile-component`: the component goes to its standard
//! input, the machine code comes from its standard output. The process limits itself before it reads anything.

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

/// This program, even where its file has been replaced by another version meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";
const COMMAND: &str = "compile-component";

/// Exit codes of the process, after sysexits.h: the component is not valid, there is no memory for it, or time is over on
/// the clock.
const INVALID: u8 = 65;
const NO_MEMORY: u8 = 71;
const TOO_SLOW: u8 = 75;

/// How much longer than its share of a processor the process may take on the clock of a busy machine.
const CLOCK_FACTOR: u32 = 4;
/// So that whoever answers charge points has the processor first.
const NICENESS: i32 = 10;

/// What one component may take to be compiled: what the process is told on its command line.
#[derive(Debug, Clone, Copy, Args)]
pub struct Budget {
    /// Seconds of a processor.
    #[arg(long)]
    pub seconds: u64,
    /// Bytes of address space.
    #[arg(long)]
    pub memory: u64,
}

impl Budget {
    /// A second is the least that can be limited.
    pub fn of(runtime: &RuntimeConfig) -> Self {
        let seconds = runtime.compile_time.get().as_secs_f64().ceil();
        Budget { seconds: (seconds as u64).max(1), memory: runtime.compile_memory.get() as u64 }
    }
}

/// Starts a process for each component, one at a time as the pipeline wants it.
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

    /// `program`: the file of this program, for a test, which is another one.
    pub fn of(program: PathBuf, budget: Budget) -> Self {
        CompileProcess { program, budget, state: Mutex::default() }
    }

    /// Ends what is being compiled, and compiles nothing from now on: the gateway stops.
    pub fn stop(&self) {
        let mut state = self.state.lock();
        state.stopped = true;
        if let Some(running) = &mut state.running {
            // It may have ended just now.
            let _ = running.kill();
        }
    }

    fn start(&self) -> io::Result<Pipes> {
        let Budget { seconds, memory } = self.budget;
        let mut command = Command::new(&self.program);
        command.arg0("ocpp-gateway").arg(COMMAND);
        command.arg("--seconds").arg(seconds.to_string()).arg("--memory").arg(memory.to_string());
        // No secret that the configuration left in the environment.
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

    /// Waits for the end, which is near: the standard output is closed.
    fn ended(&self) -> io::Result<ExitStatus> {
        // Not with the lock held: whoever stops it must not wait for this.
        let running = self.state.lock().running.take();
        let status = running.map_or_else(|| Err(io::Error::other("no process")), |mut child| child.wait());
        if self.state.lock().stopped { Err(stopped()) } else { status }
    }

    fn explain(&self, status: ExitStatus, answer: &[u8], last_words: &[u8]) -> CompileError {
        let Budget { seconds, memory } = self.budget;
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        let too_slow = |what| CompileError::Budget(format!("more than {seconds} s {what} (runtime.compile_time)"));
        if status.code() == Some(INVALID.into()) {
            CompileError::Invalid(text(answer))
        } else if status.code() == Some(TOO_SLOW.into()) {
            too_slow("of a processor, which the machine was too busy for")
        } else if status.signal() == Some(Signal::XCPU.as_raw()) {
            too_slow("of a processor")
        } else if status.code() == Some(NO_MEMORY.into()) || status.signal() == Some(Signal::ABORT.as_raw()) {
            // The signal is what Rust has where an allocation fails that nobody expects to.
            let allowed = memory >> 20;
            let said = text(last_words);
            CompileError::Budget(format!("more than {allowed} MiB of memory (runtime.compile_memory): {said}"))
        } else {
            let said = text(last_words);
            CompileError::Io(io::Error::other(format!("the process for it ended with {status}: {said}")))
        }
    }
}

struct Pipes {
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

impl Pipes {
    /// Hands the component over and answers the standard output and the standard error.
    fn ask(self, component: &[u8]) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let Pipes { mut stdin, mut stdout, mut stderr } = self;
        // It says nothing before it has read everything. If it ends before, its status says why.
        let _ = stdin.write_all(component);
        drop(stdin);
        let (mut answer, mut last_words) = (Vec::new(), Vec::new());
        stdout.read_to_end(&mut answer)?;
        stderr.read_to_end(&mut last_words)?;
        Ok((answer, last_words))
    }
}

impl Compile for CompileProcess {
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let asked = self.start()?.ask(component);
        let status = self.ended()?;
        let (answer, last_words) = asked?;
        if status.success() { Ok(answer) } else { Err(self.explain(status, &answer, &last_words)) }
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

/// What the process does.
pub fn run(budget: Budget) -> ExitCode {
    match limit(budget).and_then(|()| answer()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            if error.kind() == io::ErrorKind::OutOfMemory { NO_MEMORY.into() } else { ExitCode::FAILURE }
        }
    }
}

fn answer() -> io::Result<ExitCode> {
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
    // Not one moment longer than the gateway.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let limit = |resource, limit| setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) });
    limit(Resource::Core, 0)?;
    limit(Resource::As, memory)?;
    // At the lower limit it is told SIGXCPU, at the upper one SIGKILL, which others may send too.
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: seconds.checked_add(1) })?;
    // Where this is not allowed it is no harm.
    let _ = nice(NICENESS);
    let on_the_clock = Duration::from_secs(seconds).saturating_mul(CLOCK_FACTOR);
    thread::Builder::new().name("time-is-over".into()).spawn(move || {
        thread::sleep(on_the_clock);
        std::process::exit(TOO_SLOW.into())
    })?;
    Ok(())
}
