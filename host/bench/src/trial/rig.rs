//! A broker and a gateway, each of which can be stopped and restarted at the same address.

use crate::admin::{Admin, Body};
use crate::charge_point::Gateway;
use crate::child::{Child, ScratchDir, free_address};
use crate::dialect::Dialect;
use crate::gateway_config::{self, BrokerSettings, Setup};
use crate::mqtt::Quality;
use crate::responder::Responder;
use crate::stand::{beside_this_program, mosquitto, mosquitto_config};
use crate::stats::Stats;
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Time limit until the gateway accepts charge points.
const READY: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct RigArgs {
    /// The gateway's program; if absent, the one beside this program
    #[arg(long, default_value_os_t = beside_this_program("ocpp-gateway"), hide_default_value = true)]
    gateway: PathBuf,
    /// The broker's program
    #[arg(long, default_value_os_t = mosquitto())]
    mosquitto: PathBuf,
}

pub(crate) struct Rig {
    mosquitto: PathBuf,
    program: PathBuf,
    broker_address: SocketAddr,
    listen: SocketAddr,
    admin: SocketAddr,
    /// The configuration of the gateway.
    config: String,
    broker: Option<Child>,
    gateway: Option<Child>,
    dir: ScratchDir,
}

impl Rig {
    /// `ocpp`: lines of the `ocpp` section of the gateway's configuration.
    pub(crate) async fn start(args: &RigArgs, ocpp: &str) -> Result<Self> {
        Self::start_with(args, ocpp, "", &[]).await
    }

    /// `sections`: more sections of the configuration; `files`: name and content of files in its directory.
    pub(crate) async fn start_with(
        args: &RigArgs,
        ocpp: &str,
        sections: &str,
        files: &[(&str, String)],
    ) -> Result<Self> {
        let dir = ScratchDir::new()?;
        let (broker_address, listen, admin) = (free_address().await?, free_address().await?, free_address().await?);
        // Sessions survive a restart, as with most brokers in production.
        let persistence = format!("persistence true\npersistence_location {}/\n", dir.path().display());
        let mosquitto_config = mosquitto_config(broker_address).replace("persistence false\n", &persistence);
        fs::write(dir.path().join("mosquitto.conf"), mosquitto_config)?;
        let settings = BrokerSettings {
            listen,
            broker: broker_address,
            admin,
            qos: Quality::AtLeastOnce.number(),
            passing: None,
            certificate: None,
        };
        let config = gateway_config::text(Setup::default(), &settings).replacen(
            "[ocpp]\n",
            &format!("{sections}[ocpp]\n{ocpp}"),
            1,
        );
        fs::write(dir.path().join("gateway.toml"), &config)?;
        for (name, content) in files {
            fs::write(dir.path().join(name), content)?;
        }
        let program = &args.gateway;
        let program = fs::canonicalize(program).with_context(|| format!("no {}: build it first", program.display()))?;
        let mosquitto = args.mosquitto.clone();
        let mut rig =
            Rig { mosquitto, program, broker_address, listen, admin, config, broker: None, gateway: None, dir };
        rig.start_broker().await?;
        rig.start_gateway().await?;
        rig.wait_until_ready().await?;
        Ok(rig)
    }

    pub(crate) async fn start_broker(&mut self) -> Result<()> {
        let mut command = Command::new(&self.mosquitto);
        command.arg("-c").arg(self.dir.path().join("mosquitto.conf"));
        let broker = self.broker.insert(Child::start("mosquitto", &mut command, self.dir.path())?);
        broker.wait_until_listening(self.broker_address).await
    }

    /// Stops the broker with SIGTERM, so that it saves its sessions.
    pub(crate) fn stop_broker(&mut self) -> Result<()> {
        self.broker.take().map_or(Ok(()), Child::terminate)
    }

    /// Stalls the broker: it reads nothing and keeps its connections.
    pub(crate) fn pause_broker(&self) -> Result<()> {
        self.broker.as_ref().context("the broker has been stopped")?.pause()
    }

    pub(crate) fn resume_broker(&self) -> Result<()> {
        self.broker.as_ref().context("the broker has been stopped")?.resume()
    }

    pub(crate) async fn start_gateway(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.current_dir(self.dir.path()).args(["run", "--config", "gateway.toml"]);
        let gateway = self.gateway.insert(Child::start("gateway", &mut command, self.dir.path())?);
        gateway.wait_until_listening(self.listen).await
    }

    /// Waits until the gateway accepts charge points: it refuses them until it has reached the broker.
    async fn wait_until_ready(&self) -> Result<()> {
        let since = Instant::now();
        while self.admin("GET", "/readyz", &[]).await.unwrap_or_default() != 200 {
            ensure!(since.elapsed() < READY, "the gateway is not ready after {READY:?}");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The gateway's admin API.
    pub(crate) fn admin_api(&self) -> Admin {
        Admin(self.admin)
    }

    /// Sends a request to it with a component, if any. Returns the status.
    pub(crate) async fn admin(&self, method: &str, path: &str, component: &[u8]) -> Result<u16> {
        let body = if component.is_empty() { Body::Empty } else { Body::Component(component) };
        Ok(self.admin_api().request(method, path, body).await?.status)
    }

    /// Reloads the gateway's configuration with these lines for the configuration of its mapping.
    pub(crate) fn reload(&self, mapping: &str) -> Result<()> {
        const MAPPING: &str = "[transforms.config]\n";
        self.reload_with(MAPPING, &format!("{MAPPING}{mapping}"))
    }

    /// Reloads the gateway's configuration with `old` replaced by `new`.
    pub(crate) fn reload_with(&self, old: &str, new: &str) -> Result<()> {
        let config = self.config.replacen(old, new, 1);
        fs::write(self.dir.path().join("gateway.toml"), config)?;
        self.gateway.as_ref().context("the gateway has been stopped")?.hang_up()
    }

    /// Sends SIGTERM to the gateway and waits for its end.
    pub(crate) fn terminate_gateway(&mut self) -> Result<()> {
        self.gateway.take().map_or(Ok(()), Child::terminate)
    }

    pub(crate) fn kill_gateway(&mut self) {
        self.gateway = None;
    }

    /// The directory of the gateway's configuration.
    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// The address of the broker.
    pub(crate) fn broker(&self) -> SocketAddr {
        self.broker_address
    }

    /// The endpoint for charge points.
    pub(crate) fn endpoint(&self) -> Gateway {
        Gateway { address: self.listen, path: "/ocpp".to_owned(), trust: None, password: None, network: 0 }
    }

    /// A subscribed back end. `calls`: maximum number of open CALLs.
    pub(crate) async fn responder(&self, calls: usize, stats: &Arc<Stats>) -> Result<Responder> {
        let broker = self.broker_address.to_string();
        Responder::subscribe(&broker, Dialect::Standard, Quality::AtLeastOnce, calls, Arc::clone(stats)).await
    }

    /// Process id of the gateway.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.gateway.as_ref().map(Child::pid).context("the gateway has been stopped")
    }
}
