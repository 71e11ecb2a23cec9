//! Starts, runs and stops the whole gateway.

use super::broker::{self, ListenAddresses, mqtt_options};
use super::drain::drain;
use super::error::{RunError, StartError};
use super::outage;
use super::reload;
use crate::admin::{self, AdminState, AdminTls};
use crate::charge_point::{Context, MessageRates, MissingBackEnds, Recipient, Registry};
use crate::cluster::{ClaimListener, ConnectionEvents, GatewayClaims};
use crate::config::{Config, ConfigFaults, MqttTlsConfig};
use crate::listener::authentication::{ChargePointTls, HashWorkers};
use crate::listener::{self, BoundListeners, Listeners, expected_peers, listener_metrics};
use crate::operations::event_bus::EventBus;
use crate::operations::figures::FigureSampler;
use crate::operations::file_limit;
use crate::operations::file_watch::FileWatch;
use crate::operations::live_files;
use crate::operations::metrics::{Metrics, broker_metrics, embedded_broker_metrics, transform_metrics};
use crate::operations::names::trial_mode;
use crate::operations::notify::{ServiceState, notify};
use crate::operations::tls::{CertificateFile, CertificateList, CertificateUse};
use crate::routing::{Echoes, MessageRouter, QueueMemory, UndeliverableQueue};
use crate::transforms;
use crate::transforms::compile_process::CompileProcess;
use crate::transforms::{DropIns, HotSwap, Store, trial_metrics};
use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use ocpp_gateway_mqtt::{EmbeddedBroker, EmbeddedBrokerError, Options, Publisher, Subscriber, UnroutedHandler};
use ocpp_gateway_pipeline::{
    Compile, Pipeline, SwapOutcome, TransformStatus, TransformVersion, TrialEnd, TrialEnding, TrialStatus,
    short_hashes, short_sha256,
};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Charge points that are notified of a hot swap before other tasks run: as many as fill a SUBSCRIBE packet.
const NOTIFY_BATCH: usize = 200;

/// A gateway that listens, but does not accept connections yet.
pub struct Gateway {
    context: Arc<Context>,
    /// `None`: there are no other gateways.
    claim_listener: Option<Arc<ClaimListener>>,
    listeners: Arc<Listeners>,
    bound: BoundListeners,
    addresses: ListenAddresses,
    admin: TcpListener,
    admin_tls: Option<Arc<AdminTls>>,
    admin_state: Arc<AdminState>,
    certificates: Arc<CertificateList>,
    embedded: Option<EmbeddedBroker>,
    hot_swap: Arc<HotSwap>,
    compiler: Option<Arc<CompileProcess>>,
    /// Watches the certificate of the admin listener until it is dropped.
    _admin_files: Option<FileWatch>,
    stopping: CancellationToken,
    grace: Duration,
    outage_after: Duration,
}

