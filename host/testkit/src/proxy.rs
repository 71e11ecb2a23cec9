//! A network between two ends that breaks in the ways in which networks break.

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

/// What the network does to what is sent over it, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// It arrives.
    Fair,
    /// It waits; connections stay, and new ones are accepted and wait too.
    Stalled,
    /// It is taken and lost, until the connection ends; new connections are accepted and hear nothing.
    Lossy,
    /// Connections end, and new ones are ended as soon as they are accepted.
    Cut,
}

/// Listens on a loopback port of its own and passes on what comes. Stops when dropped.
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    lost: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A network, in fair weather, that leads to `target`.
    pub async fn start(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free loopback port");
        let address = listener.local_addr().expect("a bound address");
        let (weather, forecast) = watch::channel(Weather::Fair);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connect(near, target, forecast.clone(), Arc::clone(&counter)));
            }
        });
        Proxy { address, weather, lost, accepting }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// From now on it is like this. What a lossy network has taken does not come back in fair weather: connections from
    /// that time end.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Bytes that were taken and lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Weather::Cut);
    }
}

async fn connect(near: TcpStream, target: SocketAddr, mut weather: watch::Receiver<Weather>, lost: Arc<AtomicU64>) {
    if weather.wait_for(|weather| *weather != Weather::Stalled).await.is_err() || *weather.borrow() == Weather::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_reads, near_writes) = near.into_split();
    let (far_reads, far_writes) = far.into_split();
    // Whichever direction ends takes the other one with it.
    tokio::select! {
        () = pass(near_reads, far_writes, weather.clone(), &lost) => {}
        () = pass(far_reads, near_writes, weather, &lost) => {}
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    lost: &AtomicU64,
) {
    let mut buffer = vec![0; 16 << 10];
    let mut has_lost = false;
    loop {
        let now = *weather.borrow_and_update();
        if now == Weather::Cut || (has_lost && now == Weather::Fair) {
            return;
        }
        let length = tokio::select! {
            changed = weather.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            read = from.read(&mut buffer), if now != Weather::Stalled => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => length,
            },
        };
        if now == Weather::Lossy {
            has_lost = true;
            lost.fetch_add(length as u64, Ordering::Relaxed);
        } else if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
