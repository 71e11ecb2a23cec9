//! All listeners for charge points: they start and end, and change while the gateway runs.

use super::accept::{Acceptor, common_attributes};
use super::authentication::{ChargePointTls, FileFault, HashWorkers, Security};
use super::counts::ListenerCounts;
use super::limits::AllSockets;
use crate::charge_point::Context;
use crate::config::Listener;
use crate::operations::ephemeral;
use crate::operations::file_watch::FileWatch;
use crate::operations::live_files::{self, Reload};
use crate::routing::ExpectedPeer;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// Pause after a failed accept, as without free file descriptors the next one fails too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The length of the accept queue: after an outage, all charge points connect at once.
const LISTEN_BACKLOG: u32 = 4096;

/// Why the listeners cannot be as the configuration wants them.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    #[error("{key} = {address}: cannot listen there: {error}{}", ephemeral::hint(address.port(), error))]
    Listen { key: String, address: SocketAddr, error: io::Error },
    #[error("{}", lines(.0))]
    Files(Vec<FileFault>),
    #[error("files cannot be watched: {0}")]
    FileWatch(#[from] notify::Error),
}

fn lines(faults: &[FileFault]) -> String {
    faults.iter().map(|(key, problem)| format!("{key}: {problem}")).collect::<Vec<_>>().join("\n")
}

/// Listeners that are bound and have read their files, and accept no connection yet.
pub struct BoundListeners(Vec<BoundListener>);

/// What [`Listeners::replace`] puts in force.
pub struct PreparedListeners {
    /// Those that are new or have changed.
    bound: BoundListeners,
    /// Of all, in their order.
    names: Vec<String>,
}

struct BoundListener {
    settings: Listener,
    security: Arc<Security>,
    socket: Arc<TcpListener>,
    address: SocketAddr,
    /// Watches its files until it is dropped. `None`: it has none.
    _files: Option<FileWatch>,
}

/// The listeners of the gateway.
pub struct Listeners {
    context: Arc<Context>,
    sockets: Arc<AllSockets>,
    workers: Arc<HashWorkers>,
    /// The tasks of all connections.
    tasks: TaskTracker,
    /// Those of the loops that accept connections.
    accepting: TaskTracker,
    closed: CancellationToken,
    running: Mutex<Vec<RunningListener>>,
}

struct RunningListener {
    bound: BoundListener,
    counts: Arc<ListenerCounts>,
    /// Replaced when the settings change.
    acceptor: Arc<ArcSwap<Acceptor>>,
    closed: CancellationToken,
}

/// A listener as operators see it.
#[derive(Debug, Clone)]
pub struct ListenerStatus {
    pub settings: Listener,
    pub address: SocketAddr,
    /// Connected charge points.
    pub charge_points: usize,
    /// Handshakes that have succeeded, since the listener was added.
    pub accepted: u64,
    /// Connections that were refused, since the listener was added.
    pub refused: u64,
}

impl BoundListeners {
    /// Binds all listeners and reads their files. Needs a tokio runtime. `workers`: those that compute password hashes.
    pub fn bind(listeners: &[Listener], workers: &Arc<HashWorkers>) -> Result<Self, ListenerError> {
        Self::bind_beside(listeners.iter().collect(), workers, |_| None)
    }

    /// `bound`: the socket that a listener takes over.
    fn bind_beside(
        listeners: Vec<&Listener>,
        workers: &Arc<HashWorkers>,
        bound: impl Fn(&Listener) -> Option<Arc<TcpListener>>,
    ) -> Result<Self, ListenerError> {
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        for listener in listeners {
            match Security::load(listener, workers) {
                Ok(security) => read.push((listener, Arc::new(security))),
                Err(of_listener) => faults.extend(of_listener),
            }
        }
        if !faults.is_empty() {
            return Err(ListenerError::Files(faults));
        }
        let bind = |(settings, security): (&Listener, Arc<Security>)| {
            let socket = match bound(settings) {
                Some(socket) => socket,
                None => Arc::new(listen(settings)?),
            };
            let address = socket.local_addr().map_err(|error| not_bound(settings, error))?;
            let files = live_files::watch(security.reloads())?;
            Ok(BoundListener { settings: settings.clone(), security, socket, address, _files: files })
        };
        read.into_iter().map(bind).collect::<Result<_, _>>().map(BoundListeners)
    }

    /// Their addresses, with the actual ports.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|listener| listener.address).collect()
    }
}

