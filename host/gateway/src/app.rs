//! The whole gateway: started, run, stopped.

use crate::admin::{self, Desk};
use crate::charge_point::Hall;
use crate::compile_process::CompileProcess;
use crate::config::Config;
use crate::dead_letters::DeadLetters;
use crate::echoes::Echoes;
use crate::ephemeral;
use crate::events::Events;
use crate::exchange::Exchange;
use crate::file_limit;
use crate::limits::Limits;
use crate::listener::Door;
use crate::memory::QueueMemory;
use crate::metrics::{BrokerMetrics, CertificateMetrics, EmbeddedBrokerMetrics, Metrics, TransformMetrics};
use crate::notify::{State, notify};
use crate::outage;
use crate::presence::{self, Presence};
use crate::registry::Registry;
use crate::road::Road;
use crate::security::{self, Security};
use crate::transforms;
use crate::watch::Watch;
use ocpp_gateway_mqtt::{
    BrokerLimits, BrokerUrl, Credentials, EmbeddedBroker, EmbeddedBrokerError, Loss, Options, Publisher, Status,
    Strays, Subscriber,
};
use ocpp_gateway_pipeline::{Compile, ExchangeOutcome, Pipeline};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// Charge points that come back all at once after an outage wait here until they are accepted.
const LISTEN_BACKLOG: u32 = 4096;

/// So many charge points are told of a hot swap before other tasks have their turn: a full SUBSCRIBE packet.
const NUDGED_AT_ONCE: usize = 200;