impl Gateway {
    /// Loads the transforms, binds the ports and starts to connect to the broker. Needs a tokio runtime.
    ///
    /// `compiler`: what compiles the components of transforms; `None`: this process.
    // Boxed, so that it is compiled in this crate. An async function is compiled where it is awaited, with all that it
    // awaits: once for the program and once for each test.
    pub fn start(config: &Config, compiler: Option<Arc<CompileProcess>>) -> BoxFuture<'_, Result<Self, StartError>> {
        Box::pin(Self::start_inner(config, compiler))
    }

    async fn start_inner(config: &Config, compiler: Option<Arc<CompileProcess>>) -> Result<Self, StartError> {
        let LoadedTransforms { pipeline, drop_ins, store } = load(config, compiler.clone()).await?;
        let max_files = file_limit::raise(config.ocpp.max_connections);
        let admin_tls = config.admin.tls.as_ref().map(AdminTls::load).transpose();
        let admin_tls = admin_tls.map_err(StartError::AdminTls)?;
        let admin_files = live_files::watch(admin_tls.iter().map(AdminTls::reload).collect())?;
        let hash_workers = HashWorkers::new();
        let bound = BoundListeners::bind(&config.all_listeners(), &hash_workers)?;
        let admin = listen("admin.listen", config.admin.listen)?;
        let (embedded, broker) = broker::start(config).await?;
        let listeners = bound.addresses();
        let first = *listeners.first().ok_or_else(|| io::Error::other("no listener for charge points"))?;
        let addresses = ListenAddresses { ocpp: first, listeners, admin: admin.local_addr()?, broker };
        let mut options = mqtt_options(config, &addresses)?;
        let mut registry = prometheus_client::registry::Registry::with_prefix("ocpp_gateway");
        if let Some(embedded) = &embedded {
            options.subscribers = Some(embedded.subscriber_lookup(&format!("{}-sub", options.client_id)));
            registry.register_collector(embedded_broker_metrics(Arc::clone(embedded.retained_refused())));
        }
        let admin_tls = admin_tls.map(Arc::new);
        let hot_swap = HotSwap::start(&pipeline, drop_ins, Arc::clone(&store), config)?;
        let changer = Arc::clone(hot_swap.changer());
        // Before the first message: one from a broker may be on the topics of a version on trial.
        tokio::task::spawn_blocking(move || changer.restore_trials()).await.map_err(io::Error::other)?;
        let (context, claim_listener) = connect(config, options, pipeline, &mut registry);
        notify_after_swaps(&context.router, &context.registry, store);
        registry.register_collector(trial_metrics(Arc::clone(hot_swap.changer().trials())));
        let stopping = CancellationToken::new();
        let listeners = Listeners::new(Arc::clone(&context), hash_workers, config.ocpp.max_connections, max_files);
        let listeners = Arc::new(listeners);
        let certificates = Arc::new(certificate_list(config, &listeners, admin_tls.clone()));
        registry.register_collector(Arc::clone(&certificates).metrics());
        registry.register_collector(listener_metrics(Arc::clone(&listeners)));
        let tokens = config.admin.resolve_tokens()?;
        let admin_state = AdminState::new(
            Arc::clone(&context),
            Arc::clone(hot_swap.changer()),
            registry,
            stopping.clone(),
            &tokens,
            Arc::clone(&listeners),
            Arc::clone(&certificates),
        );
        let grace = config.shutdown.grace.get();
        Ok(Gateway {
            context,
            claim_listener,
            listeners,
            bound,
            addresses,
            admin,
            admin_tls,
            admin_state: Arc::new(admin_state),
            certificates,
            embedded,
            hot_swap,
            compiler,
            _admin_files: admin_files,
            stopping,
            grace,
            outage_after: config.mqtt.outage_after.get(),
        })
    }

    pub fn addresses(&self) -> &ListenAddresses {
        &self.addresses
    }

    pub fn pipeline(&self) -> &Pipeline {
        &self.context.router.pipeline
    }

    /// Replaces transforms while charge points are connected.
    pub fn hot_swap(&self) -> &Arc<HotSwap> {
        &self.hot_swap
    }

    /// Replaces the listeners while charge points are connected.
    pub fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    /// At each SIGHUP: reads the configuration again, and the files of certificates, passwords and identities.
    pub fn reload_on_hangup(
        &self,
        read: impl Fn() -> Result<Config, ConfigFaults> + Send + Sync + 'static,
    ) -> io::Result<()> {
        reload::on_hangup(Arc::clone(&self.hot_swap), Arc::clone(&self.listeners), self.admin_tls.clone(), read)
    }

    /// The figures that the admin API shows.
    pub fn figures(&self) -> &Arc<FigureSampler> {
        self.admin_state.figures()
    }

    /// Serves until `stop` is ready. Then it accepts no new connections, waits for open calls within the grace time,
    /// and publishes what is queued.
    pub fn run(self, stop: BoxFuture<'_, ()>) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(self.run_inner(stop))
    }

    async fn run_inner(mut self, stop: BoxFuture<'_, ()>) -> Result<(), RunError> {
        let following = self.follow_broker();
        let sampling = tokio::spawn(Arc::clone(self.figures()).run());
        notify(ServiceState::Ready);
        self.listeners.start(self.bound);
        // They have the certificates.
        let watching = tokio::spawn(Arc::clone(&self.certificates).log_daily());
        let admin_closed = CancellationToken::new();
        let pages = admin::router(self.admin_state);
        let mut admin = tokio::spawn(admin::serve(self.admin, pages, self.admin_tls, admin_closed.clone()));

        let outcome = tokio::select! {
            () = stop => Ok(()),
            error = failed(&mut self.embedded) => Err(error.into()),
            served = &mut admin => Err(RunError::Admin(served.map_err(io::Error::other).err().unwrap_or_else(ended))),
        };

        notify(ServiceState::Stopping);
        self.stopping.cancel();
        if let Some(compiler) = &self.compiler {
            compiler.stop();
        }
        self.listeners.close().await;
        drain(&self.context, self.listeners.tasks(), self.grace).await;
        following.abort();
        sampling.abort();
        watching.abort();
        admin_closed.cancel();
        if !admin.is_finished() {
            let _ = admin.await;
        }
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
        self.hot_swap.changer().store().close();
        info!("stopped");
        outcome
    }

    /// Accepts charge points once the broker has been reached, until it has been unreachable for too long.
    fn follow_broker(&self) -> JoinHandle<()> {
        let (context, outage_after) = (Arc::clone(&self.context), self.outage_after);
        let claim_listener = self.claim_listener.clone();
        tokio::spawn(async move {
            if let Some(listener) = claim_listener {
                listen_to_claims(&context.subscriber, listener).await;
            }
            outage::watch(Arc::clone(&context.registry), context.router.publisher.clone(), outage_after).await;
        })
    }
}

