//! The gateway as a separate process, which can be stopped and killed.

use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::port::ReservedPort;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A gateway process with what is needed to restart it with the same addresses and configuration.
pub(crate) struct Program {
    configuration: tempfile::NamedTempFile,
    /// The common part of its configuration.
    base: String,
    pub(crate) ocpp: SocketAddr,
    admin: SocketAddr,
    /// Keep its addresses reserved while it does not run.
    _ports: [ReservedPort; 2],
    process: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts a gateway with the broker at `url` and waits until it is ready. `toml`: the rest of its configuration.
    pub(crate) async fn start(url: &str, toml: &str) -> Self {
        let ports = [ReservedPort::new(), ReservedPort::new()];
        let [ocpp, admin] = [0, 1].map(|place: usize| ports[place].address());
        let configuration = tempfile::NamedTempFile::new().expect("a file");
        let base = format!(
            "ocpp.listen = \"{ocpp}\"\nadmin.listen = \"{admin}\"\nmqtt.url = \"{url}\"\nmqtt.keep_alive = \"2s\"\n"
        );
        let mut program =
            Program { configuration, base, ocpp, admin, _ports: ports, process: None, log: Arc::default() };
        program.configure(toml);
        program.restart().await;
        program
    }

    fn configure(&self, toml: &str) {
        std::fs::write(self.configuration.path(), format!("{}{toml}", self.base)).expect("written");
    }

    /// Sends SIGHUP, with `toml` as the rest of its configuration from now on.
    pub(crate) fn reload(&self, toml: &str) {
        self.configure(toml);
        let process = self.process.as_ref().expect("running");
        let kill = Command::new("sh").arg("-c").arg(format!("kill -HUP {}", process.id())).status();
        assert!(kill.expect("a shell").success());
    }

    /// Starts the gateway again after it has stopped.
    pub(crate) async fn restart(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
        command.arg("--config").arg(self.configuration.path()).env("RUST_LOG", "warn");
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (stderr, log) = (BufReader::new(process.stderr.take().expect("piped")), Arc::clone(&self.log));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log.lock().expect("not poisoned").push(line);
            }
        });
        self.process = Some(process);
        self.wait_until_ready().await;
    }

    /// Waits until the gateway is connected to the broker and has renewed its subscriptions.
    pub(crate) async fn wait_until_ready(&self) {
        let ready = async {
            while !self.page("/readyz").await.is_some_and(|page| page.starts_with("HTTP/1.1 200")) {
                tokio::task::yield_now().await;
            }
        };
        if timeout(TIMEOUT, ready).await.is_err() {
            let state = std::fs::read_to_string(self.configuration.path());
            panic!("not ready in time: {:?}\n{state:?}\n{}", self.page("/readyz").await, self.log());
        }
    }

    /// Sends SIGTERM and waits for a successful exit. Returns the log of all runs.
    pub(crate) async fn terminate(&mut self) -> String {
        let mut process = self.process.take().expect("running");
        let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", process.id())).status();
        assert!(kill.expect("a shell").success());
        let ended = tokio::task::spawn_blocking(move || process.wait());
        let status = timeout(TIMEOUT, ended).await.expect("stopped in time").expect("no panic").expect("waited for");
        assert!(status.success(), "{}", self.log());
        self.log()
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("running");
            process.wait().expect("ended");
        }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("not poisoned").join("\n")
    }

    async fn page(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.admin).await.ok()?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).await.ok()?;
        Some(page)
    }

    pub(crate) async fn metrics(&self) -> Counters {
        Counters(self.page("/metrics").await.expect("a page"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The metrics page of the gateway.
#[derive(Debug)]
pub(crate) struct Counters(String);

impl Counters {
    /// The value under a name with its labels as they are printed; 0 if it is absent, as before the first count.
    pub(crate) fn get(&self, name: &str) -> usize {
        let value = self.0.lines().find_map(|line| {
            let rest = line.strip_prefix("ocpp_gateway_")?.strip_prefix(name)?;
            rest.strip_prefix(' ')?.trim().parse::<f64>().ok()
        });
        value.unwrap_or(0.0) as usize
    }

    pub(crate) fn incidents(&self, direction: &str, cause: &str) -> usize {
        self.get(&format!(r#"incidents_total{{direction="{direction}",cause="{cause}"}}"#))
    }

    pub(crate) fn lost(&self, kind: &str) -> usize {
        ["expired", "evicted", "unpublishable", "refused", "abandoned", "overflow", "withdrawn"]
            .into_iter()
            .map(|reason| self.get(&format!(r#"mqtt_lost_total{{reason="{reason}",type="{kind}"}}"#)))
            .sum()
    }
}