/// Topic and envelope of the largest OCPP message, in bytes.
const ENVELOPE: usize = 64 << 10;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Transforms(#[from] transforms::Faults),
    #[error("{key} = {address}: cannot listen there: {error}{}", ephemeral::hint(address.port(), error))]
    Listen { key: &'static str, address: SocketAddr, error: io::Error },
    #[error("mqtt.embedded.listen: {0}")]
    EmbeddedBroker(#[source] EmbeddedBrokerError),
    #[error("{}", show(.0))]
    Security(Vec<security::Fault>),
    #[error("files cannot be watched: {0}")]
    Watch(#[from] notify::Error),
    #[error("mqtt.url: {0}")]
    BrokerUrl(#[from] ocpp_gateway_mqtt::BrokerUrlError),
    #[error("{0}")]
    Configuration(#[from] io::Error),
}

/// Why it stopped without being asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    EmbeddedBroker(#[from] EmbeddedBrokerError),
    #[error("the admin listener failed: {0}")]
    Admin(io::Error),
}

fn show(faults: &[security::Fault]) -> String {
    faults.iter().map(|(key, problem)| format!("{key}: {problem}")).collect::<Vec<_>>().join("\n")
}

/// Where it listens, with the ports that were really taken.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub ocpp: SocketAddr,
    pub admin: SocketAddr,
    pub broker: Broker,
}

/// The broker that it speaks to.
#[derive(Debug, Clone)]
pub enum Broker {
    Embedded(SocketAddr),
    External(BrokerUrl),
}

/// A gateway that listens, but does not let anybody in yet.
pub struct Gateway {
    hall: Arc<Hall>,
    door: Arc<Door>,
    addresses: Addresses,
    listener: TcpListener,
    admin: TcpListener,
    desk: Arc<Desk>,
    embedded: Option<EmbeddedBroker>,
    exchange: Arc<Exchange>,
    compiler: Option<Arc<CompileProcess>>,
    security: Arc<Security>,
    /// Kept for as long as it is to watch.
    _security_files: Watch,
    /// The tasks of all charge points.
    tasks: TaskTracker,
    stopping: CancellationToken,
    grace: Duration,
    outage_after: Duration,
}

impl Gateway {
    /// Loads the transforms, takes the ports, and starts to connect to the broker. Needs a tokio runtime.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        Gateway::start_with(config, None).await
    }

    /// `compiler`: what compiles the components of transforms; `None`: this process.
    pub async fn start_with(config: &Config, compiler: Option<Arc<CompileProcess>>) -> Result<Self, StartError> {
        let pipeline = load(config, compiler.clone()).await?;
        let max_files = file_limit::raise(config.ocpp.max_connections);
        let security = Arc::new(Security::load(&config.ocpp).map_err(StartError::Security)?);
        let security_files = security.follow()?;
        let listener = listen("ocpp.listen", config.ocpp.listen)?;
        let admin = listen("admin.listen", config.admin.listen)?;
        let (embedded, broker) = match &config.mqtt.url {
            Some(url) => (None, Broker::External(url.parse()?)),
            None => {
                let started = EmbeddedBroker::start(config.mqtt.embedded.listen, broker_limits(config)).await;
                let embedded = started.map_err(StartError::EmbeddedBroker)?;
                let address = embedded.local_addr();
                (Some(embedded), Broker::Embedded(address))
            }
        };
        let addresses = Addresses { ocpp: listener.local_addr()?, admin: admin.local_addr()?, broker };
        if !security.wants_credentials() && !addresses.ocpp.ip().is_loopback() {
            warn!(
                "whoever reaches {} can pass for any charge point: there is neither ocpp.auth nor ocpp.tls.client_ca",
                addresses.ocpp
            );
        }

        let mut options = mqtt_options(config, &addresses)?;
        if let Some(embedded) = &embedded {
            options.subscribers = Some(embedded.subscriber_lookup(&format!("{}-sub", options.client_id)));
        }
        let options = Arc::new(options);
        let gateway = options.client_id.clone();
        let memory = QueueMemory::new(config);
        let (dead_letters, office) = DeadLetters::new(&memory);
        // One of several gateways does not know whether another has delivered what it cannot.
        let alone = config.presence.claims.is_none();
        let strays: Strays = if alone { dead_letters.strays() } else { Box::new(drop) };
        let subscriber = Subscriber::start(Arc::clone(&options), strays);
        let publisher = Publisher::start(options, subscriber.current());
        let mut registry = prometheus_client::registry::Registry::with_prefix("ocpp_gateway");
        let metrics = Metrics::new(&mut registry);
        registry.register_collector(Box::new(TransformMetrics(pipeline.clone())));
        registry.register_collector(Box::new(CertificateMetrics(Arc::clone(&security))));
        registry.register_collector(Box::new(BrokerMetrics::new(&publisher, &subscriber)));
        registry.register_collector(Box::new(memory.clone()));
        if let Some(embedded) = &embedded {
            registry.register_collector(Box::new(EmbeddedBrokerMetrics(Arc::clone(embedded.retained_refused()))));
        }

        let road = Arc::new(Road {
            pipeline,
            publisher,
            metrics,
            events: Events::default(),
            memory,
            echoes: Echoes::default(),
        });
        tokio::spawn(office.open(Arc::clone(&road), config.ocpp.versions.clone()));
        let hall = Arc::new(Hall {
            road,
            registry: Registry::new(config.ocpp.on_duplicate, config.ocpp.max_connections),
            subscriber,
            dead_letters,
            limits: Limits::new(&config.ocpp, max_files, &mut registry),
            open: AtomicBool::new(false),
            presence: Presence::new(config, gateway, &mut registry),
            session_settings: Arc::new(config.ocpp.session_settings()),
            wait_for_back_end: config.mqtt.wait_for_back_end.get(),
            slow_share: Arc::new(Semaphore::new(config.runtime.threads)),
        });
        nudge_after_swaps(&hall);
        let exchange = Exchange::start(hall.road.pipeline.clone(), config)?;
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        let door = Arc::new(Door::new(&config.ocpp, Arc::clone(&security), Arc::clone(&hall), tasks.clone()));
        let token = config.admin.resolve_token()?;
        let desk = Arc::new(Desk::new(Arc::clone(&hall), registry, stopping.clone(), token.as_deref()));
        let grace = config.shutdown.grace.get();
        Ok(Gateway {
            hall,
            door,
            addresses,
            listener,
            admin,
            desk,
            embedded,
            exchange,
            compiler,
            security,
            _security_files: security_files,
            tasks,
            stopping,
            grace,
            outage_after: config.mqtt.outage_after.get(),
        })
    }

    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Puts other transforms in place while charge points are connected.
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// What charge points have to show.
    pub fn security(&self) -> &Arc<Security> {
        &self.security
    }

    /// Serves until `stop` is ready, and then stops in good order: no new connections, open calls get their answers
    /// within the grace time, what waits is published.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        self.follow_broker();
        notify(State::Ready);
        let closed = CancellationToken::new();
        let accepting = tokio::spawn(Arc::clone(&self.door).accept(self.listener, closed.clone()));
        let admin_closed = CancellationToken::new();
        let mut admin = tokio::spawn(admin::serve(self.admin, admin::router(self.desk), admin_closed.clone()));

        let outcome = tokio::select! {
            () = stop => Ok(()),
            error = failed(&mut self.embedded) => Err(error.into()),
            served = &mut admin => Err(RunError::Admin(served.map_err(io::Error::other).err().unwrap_or_else(ended))),
        };

        notify(State::Stopping);
        self.stopping.cancel();
        if let Some(compiler) = &self.compiler {
            compiler.stop();
        }
        closed.cancel();
        let _ = accepting.await;
        drain(&self.hall, &self.tasks, self.grace).await;
        admin_closed.cancel();
        if !admin.is_finished() {
            let _ = admin.await;
        }
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
        info!("stopped");
        outcome
    }

    /// Charge points are let in once the broker has been reached, and then as long as it is not away for too long.
    fn follow_broker(&self) {
        let (hall, outage_after) = (Arc::clone(&self.hall), self.outage_after);
        tokio::spawn(async move {
            if let Err(error) = presence::listen(&hall).await {
                presence::not_heard(&error);
            }
            let reached = hall.road.publisher.availability().reached();
            let weak = Arc::downgrade(&hall);
            drop(hall);
            outage::watch(weak, reached, outage_after).await;
        });
    }
}

/// Loads the transforms beside the threads that serve: these see signals meanwhile.
async fn load(config: &Config, compiler: Option<Arc<CompileProcess>>) -> Result<Pipeline, StartError> {
    let config = config.clone();
    let compile = compiler.map(|compiler| -> Arc<dyn Compile> { compiler });
    let loaded = tokio::task::spawn_blocking(move || transforms::load(&config, compile)).await;
    Ok(loaded.map_err(io::Error::other)??)
}

/// After a hot swap the mapping may want other topics for every charge point: each sees to it itself.
fn nudge_after_swaps(hall: &Arc<Hall>) {
    let (swapped, mut swaps) = tokio::sync::watch::channel(());
    // The pipeline is part of the road: it must not hold on to it.
    let road = Arc::downgrade(&hall.road);
    hall.road.pipeline.on_exchange(move |report| {
        if let Some(road) = road.upgrade() {
            road.metrics.exchange(report.outcome);
            road.events.tell(|| report.into());
        }
        if report.outcome != ExchangeOutcome::Failed {
            swapped.send_replace(());
        }
    });
    let hall = Arc::clone(hall);
    tokio::spawn(async move {
        while swaps.changed().await.is_ok() {
            for charge_points in hall.registry.connected().chunks(NUDGED_AT_ONCE) {
                charge_points.iter().for_each(|charge_point| charge_point.mailbox.nudge());
                // Messages of others come between.
                tokio::task::yield_now().await;
            }
        }
    });
}

/// Ends all connections, those with open calls last, and then both connections to the broker.
async fn drain(hall: &Hall, tasks: &TaskTracker, grace: Duration) {
    let by = Instant::now() + grace;
    let connected = hall.registry.len();
    if connected > 0 {
        info!("waiting up to {grace:?} for the open calls of {connected} charge points");
    }
    hall.registry.stop_all(by.into());
    tasks.close();
    // A little more than the grace time: connections that are cut off then still have to say why.
    if tokio::time::timeout_at(by + Duration::from_secs(3), tasks.wait()).await.is_err() {
        warn!("{} connections did not end in time", tasks.len());
    }
    let publisher = &hall.road.publisher;
    let lost = publisher.stats().lost(Loss::Abandoned);
    // First nothing more comes in, then whoever sent what did not arrive is told, and then all that is published.
    hall.subscriber.stop(Duration::from_secs(2)).await;
    hall.dead_letters.flush(Duration::from_secs(2)).await;
    publisher.drain(Duration::from_secs(5).max(by - Instant::now())).await;
    // Whoever still had something to publish learns now that it cannot be.
    let _ = tokio::time::timeout(Duration::from_secs(1), tasks.wait()).await;
    let lost = publisher.stats().lost(Loss::Abandoned) - lost;
    if lost > 0 {
        warn!("{lost} messages were not taken by the broker");
    }
}

fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(LISTEN_BACKLOG)
    };
    bind().map_err(|error| StartError::Listen { key, address, error })
}

