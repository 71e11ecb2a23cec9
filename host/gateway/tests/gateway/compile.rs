//! Components are compiled in a separate process with limits; neither rollback nor stop waits for it.

use crate::{Running, exchange_raw};
use ocpp_gateway::transforms::compile_process::{Budget, CompileProcess};
use ocpp_gateway_pipeline::{Compile, CompileError, LoadOptions, Pipeline, STANDARD, Source, TransformSpec};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::component::{another_version, empty_functions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

const GATEWAY: &str = env!("CARGO_BIN_EXE_ocpp-gateway");

fn process(seconds: u64, mebibytes: u64) -> CompileProcess {
    CompileProcess::of(GATEWAY.into(), Budget { seconds, memory: mebibytes << 20 })
}

#[test]
fn component_compiled_in_the_process_loads_in_the_gateway() {
    let compile: Arc<dyn Compile> = Arc::new(process(600, 2048));
    for time in [None, Some(Duration::from_secs(1))] {
        let options = LoadOptions { compile: Some(Arc::clone(&compile)), ..LoadOptions::default() };
        let mut spec = TransformSpec { source: Source::Bytes(STANDARD.into()), ..TransformSpec::standard() };
        spec.limits.time = time;
        Pipeline::load_in(vec![spec], options).expect("loaded");
    }
    let invalid = compile.compile(&STANDARD[..STANDARD.len() / 2]);
    assert!(matches!(&invalid, Err(CompileError::Invalid(reason)) if !reason.is_empty()), "{invalid:?}");
}

#[test]
fn component_over_the_compile_budget_is_refused_naming_the_limits_key() {
    let component = empty_functions(90_000);
    for (process, key) in [(process(1, 4096), "runtime.compile_time"), (process(600, 300), "runtime.compile_memory")] {
        match process.compile(&component) {
            Err(CompileError::Budget(text)) => assert!(text.contains(key), "{key}: {text}"),
            other => panic!("{key}: {:?}", other.map(|code| code.len())),
        }
    }
}

#[test]
fn nothing_is_compiled_once_the_gateway_stops() {
    let process = process(600, 2048);
    process.stop();
    let stopped = process.compile(STANDARD);
    assert!(
        matches!(&stopped, Err(CompileError::Io(error)) if error.kind() == io::ErrorKind::Interrupted),
        "{stopped:?}"
    );
}

/// The running program and its addresses for charge points and for operators (`host:port`).
pub(crate) struct CompilingProgram {
    pub(crate) child: Child,
    pub(crate) ocpp: String,
    admin: String,
}

impl CompilingProgram {
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(GATEWAY);
        for key in ["OCPP__LISTEN", "ADMIN__LISTEN", "MQTT__EMBEDDED__LISTEN"] {
            command.env(format!("OCPP_GATEWAY__{key}"), "127.0.0.1:0");
        }
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut ocpp = String::new();
        let admin = loop {
            let mut line = String::new();
            assert!(output.read_line(&mut line).expect("text") > 0, "the program ended");
            if let Some((_, rest)) = line.split_once("charge points  ws://") {
                ocpp = rest.split('/').next().expect("an address").to_owned();
            }
            if let Some((_, rest)) = line.split_once("operators      http://") {
                break rest.split_whitespace().next().expect("an address").to_owned();
            }
        };
        let program = CompilingProgram { child, ocpp, admin };
        program.wait_until_ready();
        program
    }

    /// Waits for `/readyz`: charge points are refused until the broker is reached.
    fn wait_until_ready(&self) {
        let since = Instant::now();
        while !CompilingProgram::answer(self.request("GET", "/readyz", b"")).starts_with("HTTP/1.1 200") {
            assert!(since.elapsed() < TIMEOUT, "the program is not ready");
            thread::yield_now();
        }
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.admin).expect("the admin listener");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("sent");
        stream
    }

    fn answer(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    /// The value of a metric, by its name and labels as they are printed.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = CompilingProgram::answer(self.request("GET", "/metrics", b""));
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{page}")).trim().parse().expect("a number")
    }

    /// Waits for the program to exit. Returns whether it exited with success.
    fn exits_successfully(&mut self) -> bool {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.success();
            }
            assert!(since.elapsed() < TIMEOUT, "the program does not stop");
            thread::yield_now();
        }
    }

    fn terminate(&self) {
        let stopped = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(stopped.success());
    }
}

