//! The gateway as a process of its own, which can be stopped and killed.

use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::port::ReservedPort;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A gateway and what it needs to be started once more as the same one.
pub(crate) struct Program {
    configuration: tempfile::NamedTempFile,
    /// What its configuration begins with.
    own: String,
    pub(crate) ocpp: SocketAddr,
    admin: SocketAddr,
    /// Its addresses while it does not run, too.
    _ports: [ReservedPort; 2],
    process: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts one on the broker at `url` and waits until it is ready. `toml` is what else it is told.
    pub(crate) async fn start(url: &str, toml: &str) -> Self {
        let ports = [ReservedPort::new(), ReservedPort::new()];
        let [ocpp, admin] = [0, 1].map(|place: usize| ports[place].address());
        let configuration = tempfile::NamedTempFile::new().expect("a file");
        let own = format!(
            "ocpp.listen = \"{ocpp}\"\nadmin.listen = \"{admin}\"\nmqtt.url = \"{url}\"\nmqtt.keep_alive = \"2s\"\n"
        );
        let mut program =
            Program { configuration, own, ocpp, admin, _ports: ports, process: None, log: Arc::default() };
        program.configure(toml);
        program.restart().await;
        program
    }

    fn configure(&self, toml: &str) {
        std::fs::write(self.configuration.path(), format!("{}{toml}", self.own)).expect("written");
    }

    /// SIGHUP, with this as what else it is told from now on.
    pub(crate) fn reload(&self, toml: &str) {
        self.configure(toml);
        let process = self.process.as_ref().expect("it runs");
        let kill = Command::new("sh").arg("-c").arg(format!("kill -HUP {}", process.id())).status();
        assert!(kill.expect("a shell").success());
    }

    /// Starts it again after it has stopped.
    pub(crate) async fn restart(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
        command.arg("--config").arg(self.configuration.path()).env("RUST_LOG", "warn");
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (said, log) = (BufReader::new(process.stderr.take().expect("piped")), Arc::clone(&self.log));
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                log.lock().expect("not poisoned").push(line);
            }
        });
        self.process = Some(process);
        self.wait_until_ready().await;
    }

    /// Until it is connected to the broker, subscribed to what it was subscribed to before.
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

    /// SIGTERM. Answers what it said since it was started, once it has ended well.
    pub(crate) async fn terminate(&mut self) -> String {
        let mut process = self.process.take().expect("it runs");
        let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", process.id())).status();
        assert!(kill.expect("a shell").success());
        let ended = tokio::task::spawn_blocking(move || process.wait());
        let status = timeout(TIMEOUT, ended).await.expect("stopped in time").expect("no panic").expect("waited for");
        assert!(status.success(), "{}", self.log());
        self.log()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it runs");
            process.wait().expect("it ended");
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

/// What the gateway has counted.
#[derive(Debug)]
pub(crate) struct Counters(String);

impl Counters {
    /// The value under a name with its labels as they are printed; 0 for what has not been counted yet.
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
