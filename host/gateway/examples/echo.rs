//! An echo server with the handshake, the WebSocket settings and the close behaviour of the gateway: it sends back
//! every message on `/ocpp/{identity}`. `.ci/autobahn/run` runs a conformance suite against it.
//!
//! Prints its address on standard output.

use ocpp_gateway::charge_point::{DisconnectReason, Socket};
use ocpp_gateway::config::Listener;
use ocpp_gateway::listener::HandshakeSettings;
use ocpp_gateway_mqtt::MemoryPool;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The largest message of the suite has 16 MiB.
const MAX_MESSAGE: usize = 32 << 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Arc::new(HandshakeSettings::new(&Listener { max_message_size: MAX_MESSAGE, ..Listener::default() }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let settings = Arc::clone(&settings);
        tokio::spawn(async move { serve(stream, &settings).await });
    }
}

async fn serve(stream: TcpStream, settings: &HandshakeSettings) {
    let _ = stream.set_nodelay(true);
    let mut handshake = settings.begin(stream);
    let accepted = match settings.read_request(&mut handshake).await {
        Ok(request) => handshake.accept(request).await,
        Err(refused) => Err(refused),
    };
    let deflate = match accepted {
        Ok(deflate) => deflate,
        Err(refused) => return handshake.refuse(&refused).await,
    };
    let mut socket = settings.websocket(handshake, deflate);
    let ending = echo(&mut socket).await;
    ending.close(&mut socket).await;
}

async fn echo(socket: &mut Socket<TcpStream>) -> DisconnectReason {
    let send = |sent: Result<(), Error>| sent.err().map(DisconnectReason::from);
    let memory = MemoryPool::new(MAX_MESSAGE);
    loop {
        let ended = match next(socket, &memory).await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => send(socket.send(message).await),
            // tungstenite answers pings and close frames.
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(error.into()),
            None => Some(DisconnectReason::Gone(None)),
        };
        if let Some(ending) = ended {
            return ending;
        }
    }
}

/// The next message. One that is not small is read once there is memory for it, here at once.
async fn next(socket: &mut Socket<TcpStream>, memory: &Arc<MemoryPool>) -> Option<Result<Message, Error>> {
    loop {
        let arrived = poll_fn(|cx| match (socket.poll_next(cx), socket.wanted()) {
            (Poll::Ready(message), _) => Poll::Ready(Ok(message)),
            (Poll::Pending, Some(bytes)) => Poll::Ready(Err(bytes)),
            (Poll::Pending, None) => Poll::Pending,
        });
        match arrived.await {
            Ok(message) => return message,
            Err(bytes) => socket.reserve(memory.acquire(bytes).await, Instant::now()),
        }
    }
}
