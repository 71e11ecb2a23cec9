//! The test stand: a fresh mosquitto and one contestant.

use crate::admin::Admin;
use crate::charge_point::Gateway;
use crate::child::{Child, ScratchDir, free_address};
use crate::cores::{Cores, pinned};
use crate::dialect::Dialect;
use crate::gateway_config::{self, BrokerSettings, Setup};
use crate::load::{Load, Work};
use crate::mqtt::{IN_FLIGHT, Quality};
use crate::peers::Peer;
use crate::report::Report;
use crate::syscalls::Counter;
use crate::tap::Tap;
use crate::tls::Certificate;
use crate::transform_trial::{Candidate, TransformTrial};
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

#[derive(Args)]
pub(crate) struct StandArgs {
    /// The gateway's program; if absent, the one beside this program
    #[arg(long, default_value_os_t = beside_this_program("ocpp-gateway"), hide_default_value = true)]
    pub(crate) gateway: PathBuf,
    /// The broker's program
    #[arg(long, default_value_os_t = mosquitto())]
    pub(crate) mosquitto: PathBuf,
    #[arg(long, default_value = "0")]
    pub(crate) qos: Quality,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "3s")]
    pub(crate) warm_up: Duration,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "5s")]
    pub(crate) measure: Duration,
}

/// Options of the programs that the gateway is compared with.
#[derive(Args, Default)]
pub(crate) struct OtherArgs {
    /// Another gateway program to compare with, such as one of an earlier commit
    #[arg(long, alias = "native")]
    pub(crate) other: Option<PathBuf>,
    /// Watch the messages of the gateway, not those of the other one, with this query: charge_point=CP00000&payload=true
    #[arg(long, value_name = "QUERY")]
    pub(crate) tap: Option<String>,
    /// Threads of the floor; if absent, half of the cores, as the gateway has
    #[arg(long)]
    pub(crate) floor_threads: Option<usize>,
}

pub(crate) fn beside_this_program(name: &str) -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name(name)
}

/// Debian installs mosquitto in `/usr/sbin`, which is not in the search path of ordinary users.
pub(crate) fn mosquitto() -> PathBuf {
    let debian = Path::new("/usr/sbin/mosquitto");
    if debian.exists() { debian.to_owned() } else { PathBuf::from("mosquitto") }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contestant {
    /// A minimal relay with tokio-tungstenite and rumqttc in their defaults
    Floor,
    /// The gateway
    Gateway,
    /// Another build of the gateway
    Other,
    /// ocpp-rpc and mqtt, on Node.js
    Node,
    /// ocpp, websockets and aiomqtt, on Python
    Python,
}

impl Contestant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Contestant::Floor => "floor",
            Contestant::Gateway => "gateway",
            Contestant::Other => "other",
            Contestant::Node => "node",
            Contestant::Python => "python",
        }
    }

    fn dialect(self) -> Dialect {
        match self {
            Contestant::Floor => Dialect::Raw,
            _ => Dialect::Standard,
        }
    }

    pub(crate) fn peer(self) -> Option<Peer> {
        match self {
            Contestant::Node => Some(Peer::Node),
            Contestant::Python => Some(Peer::Python),
            _ => None,
        }
    }
}

/// The programs and settings with which contestants are run.
pub(crate) struct Stand<'a> {
    pub(crate) args: &'a StandArgs,
    pub(crate) others: &'a OtherArgs,
    /// `None`: the kernel decides.
    pub(crate) cores: Option<Cores>,
    pub(crate) counter: Counter,
    /// How long system calls are counted.
    pub(crate) syscall_window: Duration,
    /// The component of the stages that pass every frame on, if built.
    pub(crate) passing: Option<PathBuf>,
}

/// The outcome of a run.
pub(crate) enum Outcome {
    Measured(Box<Report>),
    /// The gateway does not support what the run needs.
    Refused(String),
}

/// One run.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) charge_points: usize,
    pub(crate) work: Work,
    pub(crate) setup: Setup,
    /// Overrides the QoS of the command line.
    pub(crate) quality: Option<Quality>,
    /// The candidate of a shadow trial of the mapping, for all charge points.
    pub(crate) shadow: Option<Candidate>,
}

impl Run {
    /// A run with settings that every contestant supports.
    pub(crate) fn new(charge_points: usize, work: Work) -> Self {
        Run { charge_points, work, setup: Setup::default(), quality: None, shadow: None }
    }
}

impl<'a> Stand<'a> {
    /// A stand with no program pinned to cores.
    pub(crate) async fn new(args: &'a StandArgs, others: &'a OtherArgs) -> Result<Self> {
        let counter = Counter::find(ScratchDir::new()?.path()).await?;
        Ok(Stand { args, others, cores: None, counter, syscall_window: Duration::from_secs(1), passing: None })
    }

    /// Like `run`, with settings that every contestant supports.
    pub(crate) async fn measure(&self, contestant: Contestant, charge_points: usize, work: Work) -> Result<Report> {
        self.report(contestant, &Run::new(charge_points, work)).await
    }

    /// Like `run`. Fails if the contestant does not support what the run needs.
    pub(crate) async fn report(&self, contestant: Contestant, run: &Run) -> Result<Report> {
        match self.run(contestant, run).await? {
            Outcome::Measured(report) => Ok(*report),
            Outcome::Refused(reason) => bail!("{}: {reason}", contestant.name()),
        }
    }

