//! An echo server with the layer under tokio-tungstenite: it sends back every message. For conformance suites and
//! clients in other languages.
//!
//! Prints its address on standard output. Arguments: `takeover` allows context takeover; `level=…` and
//! `threshold=…` are those of [`Settings`].

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use ocpp_gateway_deflate::{Agreed, DeflateError, DeflateStream, Limits, Settings, negotiate};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

/// The largest message of the Autobahn suite has 16 MiB.
const MAX_MESSAGE: usize = 32 << 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut settings = Settings::default();
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            None if argument == "takeover" => (settings.server_takeover, settings.client_takeover) = (true, true),
            Some(("level", level)) => settings.level = level.parse()?,
            Some(("threshold", threshold)) => settings.threshold = threshold.parse()?,
            _ => bail!("unknown argument {argument:?}"),
        }
    }
    let settings = Arc::new(settings);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let settings = Arc::clone(&settings);
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &settings).await {
                eprintln!("{error:#}");
            }
        });
    }
}

async fn serve(mut stream: TcpStream, settings: &Settings) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (agreed, received) = shake_hands(&mut stream, settings).await?;
    let limits = Limits { max_message_size: MAX_MESSAGE, waits_for_memory: false };
    let config = WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .write_buffer_size(4 << 10)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let mut socket = match agreed {
        Some(agreed) => {
            let stream = DeflateStream::new(stream, received, agreed, limits);
            WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await
        }
        None => {
            let stream = DeflateStream::plain(stream);
            WebSocketStream::from_partially_read(stream, received, Role::Server, Some(config)).await
        }
    };
    while let Some(message) = socket.next().await {
        let done = match message {
            Ok(message) if message.is_text() || message.is_binary() => socket.send(message).await,
            // tungstenite answers pings and close frames.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            let Some(code) = close_code(&error) else { break };
            let close = CloseFrame { code, reason: "".into() };
            let _ = socket.close(Some(close)).await;
            let stream = socket.get_mut();
            stream.shutdown().await?;
            let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
            break;
        }
    }
    Ok(())
}

fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Io(error) => DeflateError::find(error).map(|error| error.close_code().into()),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

/// Answers the request: what was agreed on, and the bytes behind the request.
async fn shake_hands(stream: &mut TcpStream, settings: &Settings) -> anyhow::Result<(Option<Agreed>, Vec<u8>)> {
    let mut request = Vec::new();
    let end = loop {
        if stream.read_buf(&mut request).await? == 0 {
            bail!("the request is incomplete");
        }
        if let Some(end) = request.windows(4).position(|end| end == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let received = request.split_off(end);
    let request = String::from_utf8(request)?;
    let values = |wanted: &'static str| {
        let headers = request.lines().filter_map(|line| line.split_once(':'));
        headers.filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let key = values("Sec-WebSocket-Key").next().context("no key")?;
    let agreed = negotiate(values("Sec-WebSocket-Extensions"), settings);
    let extensions = agreed.map(|agreed| format!("Sec-WebSocket-Extensions: {agreed}\r\n")).unwrap_or_default();
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n{extensions}\r\n",
        derive_accept_key(key.as_bytes())
    );
    stream.write_all(response.as_bytes()).await?;
    Ok((agreed, received))
}
