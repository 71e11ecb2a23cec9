//! The test stand: a fresh mosquitto, and on it the floor or the gateway.

use crate::charge_point::Pace;
use crate::child::{Child, ScratchDir, free_address};
use crate::dialect::Dialect;
use crate::load::Load;
use crate::mqtt::{IN_FLIGHT, Quality};
use crate::report::Report;
use anyhow::{Context as _, Result};
use clap::Args;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[derive(Args)]
pub(crate) struct StandArgs {
    /// The gateway's program
    #[arg(long, default_value = "target/release/ocpp-gateway")]
    gateway: PathBuf,
    /// The broker's program
    #[arg(long, default_value_os_t = mosquitto())]
    mosquitto: PathBuf,
    #[arg(long, default_value = "0")]
    pub(crate) qos: Quality,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "3s")]
    pub(crate) warm_up: Duration,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10s")]
    pub(crate) measure: Duration,
}

/// Debian installs it where ordinary users do not look.
fn mosquitto() -> PathBuf {
    let debian = Path::new("/usr/sbin/mosquitto");
    if debian.exists() { debian.to_owned() } else { PathBuf::from("mosquitto") }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Floor,
    Gateway,
}

impl Contestant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Contestant::Floor => "floor",
            Contestant::Gateway => "gateway",
        }
    }

    fn dialect(self) -> Dialect {
        match self {
            Contestant::Floor => Dialect::Raw,
            Contestant::Gateway => Dialect::Standard,
        }
    }
}

impl StandArgs {
    /// Starts broker and contestant, drives them, stops them.
    pub(crate) async fn run(&self, contestant: Contestant, charge_points: usize, pace: Pace) -> Result<Report> {
        let dir = ScratchDir::new()?;
        let (_broker, broker) = self.start_mosquitto(dir.path()).await?;
        let listen = free_address().await?;
        let mut command = match contestant {
            Contestant::Floor => self.floor(listen, broker)?,
            Contestant::Gateway => self.gateway(listen, broker, dir.path()).await?,
        };
        let mut child = Child::start(contestant.name(), &mut command, dir.path())?;
        child.accepts(listen).await?;
        let load = Load {
            gateway: listen,
            path: "/ocpp".to_owned(),
            broker: broker.to_string(),
            charge_points,
            pace,
            dialect: contestant.dialect(),
            quality: self.qos,
            warm_up: self.warm_up,
            window: self.measure,
            pid: Some(child.pid()),
        };
        load.run().await
    }

    async fn start_mosquitto(&self, dir: &Path) -> Result<(Child, SocketAddr)> {
        let address = free_address().await?;
        let config = dir.join("mosquitto.conf");
        // Its limits are out of the way: it is not what is measured.
        let text = format!(
            "listener {} {}\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nlog_type error\n\
             max_inflight_messages {IN_FLIGHT}\nmax_queued_messages 0\n",
            address.port(),
            address.ip(),
        );
        fs::write(&config, text)?;
        let mut broker = Child::start("mosquitto", Command::new(&self.mosquitto).arg("-c").arg(config), dir)?;
        broker.accepts(address).await?;
        Ok((broker, address))
    }

    fn floor(&self, listen: SocketAddr, broker: SocketAddr) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor", "--listen", &listen.to_string(), "--broker", &broker.to_string()]);
        command.args(["--qos", &self.qos.number().to_string()]);
        Ok(command)
    }

    async fn gateway(&self, listen: SocketAddr, broker: SocketAddr, dir: &Path) -> Result<Command> {
        let config = dir.join("gateway.toml");
        let (qos, admin) = (self.qos.number(), free_address().await?);
        let text = format!(
            r#"
            [ocpp]
            listen = "{listen}"
            [mqtt]
            url = "mqtt://{broker}"
            [admin]
            listen = "{admin}"
            [[transforms]]
            name = "standard"
            component = "builtin:standard"
            [transforms.config]
            uplink = {{ qos = {qos} }}
            downlink = {{ qos = {qos} }}
            "#
        );
        fs::write(&config, text)?;
        let program = fs::canonicalize(&self.gateway);
        let program = program.with_context(|| format!("no {}: build it first", self.gateway.display()))?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(config);
        Ok(command)
    }
}