    /// Starts broker and contestant, drives them, stops them.
    pub(crate) async fn run(&self, contestant: Contestant, run: &Run) -> Result<Outcome> {
        let dir = ScratchDir::new()?;
        let (mosquitto, broker) = self.start_mosquitto(dir.path()).await?;
        let listen = free_address().await?;
        let quality = run.quality.unwrap_or(self.args.qos);
        let qos = quality.number();
        let mut trust = None;
        let admin = free_address().await?;
        let command = match (contestant, contestant.peer()) {
            (_, Some(peer)) => peer.command(listen, broker, qos),
            (Contestant::Floor, _) => self.floor(listen, broker, qos)?,
            _ => {
                let certificate = run.setup.tls.then(|| Certificate::make(dir.path())).transpose()?;
                let passing = self.passing.as_deref();
                let settings =
                    BrokerSettings { listen, broker, admin, qos, passing, certificate: certificate.as_ref() };
                let config = dir.path().join("gateway.toml");
                fs::write(&config, gateway_config::text(run.setup, &settings))?;
                let program = self.program(contestant)?;
                if let Some(reason) = refusal(&program, &config, run.setup)? {
                    return Ok(Outcome::Refused(reason));
                }
                trust = certificate.map(|certificate| certificate.trust);
                let mut command = Command::new(program);
                command.arg("run").arg("--config").arg(config);
                command
            }
        };
        let mut child = self.start(contestant.name(), command, dir.path())?;
        child.wait_until_listening(listen).await?;
        let tap = match &self.others.tap {
            Some(query) if contestant == Contestant::Gateway => Some(Tap::start(admin, query).await?),
            _ => None,
        };
        let shadow = match run.shadow {
            Some(candidate) => Some(TransformTrial(Admin(admin)).start_shadow(candidate, qos).await?),
            None => None,
        };
        let load = Load {
            gateway: Gateway {
                address: listen,
                path: "/ocpp".to_owned(),
                trust,
                password: None,
                network: next_network(),
            },
            broker: broker.to_string(),
            charge_points: run.charge_points,
            work: run.work.clone(),
            dialect: contestant.dialect(),
            quality,
            warm_up: self.args.warm_up,
            window: self.args.measure,
            pid: Some(child.pid()),
            broker_pid: Some(mosquitto.pid()),
            syscalls: Some((self.counter, self.syscall_window, dir.path().to_owned())),
            shadow,
        };
        let report = load.run().await?;
        if let Some(tap) = tap {
            tap.finish().await?;
        }
        Ok(Outcome::Measured(Box::new(report)))
    }

    fn start(&self, name: &str, command: Command, dir: &Path) -> Result<Child> {
        let mut command = match &self.cores {
            Some(Cores { contestant, .. }) => pinned(&command, contestant),
            None => command,
        };
        Child::start(name, &mut command, dir)
    }

    async fn start_mosquitto(&self, dir: &Path) -> Result<(Child, SocketAddr)> {
        let address = free_address().await?;
        let config = dir.join("mosquitto.conf");
        fs::write(&config, mosquitto_config(address))?;
        let mut command = Command::new(&self.args.mosquitto);
        command.arg("-c").arg(config);
        let mut command = match &self.cores {
            Some(Cores { broker, .. }) => pinned(&command, broker),
            None => command,
        };
        let mut broker = Child::start("mosquitto", &mut command, dir)?;
        broker.wait_until_listening(address).await?;
        Ok((broker, address))
    }

    fn floor(&self, listen: SocketAddr, broker: SocketAddr, qos: u8) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor", "--listen", &listen.to_string(), "--broker", &broker.to_string()]);
        command.args(["--qos", &qos.to_string()]);
        if let Some(threads) = self.others.floor_threads {
            command.args(["--threads", &threads.to_string()]);
        }
        Ok(command)
    }

    fn program(&self, contestant: Contestant) -> Result<PathBuf> {
        let path = match (contestant, &self.others.other) {
            (Contestant::Other, Some(other)) => other,
            (Contestant::Other, None) => bail!("the other gateway program is not given: use --other"),
            _ => &self.args.gateway,
        };
        fs::canonicalize(path).with_context(|| format!("no {}: build it first", path.display()))
    }
}

/// The configuration of mosquitto. Its limits are high, as it is not what is measured.
pub(crate) fn mosquitto_config(address: SocketAddr) -> String {
    format!(
        // Started as root, mosquitto would otherwise change to a user who may not write here.
        "user root\nlistener {} {}\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nlog_type error\n\
         max_inflight_messages {IN_FLIGHT}\nmax_queued_messages 0\n",
        address.port(),
        address.ip(),
    )
}

/// The number for [`Gateway::network`], different for each run.
fn next_network() -> u8 {
    static RUNS: AtomicU8 = AtomicU8::new(0);
    RUNS.fetch_add(1, Ordering::Relaxed)
}

/// Why a gateway would refuse this configuration; not checked for the default setup, which every gateway accepts.
fn refusal(program: &Path, config: &Path, setup: Setup) -> Result<Option<String>> {
    if setup == Setup::default() {
        return Ok(None);
    }
    let check = Command::new(program).arg("check").arg("--config").arg(config).output();
    let check = check.with_context(|| format!("cannot start {}", program.display()))?;
    if check.status.success() {
        return Ok(None);
    }
    let stderr = String::from_utf8_lossy(&check.stderr);
    let message = stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("its configuration is refused");
    // Removes the name of the temporary configuration file.
    let message = message.split_once(&format!("{}: ", config.display())).map_or(message, |(_, fault)| fault);
    Ok(Some(message.trim().to_owned()))
}
