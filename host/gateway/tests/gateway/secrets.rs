//! Passwords, hashes and keys appear in neither the log (at trace level), the metrics nor the printed configuration.

use data_encoding::BASE64;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::authority::{Authority, connect};
use ocpp_gateway_testkit::broker::ScriptedBroker;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use rustls::version::{TLS12, TLS13};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// All logs except those of the component compiler, which would be a gigabyte.
const LOG_FILTER: &str = "trace,cranelift=off,regalloc2=off,wasmtime=off,wasmparser=off";

const PASSWORD: &str = "correct horse battery staple";
const WRONG: &str = "Tr0ub4dor&3";
const BROKER_PASSWORD: &str = "only the broker knows";
pub(crate) const TOKEN: &str = "open-sesame-0123456789";
const VIEWER_TOKEN: &str = "look-only-9876543210";

/// A gateway process that logs to a file.
pub(crate) struct ConfiguredProgram {
    child: Child,
    log: PathBuf,
    pub(crate) ocpp: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl ConfiguredProgram {
    /// `scheme`: scheme of the address that charge points connect to.
    pub(crate) fn start(config: &Path, log: PathBuf, level: &str, scheme: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
        command.arg("--config").arg(config).env("RUST_LOG", level);
        let stderr = File::create(&log).expect("a file");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().expect("the program runs");
        let mut banner = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (mut ocpp, mut admin) = (None, None);
        while ocpp.is_none() || admin.is_none() {
            let line = banner.next().expect("a banner").expect("text");
            ocpp = ocpp.or_else(|| address_after(&line, scheme));
            admin = admin.or_else(|| address_after(&line, "http://"));
        }
        ConfiguredProgram { child, log, ocpp: ocpp.expect("an address"), admin: admin.expect("an address") }
    }

    pub(crate) async fn wait_until_ready(&self) {
        while !self.page("/readyz").await.starts_with("HTTP/1.1 200") {
            crate::pause().await;
        }
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        let kill = Command::new("kill").arg("-HUP").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(kill.success());
    }

    /// Stops the program and returns its log.
    pub(crate) fn stop(mut self) -> String {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(kill.success() && self.child.wait().expect("ended").success());
        std::fs::read_to_string(&self.log).expect("a log")
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).await.expect("the admin listener");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut page = String::new();
        stream.read_to_string(&mut page).await.expect("answered");
        page
    }

    /// Waits until the log contains `last`, and returns the log.
    pub(crate) async fn log_with(&self, last: &str) -> String {
        let read = || std::fs::read_to_string(&self.log).expect("a log");
        let reading = async {
            while !read().contains(last) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = timeout(TIMEOUT, reading).await;
        found.unwrap_or_else(|_| panic!("{last} in\n{}", read()));
        read()
    }
}

impl Drop for ConfiguredProgram {
    fn drop(&mut self) {
        // The program may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_after(line: &str, scheme: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(scheme)?;
    rest.split(['/', ' ']).next()?.parse().ok()
}

fn print(arguments: &[&str], input: &[u8]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    // A command that does not read may have ended already.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    String::from_utf8(child.wait_with_output().expect("ended").stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_appear_in_no_log_metric_or_printed_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, users) = (folder.path().join("config.toml"), folder.path().join("users"));
    let ca = Authority::new(folder.path(), "ca");
    let server = ca.server();
    let broker = ScriptedBroker::start().await;
    let entry = print(&["user", "CP1"], PASSWORD.as_bytes());
    std::fs::write(&users, &entry).expect("written");
    let toml = format!(
        "[ocpp]\nlisten = \"127.0.0.1:0\"\n[ocpp.auth]\nmode = \"basic\"\nusers = {users:?}\n\
         [ocpp.tls]\ncert = {:?}\nkey = {:?}\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\nviewer_token = \"{VIEWER_TOKEN}\"\n\
         [mqtt]\nurl = \"{}\"\nusername = \"gateway\"\npassword = \"{BROKER_PASSWORD}\"\n",
        server.cert,
        server.key,
        broker.url()
    );
    std::fs::write(&config, &toml).expect("written");
    let printed = print(&["config", "--config", &config.display().to_string()], b"");
    let program = ConfiguredProgram::start(&config, folder.path().join("log"), LOG_FILTER, "wss://");
    program.wait_until_ready().await;

    let encoded = |password| BASE64.encode(format!("CP1:{password}").as_bytes());
    for password in [WRONG, PASSWORD, PASSWORD] {
        let stream = connect(program.ocpp, &ca.pem(), None, &[&TLS13, &TLS12]).await.expect("TLS");
        let authorization = format!("Basic {}", encoded(password));
        let lines = [("authorization", authorization.as_str()), ("cookie", "session=crumbs of it")];
        let answer = ChargePoint::over(stream, "/ocpp/CP1", &["ocpp1.6"], &lines).await;
        assert_eq!(answer.is_ok(), password == PASSWORD);
    }
    // An invalid users file is reported without quoting its content.
    let broken =
        format!("{entry}CP2:{}", entry.trim_end().split_once(':').expect("an entry").1.replace("id$v", "xx$v"));
    std::fs::write(&users, broken).expect("written");
    let metrics = program.page("/metrics").await;
    assert!(metrics.contains("unauthorized"), "{metrics}");
    let log = program.log_with("ocpp.auth.users: the files that were read before stay in use").await;
    assert!(log.contains("refused: 401: wrong user name or password: the password is wrong"), "{log}");
    assert!(log.contains("identity=\"CP1\"") && log.contains("DEBUG"), "{log}");
    let hash = entry.trim_end().rsplit('$').next().expect("a hash");
    let key = std::fs::read_to_string(&server.key).expect("a key");
    let key = key.lines().nth(1).expect("Base64");
    let (right, wrong) = (encoded(PASSWORD), encoded(WRONG));
    for secret in [PASSWORD, WRONG, BROKER_PASSWORD, TOKEN, VIEWER_TOKEN, hash, key, &right, &wrong, "crumbs of it"] {
        for (place, text) in [("log", &log), ("metrics", &metrics), ("configuration", &printed)] {
            assert!(!text.contains(secret), "{secret} in the {place}: {text}");
        }
    }
}