impl Listeners {
    /// `workers`: those of the bound listeners; `max_connections`: of all listeners together; `max_files`: the limit on
    /// open files of the process.
    pub fn new(context: Arc<Context>, workers: Arc<HashWorkers>, max_connections: usize, max_files: usize) -> Self {
        Listeners {
            context,
            workers,
            sockets: Arc::new(AllSockets::new(max_connections, max_files)),
            tasks: TaskTracker::new(),
            accepting: TaskTracker::new(),
            closed: CancellationToken::new(),
            running: Mutex::default(),
        }
    }

    /// The tasks of all connections.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Accepts connections on all of them.
    pub fn start(&self, bound: BoundListeners) {
        let mut running = self.running.lock();
        for listener in bound.0 {
            running.push(self.run(listener, None));
        }
        self.expect_peers(&running);
    }

    /// Reads the files of new and changed listeners, and binds their addresses, as a new configuration wants them. If one
    /// cannot be had, all listeners stay as they are. Needs a tokio runtime.
    pub fn prepare(&self, listeners: &[Listener]) -> Result<PreparedListeners, ListenerError> {
        let of_one = |one: &RunningListener| (one.bound.settings.clone(), Arc::clone(&one.bound.socket));
        let running: Vec<_> = self.running.lock().iter().map(of_one).collect();
        let is_unchanged = |wanted: &&Listener| running.iter().any(|(settings, _)| settings == *wanted);
        let changed = listeners.iter().filter(|wanted| !is_unchanged(wanted)).collect();
        let bound = BoundListeners::bind_beside(changed, &self.workers, |wanted| {
            let is_same = |(settings, _): &&(Listener, Arc<TcpListener>)| {
                settings.listen == wanted.listen && (wanted.listen.port() != 0 || settings.name == wanted.name)
            };
            running.iter().find(is_same).map(|(_, socket)| Arc::clone(socket))
        })?;
        Ok(PreparedListeners { bound, names: listeners.iter().map(|listener| listener.name.clone()).collect() })
    }

    /// Replaces all listeners by those that were prepared. Connections of those that stay, stay.
    pub fn replace(&self, prepared: PreparedListeners) {
        let mut running = self.running.lock();
        if self.closed.is_cancelled() {
            return;
        }
        let mut old = std::mem::take(&mut *running);
        let PreparedListeners { bound: BoundListeners(mut bound), names } = prepared;
        for name in &names {
            let before = old.iter().position(|one| one.bound.settings.name == *name).map(|at| old.swap_remove(at));
            let new = bound.iter().position(|new| new.settings.name == *name).map(|at| bound.swap_remove(at));
            match (&before, &new) {
                (None, Some(new)) => info!("SIGHUP: the listener {name} is new, at {}", new.address),
                (Some(_), Some(_)) => info!("SIGHUP: the listener {name} has changed"),
                (_, None) => {}
            }
            running.extend(match new {
                Some(new) => Some(self.run(new, before)),
                None => before,
            });
        }
        for RunningListener { bound, closed, acceptor, .. } in old {
            closed.cancel();
            acceptor.load().retire();
            let name = bound.settings.name;
            info!("SIGHUP: the listener {name} is gone: its charge points are disconnected");
            self.context.registry.kick_from(&name);
        }
        self.expect_peers(&running);
    }

    /// Runs a listener, in the place of the one of its name, if there was one.
    fn run(&self, bound: BoundListener, before: Option<RunningListener>) -> RunningListener {
        let BoundListener { settings, security, socket, address, .. } = &bound;
        settings.warnings().iter().for_each(|warning| warn!("{warning}"));
        warn_if_unauthenticated(settings, security, *address);
        warn_of_unchecked(settings, security);
        let counts = before.as_ref().map(|before| Arc::clone(&before.counts));
        let counts = counts.unwrap_or_else(|| Arc::new(ListenerCounts::new(Arc::clone(&self.sockets))));
        let (context, tasks) = (Arc::clone(&self.context), self.tasks.clone());
        let acceptor = Arc::new(Acceptor::new(settings, Arc::clone(security), Arc::clone(&counts), context, tasks));
        let (acceptor, closed) = match before {
            Some(RunningListener { bound: old, acceptor: current, closed, .. }) if Arc::ptr_eq(&old.socket, socket) => {
                current.swap(acceptor).retire();
                (current, closed)
            }
            before => {
                if let Some(before) = before {
                    before.closed.cancel();
                    before.acceptor.load().retire();
                }
                let (acceptor, closed) = (Arc::new(ArcSwap::new(acceptor)), self.closed.child_token());
                self.accepting.spawn(accept_all(Arc::clone(socket), Arc::clone(&acceptor), closed.clone()));
                (acceptor, closed)
            }
        };
        RunningListener { bound, counts, acceptor, closed }
    }