/// Subscribes to the claims of other gateways.
async fn listen_to_claims(subscriber: &Subscriber<Recipient>, listener: Arc<ClaimListener>) {
    let recipient = Recipient::Claims(Arc::clone(&listener));
    match subscriber.subscribe(ClaimListener::OWNER, listener.filters(), recipient).await {
        Ok(()) => drop(tokio::spawn(listener.repeat_after_reconnects(subscriber.current()))),
        Err(error) => listener.refused(&error),
    }
}

/// Everything that ends at a known time: what the listeners have loaded, and the files for the broker, which are read
/// for each connection to it.
fn certificate_list(config: &Config, listeners: &Arc<Listeners>, admin: Option<Arc<AdminTls>>) -> CertificateList {
    let mut list = CertificateList::default();
    let listeners = Arc::clone(listeners);
    list.add(move || {
        let security = listeners.security();
        security.iter().filter_map(|one| one.tls.as_ref()).flat_map(ChargePointTls::certificates).collect()
    });
    list.add(move || admin.iter().map(|tls| tls.certificate()).collect());
    let MqttTlsConfig { ca, cert, .. } = config.mqtt.tls.clone().unwrap_or_default();
    let files = [(CertificateUse::Mqtt, "mqtt.tls.cert", cert), (CertificateUse::MqttCa, "mqtt.tls.ca", ca)];
    let files = files.map(|(used_as, key, file)| file.map(|file| (used_as, key, file)));
    let read = |(used_as, key, file): &(CertificateUse, &str, PathBuf)| CertificateFile::read(*used_as, *key, file);
    list.add(move || files.iter().flatten().map(read).collect());
    list
}

/// Starts to connect to the broker, and creates the context that charge points share. Also returns the listener for
/// claims of other gateways, if `presence.claims` is set.
fn connect(
    config: &Config,
    options: Options,
    pipeline: Pipeline,
    registry: &mut prometheus_client::registry::Registry,
) -> (Arc<Context>, Option<Arc<ClaimListener>>) {
    let name = options.client_id.clone();
    let options = Arc::new(options);
    let memory = QueueMemory::new(config);
    let (undeliverable, worker) = UndeliverableQueue::new(&memory);
    // With several gateways, another one may have delivered a message that this one cannot deliver.
    let alone = config.presence.claims.is_none();
    let unrouted: UnroutedHandler = if alone { undeliverable.unrouted_handler() } else { Box::new(drop) };
    let subscriber = Subscriber::start(Arc::clone(&options), unrouted);
    let publisher = Publisher::start(options, subscriber.current());
    let metrics = Metrics::new(registry);
    registry.register_collector(transform_metrics(pipeline.clone()));
    registry.register_collector(broker_metrics(publisher.stats(), subscriber.stats()));
    registry.register_collector(memory.metrics());
    let router = Arc::new(MessageRouter {
        pipeline,
        publisher: publisher.clone(),
        metrics: metrics.clone(),
        events: Arc::default(),
        memory,
        echoes: Echoes::default(),
        expected: ArcSwap::from_pointee(expected_peers(config.all_listeners().iter())),
    });
    tokio::spawn(worker.run(Arc::clone(&router)));
    let charge_points = Arc::new(Registry::new(config.ocpp.on_duplicate, config.ocpp.max_connections));
    let claims = config.presence.claims.clone();
    let claims = claims.map(|topic| Arc::new(GatewayClaims::new(topic, &name, registry)));
    let connections = Arc::clone(&charge_points);
    let listener = claims.clone().map(|claims| Arc::new(ClaimListener::new(claims, connections, publisher)));
    let context = Context {
        router,
        registry: charge_points,
        subscriber,
        undeliverable,
        message_rates: MessageRates::new(&config.ocpp, metrics),
        presence: ConnectionEvents::new(name, config.events.clone(), claims),
        session_settings: Arc::new(config.ocpp.session_settings()),
        missing_back_ends: MissingBackEnds::default(),
        wait_for_back_end: config.mqtt.wait_for_back_end.get(),
        slow_permits: Arc::new(Semaphore::new(config.runtime.threads)),
    };
    (Arc::new(context), listener)
}

