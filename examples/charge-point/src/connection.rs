//! The WebSocket to the back end: connects, reconnects, and prints every message.

use crate::frame::Frame;
use crate::station::{Output, Station};
use crate::version::Version;
use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<TcpStream>;

/// Why a connection ended.
enum Ended {
    Reboot,
    Finished,
    Lost(String),
}

/// Keeps `station` connected to `{url}/{id}` until it is finished.
///
/// # Errors
/// The URL is wrong, or the session failed. A failed connection is tried again.
pub(crate) async fn run(station: &mut Station, url: &str, id: &str, version: Version) -> Result<()> {
    let address = format!("{}/{id}", url.trim_end_matches('/'));
    address.strip_prefix("ws://").context("--url must begin with ws://")?;
    let mut wait = FIRST_WAIT;
    loop {
        let problem = match connect(&address, version).await {
            Ok(mut socket) => {
                println!("connected to {address} as {}", version.subprotocol());
                wait = FIRST_WAIT;
                match serve(station, &mut socket).await? {
                    Ended::Finished => return Ok(()),
                    Ended::Reboot => {
                        println!("rebooting");
                        station.reboot();
                        continue;
                    }
                    Ended::Lost(reason) => reason,
                }
            }
            Err(error) => format!("{error:#}"),
        };
        station.disconnected();
        println!("not connected: {problem}; next try in {}", humantime::format_duration(wait));
        sleep(wait).await;
        wait = (wait * 2).min(MAX_WAIT);
    }
}

async fn connect(address: &str, version: Version) -> Result<Socket> {
    let mut request = address.into_client_request()?;
    let host = request.uri().host().context("no host in the URL")?;
    let port = request.uri().port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let subprotocol = HeaderValue::from_static(version.subprotocol());
    request.headers_mut().insert("sec-websocket-protocol", subprotocol);
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => bail!("refused with {}", response.status()),
        Err(error) => Err(error.into()),
    }
}

async fn serve(station: &mut Station, socket: &mut Socket) -> Result<Ended> {
    loop {
        let until = match station.poll(Instant::now()) {
            Output::Send(frame) => {
                println!("→ {frame}");
                if let Err(error) = socket.send(Message::text(frame.encode())).await {
                    return Ok(Ended::Lost(error.to_string()));
                }
                continue;
            }
            Output::Wait(until) => until,
            Output::Reboot => return close(socket, Ended::Reboot).await,
            Output::Finished => return close(socket, Ended::Finished).await,
            Output::Failed(reason) => bail!("the session failed: {reason}"),
        };
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => {}
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => match Frame::parse(&text) {
                    Some(frame) => {
                        println!("← {frame}");
                        station.receive(frame, Instant::now());
                    }
                    None => println!("← not understood: {text}"),
                },
                Some(Ok(Message::Close(Some(frame)))) => return Ok(Ended::Lost(format!("closed: {frame}"))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Ok(Ended::Lost(error.to_string())),
                None => return Ok(Ended::Lost("closed".to_owned())),
            }
        }
    }
}

async fn close(socket: &mut Socket, ended: Ended) -> Result<Ended> {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    // An error is ignored: the connection may be closed already.
    let _ = socket.close(Some(frame)).await;
    Ok(ended)
}
