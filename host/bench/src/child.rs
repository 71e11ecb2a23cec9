//! A program that is started for a run and stopped with it.

use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// A running program, killed when dropped. Its output goes to a file.
pub(crate) struct Child {
    name: String,
    process: Process,
    log: PathBuf,
}

impl Child {
    pub(crate) fn start(name: &str, command: &mut Command, dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let process = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Child { name: name.to_owned(), process, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends SIGTERM and waits for the end of the process.
    pub(crate) fn terminate(mut self) -> Result<()> {
        self.signal("TERM")?;
        self.process.wait()?;
        Ok(())
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) -> Result<()> {
        self.signal("HUP")
    }

    /// Sends SIGSTOP.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// Sends SIGCONT.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let kill = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        anyhow::ensure!(kill.context("cannot start kill")?.success(), "cannot send a signal to {}", self.name);
        Ok(())
    }

    /// Waits until `address` accepts connections. Fails if the process ends, or after 30 s.
    pub(crate) async fn wait_until_listening(&mut self, address: SocketAddr) -> Result<()> {
        let connecting = async {
            while TcpStream::connect(address).await.is_err() {
                if let Some(status) = self.process.try_wait()? {
                    bail!("{} ended with {status}:\n{}", self.name, self.output());
                }
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        match timeout(Duration::from_secs(30), connecting).await {
            Ok(done) => done,
            Err(_) => bail!("{} does not listen on {address}:\n{}", self.name, self.output()),
        }
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Fails if the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A directory for the files of one run, removed when dropped.
pub(crate) struct ScratchDir(PathBuf);

impl ScratchDir {
    pub(crate) fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("ocpp-gateway-bench-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(ScratchDir(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A loopback address that nothing listens on.
pub(crate) async fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}