struct LoadedTransforms {
    pipeline: Pipeline,
    drop_ins: DropIns,
    store: Arc<Store>,
}

/// Loads the transforms on a blocking thread, so that signals are handled meanwhile.
async fn load(config: &Config, compiler: Option<Arc<CompileProcess>>) -> Result<LoadedTransforms, StartError> {
    let config = config.clone();
    let compile = compiler.map(|compiler| -> Arc<dyn Compile> { compiler });
    let loaded = tokio::task::spawn_blocking(move || {
        let store = Arc::new(Store::open(&config.storage)?);
        let (pipeline, drop_ins) = transforms::load(&config, &store, compile)?;
        Ok::<_, StartError>(LoadedTransforms { pipeline, drop_ins, store })
    });
    let loaded = loaded.await.map_err(io::Error::other)??;
    let pipeline = &loaded.pipeline;
    for TransformStatus { name, component, version, sha256, program_sha256, .. } in pipeline.transforms() {
        let program = program_sha256.as_deref().map(short_sha256);
        info!(transform = name, version, sha256 = short_sha256(&sha256), program, component, "loaded");
    }
    Ok(loaded)
}

/// Notifies all charge points after a hot swap, and when a trial starts or ends: the mapping may want other topics, and
/// each one subscribes to its own.
fn notify_after_swaps(router: &MessageRouter, registry: &Arc<Registry>, store: Arc<Store>) {
    let (swapped, mut swaps) = tokio::sync::watch::channel(());
    let (metrics, events): (Metrics, Arc<EventBus>) = (router.metrics.clone(), Arc::clone(&router.events));
    let (of_trials, trial_events, of_metrics) = (Arc::clone(&store), Arc::clone(&events), metrics.clone());
    let moved = swapped.clone();
    router.pipeline.on_trial(move |trial| {
        log_trial(trial);
        if trial.end.is_some() {
            of_trials.forget_trial(&trial.name);
        }
        of_metrics.trial(trial.mode, trial.end.as_ref().map(|end| end.how));
        trial_events.publish(trial.into());
        moved.send_replace(());
    });
    router.pipeline.on_swap(move |report| {
        store.record_rollback(report);
        metrics.swap(report.outcome);
        events.publish(report.into());
        if report.outcome != SwapOutcome::Failed {
            swapped.send_replace(());
        }
    });
    let registry = Arc::clone(registry);
    tokio::spawn(async move {
        while swaps.changed().await.is_ok() {
            for charge_points in registry.connected().chunks(NOTIFY_BATCH) {
                charge_points.iter().for_each(|charge_point| charge_point.mailbox.notify_of_swap());
                // Lets other tasks run.
                tokio::task::yield_now().await;
            }
        }
    });
}

fn log_trial(TrialStatus { name, mode, candidate, end, .. }: &TrialStatus) {
    let TransformVersion { version, sha256, program_sha256, .. } = candidate;
    let (mode, hashes) = (trial_mode(*mode), short_hashes(sha256, program_sha256.as_deref()));
    match end {
        None => info!(transform = name, mode, %version, hashes, "trial started"),
        Some(TrialEnd { how: TrialEnding::Failed, reason, .. }) => {
            warn!(transform = name, mode, %version, hashes, "trial ended: {reason}");
        }
        Some(TrialEnd { reason, .. }) => info!(transform = name, mode, %version, hashes, "trial ended: {reason}"),
    }
}

fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    listener::bind(address).map_err(|error| StartError::Listen { key, address, error })
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
