//! The peers in `host/bench/peers`, programs that one would write instead: installs their packages, starts them.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Node,
    Python,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Peer::Node => "node",
            Peer::Python => "python",
        }
    }

    /// The file that pins its packages.
    fn pins(self) -> &'static str {
        match self {
            Peer::Node => "package-lock.json",
            Peer::Python => "requirements.txt",
        }
    }

    fn files(self) -> &'static [&'static str] {
        match self {
            Peer::Node => &["gateway.js", "package.json"],
            Peer::Python => &["gateway.py"],
        }
    }

    /// The directory it runs in.
    fn dir(self) -> PathBuf {
        root().join("target/bench").join(self.name())
    }

    /// Copies it to its directory and installs its packages there, unless they are installed.
    pub(crate) fn install(self) -> Result<()> {
        let (source, dir) = (root().join("host/bench/peers").join(self.name()), self.dir());
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        for file in self.files() {
            fs::copy(source.join(file), dir.join(file)).with_context(|| format!("cannot copy {file}"))?;
        }
        let (wanted, installed) = (source.join(self.pins()), dir.join("installed"));
        let wanted = fs::read(&wanted).with_context(|| format!("no {}", wanted.display()))?;
        if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        println!("installing the packages of the peer in {}", dir.display());
        fs::write(dir.join(self.pins()), &wanted)?;
        match self {
            Peer::Node => {
                run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&dir))?
            }
            Peer::Python => {
                run(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(&dir))?;
                let install = ["install", "--quiet", "--disable-pip-version-check", "--requirement", self.pins()];
                run(Command::new("venv/bin/pip").args(install).current_dir(&dir))?;
            }
        }
        Ok(fs::write(installed, wanted)?)
    }

    pub(crate) fn command(self, listen: SocketAddr, broker: SocketAddr, qos: u8) -> Command {
        let mut command = match self {
            Peer::Node => Command::new("node"),
            Peer::Python => Command::new(self.dir().join("venv/bin/python")),
        };
        command.current_dir(self.dir()).env("LISTEN", listen.to_string()).env("QOS", qos.to_string());
        match self {
            Peer::Node => {
                command.arg("gateway.js").env("BROKER", format!("mqtt://{broker}")).env("NODE_ENV", "production")
            }
            Peer::Python => command.arg("gateway.py").env("BROKER", broker.to_string()),
        };
        command
    }

    /// The version of its interpreter, for the results.
    pub(crate) fn version(self) -> Option<String> {
        let program = match self {
            Peer::Node => PathBuf::from("node"),
            Peer::Python => self.dir().join("venv/bin/python"),
        };
        let output = Command::new(program).arg("--version").output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|version| !version.is_empty())
    }
}

/// Runs a program with its output shown to the user.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {program}"))?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}
