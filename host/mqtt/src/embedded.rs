//! An MQTT broker inside the process, for a gateway without an external one.
//!
//! The broker is that of the crate mqtt5, without its listener. Connections are accepted here, because mosquitto's
//! bridge does not understand the form in which mqtt5 refuses the protocol level that the bridge tries first.

mod protocol_level;
mod retained;
mod subscribers;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mqtt5::broker::{
    BrokerConfig, DynamicStorage, MemoryBackend, ResourceLimits, ResourceMonitor, StorageBackend as _,
    client_handler::ClientHandler, router::MessageRouter, sys_topics::BrokerStats, transport::BrokerTransport,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use self::{retained::Retained, subscribers::Subscribers};
use crate::{options::SubscriberLookup, stats::Counter};

/// How long [`EmbeddedBroker::stop`] waits for the clients to be disconnected.
const GRACE: Duration = Duration::from_secs(2);
/// The largest packet that MQTT can encode (MQTT 3.1.1 section 2.2.3). Some clients treat a larger Maximum Packet Size
/// as an error.
const LARGEST_PACKET: usize = 268_435_455;
/// The lowest packet size limit that mqtt5 accepts, in bytes.
const SMALLEST_LIMIT: usize = 1024;
/// How often expired messages and sessions are removed.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(600);
/// How long a client may take to send its first packet, and how often the socket is checked for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_POLL: Duration = Duration::from_millis(5);
/// How long a refused client may take to close its end.
const LINGER: Duration = Duration::from_secs(2);
/// The pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// CONNACK of 3.1.1 with "unacceptable protocol version" (MQTT 3.1.1 section 3.2.2.3).
const UNACCEPTABLE_PROTOCOL_VERSION: [u8; 4] = [0x20, 0x02, 0x00, 0x01];

/// Why there is no embedded broker (any more).
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedBrokerError {
    #[error("the embedded MQTT broker cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("the embedded MQTT broker does not start: {0}")]
    Start(#[source] mqtt5::MqttError),
    #[error("the embedded MQTT broker stopped unexpectedly")]
    Stopped,
}

/// Limits of the embedded broker.
#[derive(Debug, Clone, Copy)]
pub struct BrokerLimits {
    /// Bytes of a packet. Announced to clients of MQTT 5. With any version, a larger packet ends the connection.
    pub packet_size: usize,
    /// Retained messages. A message above the limit is delivered to subscribers, but not kept.
    pub retained: usize,
    /// Bytes of memory that retained messages may take.
    pub retained_memory: usize,
}

impl BrokerLimits {
    pub fn new(packet_size: usize) -> Self {
        BrokerLimits { packet_size, retained: 100_000, retained_memory: 64 << 20 }
    }
}

/// An MQTT broker (3.1.1 and 5) that keeps everything in memory and accepts every client: bind it to a loopback
/// address.
pub struct EmbeddedBroker {
    local_addr: SocketAddr,
    shutdown: broadcast::Sender<()>,
    subscribers: Arc<Subscribers>,
    retained: Arc<Retained>,
    task: JoinHandle<()>,
}

impl EmbeddedBroker {
    /// Listens; port 0 takes a free one. Clients can connect when this returns.
    pub async fn start(address: SocketAddr, limits: BrokerLimits) -> Result<Self, EmbeddedBrokerError> {
        let listening = async {
            let listener = TcpListener::bind(address).await?;
            Ok((listener.local_addr()?, listener))
        };
        let (local_addr, listener) = listening.await.map_err(|error| EmbeddedBrokerError::Listen { address, error })?;
        let broker = BrokerShared::new(limits).map_err(EmbeddedBrokerError::Start)?;
        let (shutdown, subscribers) = (broker.shutdown.clone(), Arc::clone(&broker.subscribers));
        let retained = Arc::clone(&broker.retained);
        // Subscribed before `stop` can be called, so that the signal is not missed.
        let task = broker.spawn(listener, shutdown.subscribe());
        Ok(EmbeddedBroker { local_addr, shutdown, subscribers, retained, task })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Messages that were not retained because a limit was reached.
    pub fn retained_refused(&self) -> &Arc<Counter> {
        self.retained.refused()
    }

    /// Looks up whether a topic has subscribers other than this client, which is the caller's own.
    pub fn subscriber_lookup(&self, own_client_id: &str) -> SubscriberLookup {
        let subscribers = Arc::clone(&self.subscribers);
        subscribers.ignore(own_client_id.to_owned());
        SubscriberLookup::new(move |topic| subscribers.has_subscriber(topic))
    }

    /// Resolves, with the reason, if the broker ends by itself. Dropping the future loses nothing.
    pub async fn failed(&mut self) -> EmbeddedBrokerError {
        // It ends by a panic, or when it is stopped.
        let _ = (&mut self.task).await;
        EmbeddedBrokerError::Stopped
    }

    /// Disconnects the clients and stops. Messages and sessions are lost.
    pub async fn stop(mut self) {
        // An error: the task has ended already.
        let _ = self.shutdown.send(());
        if !self.task.is_finished() && timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// State that all connections share.
struct BrokerShared {
    config: Arc<BrokerConfig>,
    storage: Arc<DynamicStorage>,
    router: Arc<MessageRouter>,
    subscribers: Arc<Subscribers>,
    retained: Arc<Retained>,
    stats: Arc<BrokerStats>,
    resources: Arc<ResourceMonitor>,
    shutdown: broadcast::Sender<()>,
}

impl BrokerShared {
    fn new(broker_limits: BrokerLimits) -> mqtt5::Result<Self> {
        let BrokerLimits { packet_size, retained, retained_memory } = broker_limits;
        let config = BrokerConfig::default().with_max_packet_size(packet_size.clamp(SMALLEST_LIMIT, LARGEST_PACKET));
        config.validate()?;
        let storage = Arc::new(DynamicStorage::Memory(MemoryBackend::new()));
        // Only the number of connections is limited. All clients may come from one address.
        let limits = ResourceLimits {
            max_connections: config.max_clients,
            max_connections_per_ip: config.max_clients,
            max_message_rate_per_client: 0,
            max_bandwidth_per_client: 0,
            max_connection_rate: u32::MAX,
            rate_limit_window: Duration::from_secs(1),
        };
        let retained = Arc::new(Retained::new(retained, retained_memory, Arc::clone(&storage)));
        let handler: Arc<Retained> = Arc::clone(&retained);
        let router = Arc::new(MessageRouter::with_storage(Arc::clone(&storage)).with_event_handler(handler));
        retained.set_router(&router);
        Ok(BrokerShared {
            config: Arc::new(config),
            subscribers: Arc::new(Subscribers::new(Arc::clone(&router))),
            router,
            retained,
            storage,
            stats: Arc::new(BrokerStats::new()),
            resources: Arc::new(ResourceMonitor::new(limits)),
            shutdown: broadcast::channel(1).0,
        })
    }

    /// Not part of the async `start`: what an async function spawns is compiled again by each crate that awaits it.
    fn spawn(self, listener: TcpListener, shutdown: broadcast::Receiver<()>) -> JoinHandle<()> {
        tokio::spawn(self.run(listener, shutdown))
    }

    async fn run(self, listener: TcpListener, mut shutdown: broadcast::Receiver<()>) {
        let mut connections = JoinSet::new();
        let mut cleanup = tokio::time::interval(CLEANUP_INTERVAL);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => self.accept(&mut connections, stream, address).await,
                    Err(error) => {
                        warn!(%error, "the embedded broker cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                _ = cleanup.tick() => self.clean_up().await,
                _ = shutdown.recv() => break,
            }
        }
        drop(listener);
        // Each connection has received the shutdown signal and disconnects its client.
        while connections.join_next().await.is_some() {}
    }

    async fn accept(&self, connections: &mut JoinSet<()>, stream: TcpStream, address: SocketAddr) {
        if !self.resources.can_accept_connection(address.ip()).await {
            return warn!(%address, "the embedded broker has too many connections");
        }
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%address, %error, "TCP_NODELAY was not set");
        }
        let BrokerShared { config, storage, router, subscribers, stats, resources, shutdown, .. } = self;
        let (config, storage, router) = (Arc::clone(config), Arc::clone(storage), Arc::clone(router));
        let (auth, stats, resources) = (Arc::clone(subscribers), Arc::clone(stats), Arc::clone(resources));
        let shutdown = shutdown.subscribe();
        connections.spawn(async move {
            let Some(stream) = refuse_bridge_level(stream).await else { return };
            let transport = BrokerTransport::tcp(stream);
            let handler =
                ClientHandler::new(transport, address, config, router, auth, Some(storage), stats, resources, shutdown);
            match handler.run().await {
                Err(error) if !error.is_normal_disconnect() => {
                    warn!(%address, %error, "the embedded broker ends a connection");
                }
                Ok(()) | Err(_) => {}
            }
        });
    }

    async fn clean_up(&self) {
        if let Err(error) = self.storage.cleanup_expired().await {
            warn!(%error, "the embedded broker cannot remove expired entries");
        }
        self.retained.clean_up().await;
        self.router.sweep_sessions().await;
        self.resources.cleanup_expired_windows().await;
    }
}

/// Refuses a client that sets the bit for bridges in the protocol level, so that it connects again without it. Any
/// other connection is returned with nothing read from it.
async fn refuse_bridge_level(mut stream: TcpStream) -> Option<TcpStream> {
    match timeout(CONNECT_TIMEOUT, protocol_level_of(&stream)).await {
        Ok(Ok(Some(level))) if level & protocol_level::BRIDGE != 0 => {}
        Ok(Ok(_)) => return Some(stream),
        // No packet arrived, or the connection failed.
        Ok(Err(_)) | Err(_) => return None,
    }
    debug!("a bridge is asked to connect without the bit for bridges in the protocol level");
    let refused = async {
        stream.write_all(&UNACCEPTABLE_PROTOCOL_VERSION).await?;
        stream.shutdown().await?;
        // Closing a socket with unread data in it sends a reset, which may overtake the answer.
        while stream.read(&mut [0; 1024]).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    // The connection is over in either case.
    let _ = timeout(LINGER, refused).await;
    None
}

/// The protocol level of the first packet. `None` if it is not a CONNECT.
async fn protocol_level_of(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut beginning = [0; protocol_level::PEEK_LENGTH];
    let started = Instant::now();
    loop {
        let length = stream.peek(&mut beginning).await?;
        match protocol_level::find(&beginning[..length]) {
            protocol_level::LevelSearch::Level(level) => return Ok(Some(level)),
            protocol_level::LevelSearch::NoConnect => return Ok(None),
            // Incomplete, or the connection has ended. A read would tell, but would also consume the bytes.
            protocol_level::LevelSearch::TooShort if length == 0 || started.elapsed() > CONNECT_TIMEOUT => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            protocol_level::LevelSearch::TooShort => sleep(CONNECT_POLL).await,
        }
    }
}