/// Bytes of an MQTT packet, in either direction.
fn max_packet_size(config: &Config) -> usize {
    config.ocpp.max_message_size.saturating_add(ENVELOPE)
}

fn broker_limits(config: &Config) -> BrokerLimits {
    BrokerLimits {
        packet_size: max_packet_size(config),
        retained: config.mqtt.embedded.max_retained,
        retained_memory: config.mqtt.embedded.retained_memory.get(),
    }
}

fn mqtt_options(config: &Config, addresses: &Addresses) -> Result<Options, StartError> {
    let url = match &addresses.broker {
        Broker::External(url) => url.clone(),
        Broker::Embedded(address) => BrokerUrl { tls: false, host: address.ip().to_string(), port: address.port() },
    };
    let host = gethostname::gethostname();
    let client_id = config.mqtt.full_client_id(&host.to_string_lossy(), addresses.ocpp.port());
    let mut options = Options::new(url, client_id);
    options.version = config.mqtt.protocol_version().unwrap_or_default();
    options.keep_alive = config.mqtt.keep_alive.get();
    options.session_expiry = config.mqtt.session_expiry.get();
    options.tls = config.mqtt.tls_files();
    options.max_packet_size = max_packet_size(config);
    options.status = config.mqtt.status_topic.as_ref().map(|topic| Status {
        topic: topic.topic("", &options.client_id),
        online: "online".into(),
        offline: "offline".into(),
    });
    if let Some(username) = config.mqtt.username.clone() {
        let password = config.mqtt.resolve_password()?.unwrap_or_default();
        options.credentials = Some(Credentials { username, password });
    }
    Ok(options)
}

async fn failed(embedded: &mut Option<EmbeddedBroker>) -> EmbeddedBrokerError {
    match embedded {
        Some(broker) => broker.failed().await,
        None => std::future::pending().await,
    }
}

fn ended() -> io::Error {
    io::Error::other("it ended")
}
