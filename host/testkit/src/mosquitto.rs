//! A real mosquitto on a loopback port, which tests can kill and restart.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{net::TcpStream, time::sleep};

use crate::{TIMEOUT, port::ReservedPort};

/// A mosquitto process. It is killed, and its files are removed, when dropped.
pub struct Mosquitto {
    program: PathBuf,
    directory: PathBuf,
    port: ReservedPort,
    process: Option<Child>,
}

impl Mosquitto {
    /// Starts a broker. With `persistence` it stores its sessions on disk when it is terminated.
    pub async fn start(persistence: bool) -> Mosquitto {
        Mosquitto::with("", persistence).await
    }

    /// The same with additional configuration lines for its listener.
    pub async fn with(lines: &str, persistence: bool) -> Mosquitto {
        let port = ReservedPort::new();
        let number = port.address().port();
        let directory = std::env::temp_dir().join(format!("mosquitto-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory");
        // The queue is practically unlimited, so that the broker drops no messages. 0 would mean unlimited, but then it
        // closes the connection after each publish that it refuses. With `user root`, a broker started by root can
        // write here.
        let config = format!(
            "listener {number} 127.0.0.1\n{lines}allow_anonymous true\nuser root\n\
             max_queued_messages 1000000\nlog_dest none\n\
             persistence {persistence}\npersistence_location {}/\n",
            directory.display()
        );
        fs::write(directory.join("mosquitto.conf"), config).expect("a writable temporary directory");
        let mut broker = Mosquitto { program: program(), directory, port, process: None };
        broker.restart().await;
        broker
    }

    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address())
    }

    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// Starts the broker (again) on the same port and waits until it accepts connections.
    pub async fn restart(&mut self) {
        let config = self.directory.join("mosquitto.conf");
        let mut command = Command::new(&self.program);
        let process = command.arg("-c").arg(config).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        self.process = Some(process.expect("mosquitto starts"));
        let accepts = async {
            while TcpStream::connect(self.address()).await.is_err() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, accepts).await.expect("mosquitto accepts connections");
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("mosquitto was running");
            process.wait().expect("mosquitto ended");
        }
    }

    /// Sends SIGTERM and waits for the end: with persistence, the broker saves its sessions.
    pub fn terminate(&mut self) {
        if let Some(mut process) = self.process.take() {
            let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", process.id())).status();
            assert!(kill.expect("a shell").success());
            assert!(process.wait().expect("mosquitto ended").success());
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Debian installs it where a user's PATH may not lead.
    directories.extend(["/usr/sbin", "/usr/local/sbin"].map(|directory| Path::new(directory).to_owned()));
    let found = directories.into_iter().map(|directory| directory.join("mosquitto")).find(|file| file.is_file());
    found.expect("mosquitto is not installed; on Debian and Ubuntu: sudo apt-get install mosquitto")
}