    /// Tells the router which charge points to expect.
    fn expect_peers(&self, running: &[RunningListener]) {
        let expected = expected_peers(running.iter().map(|one| &one.bound.settings));
        self.context.router.expected.store(Arc::new(expected));
    }

    /// Accepts no connection any more.
    pub async fn close(&self) {
        self.closed.cancel();
        self.accepting.close();
        self.accepting.wait().await;
        // Frees the addresses.
        self.running.lock().clear();
    }

    /// All of them, in the order of the configuration.
    pub fn status(&self) -> Vec<ListenerStatus> {
        let status = |RunningListener { bound, counts, .. }: &RunningListener| ListenerStatus {
            settings: bound.settings.clone(),
            address: bound.address,
            charge_points: counts.sockets.charge_points(),
            accepted: counts.accepted.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
        };
        self.running.lock().iter().map(status).collect()
    }

    /// What each of them demands of charge points.
    pub fn security(&self) -> Vec<Arc<Security>> {
        self.running.lock().iter().map(|one| Arc::clone(&one.bound.security)).collect()
    }

    /// What is read again when its files change.
    pub fn reloads(&self) -> Vec<Arc<dyn Reload>> {
        self.security().iter().flat_map(|security| security.reloads()).collect()
    }
}

/// What charge points of these listeners may be like.
pub fn expected_peers<'a>(listeners: impl Iterator<Item = &'a Listener>) -> Vec<ExpectedPeer> {
    let mut expected = Vec::new();
    for listener in listeners {
        for &version in &listener.versions {
            let peer = ExpectedPeer { version, attributes: common_attributes(listener) };
            if !expected.contains(&peer) {
                expected.push(peer);
            }
        }
    }
    expected
}

/// Accepts connections until `closed`.
async fn accept_all(socket: Arc<TcpListener>, acceptor: Arc<ArcSwap<Acceptor>>, closed: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = closed.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => acceptor.load_full().on_accept(stream, address.into()),
            Err(error) => {
                warn!("cannot accept connections: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Warns if there is no authentication: any client can then connect with any identity.
fn warn_if_unauthenticated(settings: &Listener, security: &Security, address: SocketAddr) {
    if !security.wants_credentials() && !address.ip().is_loopback() {
        let (auth, client_ca) = (settings.key("auth"), settings.key("tls.client_ca"));
        warn!("any client that reaches {address} can pass for any charge point: neither {auth} nor {client_ca} is set");
    }
}

/// Warns of CAs of charge points without a revocation list, if others have one.
fn warn_of_unchecked(settings: &Listener, security: &Security) {
    let client_crl = settings.key("tls.client_crl");
    for name in security.tls.iter().flat_map(ChargePointTls::unchecked_authorities) {
        warn!("certificates of {name} are not checked for revocation: no file in {client_crl} is a list of it");
    }
}

fn listen(settings: &Listener) -> Result<TcpListener, ListenerError> {
    bind(settings.listen).map_err(|error| not_bound(settings, error))
}

fn not_bound(settings: &Listener, error: io::Error) -> ListenerError {
    ListenerError::Listen { key: settings.key("listen"), address: settings.listen, error }
}

/// A socket that listens at `address`.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // After a restart, the port may still have closing connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_core::Version;

    #[test]
    fn absent_charge_points_are_expected_with_each_version_and_mount_point_once() {
        let plain = Listener { versions: vec![Version::V2_0_1, Version::V1_6], ..Listener::default() };
        let again = Listener { versions: vec![Version::V1_6], ..Listener::default() };
        let mounted = Listener { mountpoint: "acme/".into(), ..again.clone() };
        let expected = expected_peers([&plain, &again, &mounted].into_iter());
        let mountpoint = vec![("mountpoint".to_owned(), "acme/".to_owned())];
        let peers: Vec<_> = expected.into_iter().map(|peer| (peer.version, peer.attributes)).collect();
        assert_eq!(peers, [(Version::V2_0_1, vec![]), (Version::V1_6, vec![]), (Version::V1_6, mountpoint)]);
    }
}
