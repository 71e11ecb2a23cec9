//! The floor: a minimal relay of text between tokio-tungstenite and rumqttc, without OCPP and Wasm.
//!
//! Both libraries are used with their defaults: rumqttc writes each message at once. A program that coalesces messages
//! before writing can cost less than this floor, and the gateway does.
//!
//! A text from a socket is published unchanged on `ocpp/cp/{id}`; a message on `ocpp/cs/{id}` is written unchanged to
//! the socket. No message is parsed. One MQTT connection publishes, another subscribes.

use crate::dialect::{DOWNLINK, UPLINK};
use crate::mqtt::{self, Quality};
use anyhow::{Context as _, Result};
use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use rumqttc::{AsyncClient, Event, EventLoop, Packet};
use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

#[derive(Args)]
pub(crate) struct FloorArgs {
    /// Where charge points connect; their id is the last segment of the path
    #[arg(long, default_value = "127.0.0.1:33033")]
    listen: String,
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: String,
    #[arg(long, default_value = "0")]
    qos: Quality,
    /// Worker threads; if absent, half of the cores, as the gateway has
    #[arg(long)]
    threads: Option<NonZero<usize>>,
}

impl FloorArgs {
    pub(crate) fn threads(&self) -> usize {
        let half = || thread::available_parallelism().map_or(1, NonZero::get) / 2;
        self.threads.map_or_else(half, NonZero::get).max(1)
    }
}

const UPLINK_QUEUE: usize = 1000;
const DOWNLINK_QUEUE: usize = 16;
/// Connections that may wait to be accepted, as with the gateway.
const BACKLOG: u32 = 4096;

/// The connected charge points, by id.
#[derive(Default)]
struct Router(RwLock<HashMap<String, mpsc::Sender<Utf8Bytes>>>);

impl Router {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, mpsc::Sender<Utf8Bytes>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, mpsc::Sender<Utf8Bytes>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn run(args: FloorArgs) -> Result<()> {
    let router = Arc::new(Router::default());
    let (publisher, publishing) = mqtt::client("floor-pub", &args.broker, UPLINK_QUEUE)?;
    let filter = format!("{DOWNLINK}+");
    let (_subscriber, subscribed) = mqtt::subscriber("floor-sub", &args.broker, 1, &filter, args.qos).await?;
    let listener = listen(&args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;

    let accepting = accept(listener, publisher, args.qos, Arc::clone(&router));
    tokio::select! {
        done = tokio::spawn(publish(publishing)) => done?,
        done = tokio::spawn(deliver(subscribed, router)) => done?,
        done = tokio::spawn(accepting) => done?,
    }
}

async fn listen(address: &str) -> Result<TcpListener> {
    let address = tokio::net::lookup_host(address).await?.next().context("no such host")?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket.listen(BACKLOG)?)
}

async fn publish(mut events: EventLoop) -> Result<()> {
    loop {
        events.poll().await.context("the publishing connection")?;
    }
}

async fn deliver(mut events: EventLoop, router: Arc<Router>) -> Result<()> {
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.context("the subscribing connection")?
            && let Some(id) = publish.topic.strip_prefix(DOWNLINK)
            && let Some(charge_point) = router.read().get(id)
            && let Ok(text) = Utf8Bytes::try_from(publish.payload)
            && charge_point.try_send(text).is_err()
        {
            eprintln!("{id}: queue full, message lost");
        }
    }
}

async fn accept(listener: TcpListener, publisher: AsyncClient, quality: Quality, router: Arc<Router>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let (publisher, router) = (publisher.clone(), Arc::clone(&router));
        tokio::spawn(async move {
            if let Err(error) = serve(stream, publisher, quality, &router).await {
                eprintln!("{error:#}");
            }
        });
    }
}

async fn serve(stream: TcpStream, publisher: AsyncClient, quality: Quality, router: &Router) -> Result<()> {
    stream.set_nodelay(true)?;
    let (id, mut socket) = upgrade(stream).await?;
    let (sender, mut downlink) = mpsc::channel(DOWNLINK_QUEUE);
    router.write().insert(id.clone(), sender);
    let topic = format!("{UPLINK}{id}");
    let relayed = relay(&mut socket, &mut downlink, &publisher, &topic, quality).await;
    router.write().remove(&id);
    relayed
}

async fn relay(
    socket: &mut WebSocketStream<TcpStream>,
    downlink: &mut mpsc::Receiver<Utf8Bytes>,
    publisher: &AsyncClient,
    topic: &str,
    quality: Quality,
) -> Result<()> {
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => publisher.publish(topic, quality.into(), false, text.as_str()).await?,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            Some(text) = downlink.recv() => {
                socket.feed(Message::Text(text)).await?;
                while let Ok(text) = downlink.try_recv() {
                    socket.feed(Message::Text(text)).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

/// The WebSocket handshake: the charge point's id, and the socket.
pub(crate) async fn upgrade(stream: TcpStream) -> Result<(String, WebSocketStream<TcpStream>)> {
    let mut id = String::new();
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let answer = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        id = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(offered) = request.headers().get("sec-websocket-protocol") {
            response.headers_mut().insert("sec-websocket-protocol", offered.clone());
        }
        Ok(response)
    };
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let socket = accept_hdr_async_with_config(stream, answer, Some(config)).await?;
    Ok((id, socket))
}
