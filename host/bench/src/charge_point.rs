//! One charge point of the load generator: connects, and sends Heartbeat CALLs one at a time.

use crate::stats::Stats;
use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::value::RawValue;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// An answer that takes longer counts as lost.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Connections from one source address: below the range of ephemeral ports, 28,232 on Linux.
const CONNECTIONS_PER_ADDRESS: usize = 20_000;

/// When the next CALL is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As soon as the one before is answered.
    ClosedLoop,
    /// At this interval.
    Every(Duration),
    /// Never.
    Idle,
}

pub(crate) struct ChargePoint {
    id: String,
    socket: WebSocketStream<TcpStream>,
    calls: u64,
}

/// How a wait ended.
enum Waited {
    Done,
    Disconnected,
}

impl ChargePoint {
    /// Connects charge point number `index` to `ws://{gateway}{path}/{id}`.
    pub(crate) async fn connect(gateway: SocketAddr, path: &str, index: usize) -> Result<Self> {
        let id = format!("CP{index:05}");
        let socket = TcpSocket::new_v4()?;
        if gateway.ip().is_loopback() {
            let source = Ipv4Addr::new(127, 0, 0, 1 + (index / CONNECTIONS_PER_ADDRESS) as u8);
            socket.bind(SocketAddr::new(IpAddr::V4(source), 0)).context("no free port to connect from")?;
        }
        let stream = socket.connect(gateway).await?;
        stream.set_nodelay(true)?;

        let mut request = format!("ws://{gateway}{path}/{id}").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("ocpp1.6"));
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(ChargePoint { id, socket, calls: 0 })
    }

    /// Sends CALLs at `pace`, the first after `delay`, until the connection ends.
    pub(crate) async fn run(mut self, pace: Pace, delay: Duration, stats: &Stats) {
        let mut due = Instant::now() + delay;
        loop {
            let ended = match pace {
                Pace::Idle => self.rest(None, stats).await,
                Pace::ClosedLoop => self.call(stats).await,
                Pace::Every(interval) => match self.rest(Some(due), stats).await {
                    Waited::Disconnected => Waited::Disconnected,
                    Waited::Done => {
                        due += interval;
                        self.call(stats).await
                    }
                },
            };
            if let Waited::Disconnected = ended {
                return stats.failed(|errors| errors.disconnects += 1);
            }
        }
    }

    /// Reads, which also answers pings, until `due` or for ever.
    async fn rest(&mut self, due: Option<Instant>, stats: &Stats) -> Waited {
        loop {
            let wake = async {
                match due {
                    Some(due) => sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wake => return Waited::Done,
                text = self.text() => match text {
                    Ok(_) => stats.failed(|errors| errors.unexpected += 1),
                    Err(_) => return Waited::Disconnected,
                }
            }
        }
    }

    /// One Heartbeat and its answer.
    async fn call(&mut self, stats: &Stats) -> Waited {
        self.calls += 1;
        let call = format!("{}-{:020}", self.id, self.calls);
        let sent = Instant::now();
        if self.socket.send(Message::text(format!(r#"[2,"{call}","Heartbeat",{{}}]"#))).await.is_err() {
            return Waited::Disconnected;
        }
        loop {
            let Ok(text) = timeout(CALL_TIMEOUT, self.text()).await else {
                stats.failed(|errors| errors.timeouts += 1);
                return Waited::Done;
            };
            let Ok(text) = text else { return Waited::Disconnected };
            match Answer::to(&call, &text) {
                Answer::Result => stats.answered(sent),
                Answer::Error => stats.failed(|errors| errors.call_errors += 1),
                Answer::Unexpected => {
                    stats.failed(|errors| errors.unexpected += 1);
                    continue;
                }
            }
            return Waited::Done;
        }
    }

    async fn text(&mut self) -> Result<Utf8Bytes> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => bail!("closed"),
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Result,
    Error,
    Unexpected,
}

impl Answer {
    fn to(call: &str, text: &str) -> Self {
        if let Ok((3, id, _)) = serde_json::from_str::<(u8, &str, &RawValue)>(text)
            && id == call
        {
            return Answer::Result;
        }
        match serde_json::from_str::<(u8, &str, &RawValue, &RawValue, &RawValue)>(text) {
            Ok((4, id, ..)) if id == call => Answer::Error,
            _ => Answer::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_by_type_and_id() {
        assert_eq!(Answer::to("7", r#"[3,"7",{}]"#), Answer::Result);
        assert_eq!(Answer::to("7", r#"[4,"7","InternalError","",{}]"#), Answer::Error);
        assert_eq!(Answer::to("7", r#"[3,"8",{}]"#), Answer::Unexpected);
        assert_eq!(Answer::to("7", r#"[2,"7","Reset",{"type":"Soft"}]"#), Answer::Unexpected);
        assert_eq!(Answer::to("7", "["), Answer::Unexpected);
    }
}