impl Drop for CompilingProgram {
    fn drop(&mut self) {
        // The program still runs if the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The id of the compile process started by `parent`. Waits until there is one.
fn child_of(parent: u32) -> u32 {
    let since = Instant::now();
    let wanted = format!("PPid:\t{parent}");
    loop {
        let processes = fs::read_dir("/proc")
            .expect("processes")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let is_child = |id: &u32| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            status.lines().any(|line| line == wanted) && compiles(*id)
        };
        if let Some(child) = processes.into_iter().find(is_child) {
            return child;
        }
        assert!(since.elapsed() < TIMEOUT, "no process was started");
        thread::yield_now();
    }
}

fn compiles(id: u32) -> bool {
    let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains("compile-component")
}

#[test]
fn rollback_and_stop_do_not_wait_for_a_running_compilation() {
    let mut program = CompilingProgram::start(&[]);
    let first = program.request("PUT", "/api/v1/transforms/standard", &another_version(STANDARD, 0));
    assert!(CompilingProgram::answer(first).starts_with("HTTP/1.1 200"));
    // Compiling takes most of a minute in an unoptimised build.
    let upload = program.request("PUT", "/api/v1/transforms/standard", &empty_functions(99_000));
    let compiling = child_of(program.child.id());

    let rolled_back = CompilingProgram::answer(program.request("POST", "/api/v1/transforms/standard/rollback", b""));
    assert!(rolled_back.starts_with("HTTP/1.1 200"), "{rolled_back}");
    assert!(rolled_back.contains("builtin:standard"), "{rolled_back}");
    assert!(compiles(compiling));

    program.terminate();
    assert!(program.exits_successfully());
    assert!(!compiles(compiling));
    drop(upload);
}

#[test]
fn stop_does_not_wait_for_compilation_at_startup() {
    let directory = tempfile::tempdir().expect("a directory");
    let component = directory.path().join("large.wasm");
    fs::write(&component, empty_functions(99_000)).expect("written");
    let transforms = format!("[{{ name = \"large\", component = {component:?} }}]");
    let mut command = Command::new(GATEWAY);
    command.env("OCPP_GATEWAY__TRANSFORMS", transforms).stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = CompilingProgram {
        child: command.spawn().expect("the program starts"),
        ocpp: String::new(),
        admin: String::new(),
    };
    let compiling = child_of(program.child.id());
    program.terminate();
    assert!(program.exits_successfully());
    assert!(!compiles(compiling));
}

#[tokio::test(flavor = "multi_thread")]
async fn third_concurrent_upload_gets_503_with_retry_after() {
    let gateway = Running::start("").await;
    let request = |length: usize, more: &str| {
        let head = "PUT /api/v1/transforms/standard HTTP/1.1\r\nHost: localhost\r\nConnection: close";
        format!("{head}\r\nContent-Length: {length}\r\n{more}\r\n")
    };
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(gateway.addresses.admin).expect("the admin listener");
        stream.write_all(request(1, "Expect: 100-continue\r\n").as_bytes()).expect("sent");
        // 100 Continue: the upload has started.
        let mut continues = String::new();
        let mut stream = BufReader::new(stream);
        stream.read_line(&mut continues).expect("answered");
        assert!(continues.starts_with("HTTP/1.1 100"), "{continues}");
        held.push(stream);
    }
    let third = async || exchange_raw(gateway.addresses.admin, (request(1, "") + "x").as_bytes()).await;
    let refused = third().await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 10"), "{refused}");
    // After one upload ends, another is accepted.
    let mut one = held.pop().expect("an upload");
    one.get_mut().write_all(b"x").expect("sent");
    let mut answer = String::new();
    one.read_to_string(&mut answer).expect("answered");
    assert!(answer.contains("HTTP/1.1 422"), "{answer}");
    let accepted = third().await;
    assert!(accepted.starts_with("HTTP/1.1 422"), "{accepted}");
    gateway.stop().await;
}
