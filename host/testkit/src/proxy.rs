//! A TCP proxy that simulates network failures.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// The state of the network, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Data arrives.
    Up,
    /// Data waits. Connections stay; new ones are accepted and wait too.
    Stalled,
    /// Data is read and discarded until the connection ends. New connections are accepted and receive nothing.
    Lossy,
    /// Connections are closed, and new ones are closed as soon as they are accepted.
    Cut,
}

/// Listens on a loopback port and forwards data. Stops when dropped.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<LinkState>,
    lost: Arc<AtomicU64>,
    accept_task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy to `target`, which forwards at first.
    pub async fn start(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free loopback port");
        let address = listener.local_addr().expect("a bound address");
        let (state, receiver) = watch::channel(LinkState::Up);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let accept_task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, target, receiver.clone(), Arc::clone(&counter)));
            }
        });
        Proxy { address, state, lost, accept_task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Changes the state of the network. Connections that have lost data end when the network is up
    /// again, because their streams have gaps.
    pub fn set(&self, state: LinkState) {
        self.state.send_replace(state);
    }

    /// The number of bytes that were discarded.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accept_task.abort();
        self.set(LinkState::Cut);
    }
}

async fn connect(client: TcpStream, target: SocketAddr, mut state: watch::Receiver<LinkState>, lost: Arc<AtomicU64>) {
    if state.wait_for(|state| *state != LinkState::Stalled).await.is_err() || *state.borrow() == LinkState::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    // If one direction ends, the other one ends too.
    tokio::select! {
        () = forward(client_reader, server_writer, state.clone(), &lost) => {}
        () = forward(server_reader, client_writer, state, &lost) => {}
    }
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut state: watch::Receiver<LinkState>,
    lost: &AtomicU64,
) {
    let mut buffer = vec![0; 16 << 10];
    let mut has_lost = false;
    loop {
        let now = *state.borrow_and_update();
        if now == LinkState::Cut || (has_lost && now == LinkState::Up) {
            return;
        }
        let length = tokio::select! {
            changed = state.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            read = from.read(&mut buffer), if now != LinkState::Stalled => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => length,
            },
        };
        if now == LinkState::Lossy {
            has_lost = true;
            lost.fetch_add(length as u64, Ordering::Relaxed);
        } else if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
