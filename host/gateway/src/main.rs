//! The program `ocpp-gateway`: from the command line to an exit code.

use anyhow::Context as _;
use clap::Parser as _;
use ocpp_gateway::app::{Gateway, StartError, files};
use ocpp_gateway::charge_point::coalescing;
use ocpp_gateway::cli::banner::Banner;
use ocpp_gateway::cli::{Cli, Command, Options, check};
use ocpp_gateway::config::{self, Config, LogFormat};
use ocpp_gateway::ctl;
use ocpp_gateway::devtools;
use ocpp_gateway::listener::{ListenerError, authentication};
use ocpp_gateway::operations::{log, shutdown};
use ocpp_gateway::transforms::compile_process::{self, Budget, CompileProcess};
use ocpp_gateway::transforms::{self, Store};
use ocpp_gateway_pipeline::{TransformStatus, short_hashes};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The configuration or a component cannot be used (`EX_CONFIG` of sysexits.h). Wrong usage is clap's 2.
const BAD_CONFIGURATION: u8 = 78;
const RUNTIME_FAILURE: u8 = 1;

/// Blocking threads beside the workers. Password checks, uploads and long calls of transforms have lower limits of
/// their own.
const MAX_BLOCKING_THREADS: usize = 64;

/// How long the program waits for blocking threads before it exits.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match Cli::parse().into_command() {
        Command::Run(options) => with_config(&options, |config| run(config, options.clone())),
        Command::Check(options) => check(&options),
        Command::Config(options) => with_config(&options, |config| print(&config)),
        Command::User { identity, hash } => user(&identity, hash),
        Command::Ctl(args) => ctl::run(&args),
        Command::Completions { shell } => print_completions(&Cli::completions(shell)),
        Command::Transform(command) => devtools::run(&command),
        Command::CompileComponent(budget) => compile_process::run(budget),
    }
}

fn with_config(options: &Options, then: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match load(options) {
        Ok(config) => then(config),
        Err(faults) => fail(&faults, BAD_CONFIGURATION),
    }
}

fn load(options: &Options) -> Result<Config, config::ConfigFaults> {
    files::load(options.config.as_deref(), config::variables())
}

fn print(config: &Config) -> ExitCode {
    let store = match Store::read(&config.storage) {
        Ok(store) => store,
        Err(error) => return fail(&error, BAD_CONFIGURATION),
    };
    match config.to_toml() {
        Ok(text) => {
            print!("{text}{}", transforms::component_versions(config, &store));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, RUNTIME_FAILURE),
    }
}

fn print_completions(script: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(script) {
        // The reader may have enough before the end.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => fail(&error, RUNTIME_FAILURE),
        _ => ExitCode::SUCCESS,
    }
}

fn check(options: &Options) -> ExitCode {
    let loaded = files::read(options.config.as_deref(), config::variables());
    let (config, faults) = (&loaded.config, loaded.faults());
    let compiler = Arc::new(CompileProcess::new(Budget::of(&config.runtime)));
    let check::CheckReport { faults, warnings, transforms } = check::check(config, faults.as_ref(), Some(compiler));
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    if !faults.is_empty() {
        return fail(&faults.join("\n"), BAD_CONFIGURATION);
    }
    println!("The configuration can be used.");
    for TransformStatus { name, component, built_as, version, sha256, program_sha256, size, .. } in transforms {
        let hashes = short_hashes(&sha256, program_sha256.as_deref());
        println!("transform {name}: {component}, {built_as} {version}, {size} bytes, {hashes}");
    }
    ExitCode::SUCCESS
}

/// Prints an entry for the file of `ocpp.auth.users`.
fn user(identity: &str, hash: authentication::HashKind) -> ExitCode {
    match authentication::user_entry(identity, hash) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&format_args!("{error:#}"), RUNTIME_FAILURE),
    }
}

fn run(config: Config, options: Options) -> ExitCode {
    // Before any other thread starts.
    separate_large_blocks();
    let _log = log::start(&config.log);
    match serve(config, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let unusable = matches!(
                error.downcast_ref(),
                Some(
                    StartError::Transforms(_)
                        | StartError::Store(_)
                        | StartError::AdminTls(_)
                        | StartError::Listeners(ListenerError::Files(_))
                )
            );
            fail(&format_args!("{error:#}"), if unusable { BAD_CONFIGURATION } else { RUNTIME_FAILURE })
        }
    }
}

/// Makes the allocator map each large block separately, and unmap it when it is freed. By default, glibc stops doing so
/// when the first large block is freed: later ones lie among small blocks, which keep their memory from being returned
/// or reused. A gigabyte of messages, an eighth of it at a time, made the process a gigabyte large.
fn separate_large_blocks() {
    #[cfg(target_env = "gnu")]
    for (parameter, bytes) in [(libc::M_MMAP_THRESHOLD, 128 << 10), (libc::M_TRIM_THRESHOLD, 1 << 20)] {
        // SAFETY: mallopt takes two numbers, and this is the only thread. If it fails, the default remains.
        unsafe { libc::mallopt(parameter, bytes) };
    }
}

fn serve(config: Config, options: Options) -> anyhow::Result<()> {
    let config::RuntimeConfig { threads, coalesce, .. } = config.runtime;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(threads).max_blocking_threads(MAX_BLOCKING_THREADS).enable_all();
    let moment = coalesce.get();
    // With several threads, only one of them polls for I/O; the others wait for that one.
    if threads == 1 && !moment.is_zero() {
        runtime.on_thread_park(move || coalescing::before_idle(moment));
    }
    let runtime = runtime.build().context("cannot start the runtime")?;
    let compiler = Arc::new(CompileProcess::new(Budget::of(&config.runtime)));
    let served = runtime.block_on(start(&config, options, &compiler));
    // A component may still be compiling.
    compiler.stop();
    // A transform may still be running. Its result is not needed.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    served
}

async fn start(config: &Config, options: Options, compiler: &Arc<CompileProcess>) -> anyhow::Result<()> {
    let mut stop = Box::pin(shutdown::requested().context("cannot listen for signals")?);
    let gateway = tokio::select! {
        started = Gateway::start(config, Some(Arc::clone(compiler))) => started?,
        // Components may take minutes to load.
        () = &mut stop => return Ok(()),
    };
    gateway.reload_on_hangup(move || load(&options)).context("cannot listen for signals")?;
    let banner = Banner::new(gateway.addresses(), config, gateway.pipeline());
    match config.log.format {
        LogFormat::Text => print!("{}", banner.text()),
        LogFormat::Json => banner.log(),
    }
    gateway.run(stop).await?;
    Ok(())
}

fn fail(problem: &dyn std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("ocpp-gateway: {problem}");
    ExitCode::from(code)
}
