//! One charge point of the load generator: connects, sends CALLs one at a time, and answers CALLs.

use crate::script::{Request, Script};
use crate::stats::Stats;
use crate::tls::Trust;
use anyhow::{Context as _, Result, bail};
use data_encoding::BASE64;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::value::RawValue;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep_until, timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::either::Either;

/// How long a charge point keeps trying to connect.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// An answer that takes longer counts as lost.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Both time limits for a charge point in an outage: for an answer, and for reconnecting.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(300);
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Connections from one source address, fewer than its 28,232 ephemeral ports (Linux).
const CONNECTIONS_PER_ADDRESS: usize = 5_000;

/// When the next CALL is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As soon as the previous one is answered.
    ClosedLoop,
    /// At this interval. The latency of a CALL counts from when it was due, even if the previous answer delayed it, so
    /// that a stall of the gateway counts for every CALL due meanwhile.
    Every(Duration),
    /// Never.
    Idle,
}

/// Where charge points connect to.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    /// The part before `/{id}`.
    pub(crate) path: String,
    /// Absent: no TLS.
    pub(crate) trust: Option<Trust>,
    /// The password of every charge point; absent: no authentication.
    pub(crate) password: Option<&'static str>,
    /// The third number of the loopback addresses that charge points connect from. It differs between runs, as the
    /// ports of a run stay in use for a minute after it.
    pub(crate) network: u8,
}

type Stream = Either<TcpStream, TlsStream<TcpStream>>;

pub(crate) type Socket = WebSocketStream<Stream>;

pub(crate) struct ChargePoint {
    index: usize,
    id: String,
    socket: Socket,
    calls: u64,
    call_timeout: Duration,
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    Done,
    /// The CALL got no CALLRESULT.
    Failed,
    Disconnected,
}

/// The identity of charge point number `index`.
pub(crate) fn identity(index: usize) -> String {
    format!("CP{index:05}")
}

impl ChargePoint {
    /// Connects charge point number `index`.
    pub(crate) async fn connect(gateway: &Gateway, index: usize) -> Result<Self> {
        let Gateway { address, path, trust, password, network } = gateway;
        let id = identity(index);
        let socket = TcpSocket::new_v4()?;
        if address.ip().is_loopback() {
            let source = Ipv4Addr::new(127, 0, *network, 1 + (index / CONNECTIONS_PER_ADDRESS) as u8);
            socket.bind(SocketAddr::new(IpAddr::V4(source), 0)).context("no free port to connect from")?;
        }
        let stream = socket.connect(*address).await?;
        stream.set_nodelay(true)?;
        let (scheme, stream) = match trust {
            Some(trust) => ("wss", Either::Right(trust.connect(stream).await?)),
            None => ("ws", Either::Left(stream)),
        };

        let mut request = format!("{scheme}://{address}{path}/{id}").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("ocpp1.6"));
        if let Some(password) = password {
            let credentials = BASE64.encode(format!("{id}:{password}").as_bytes());
            request.headers_mut().insert("authorization", HeaderValue::try_from(format!("Basic {credentials}"))?);
        }
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(ChargePoint { index, id, socket, calls: 0, call_timeout: CALL_TIMEOUT })
    }

    /// Its identity and its connection, for other kinds of load.
    pub(crate) fn into_parts(self) -> (String, Socket) {
        (self.id, self.socket)
    }

    /// Sends CALLs in a closed loop until this time, and waits until each is answered or times out. Returns whether the
    /// charge point is still connected.
    pub(crate) async fn run_closed_loop(&mut self, until: Instant, script: &Script, stats: &Stats) -> bool {
        while Instant::now() < until {
            if self.next_call(script, Instant::now(), stats).await == Waited::Disconnected {
                return false;
            }
        }
        true
    }

    /// Sends CALLs at `pace`, the first after `delay`, until the connection ends. Sends none once the run is ending.
    pub(crate) async fn run(mut self, pace: Pace, script: &Script, delay: Duration, stats: &Stats) {
        let mut due = Instant::now() + delay;
        loop {
            let ended = match pace {
                Pace::Idle => self.answer_until(None, stats).await,
                Pace::ClosedLoop => self.next_call(script, Instant::now(), stats).await,
                Pace::Every(interval) => match self.answer_until(Some(due), stats).await {
                    Waited::Disconnected => Waited::Disconnected,
                    Waited::Done | Waited::Failed => {
                        let intended = due;
                        due += interval;
                        self.next_call(script, intended, stats).await
                    }
                },
            };
            if let Waited::Disconnected = ended {
                return stats.failed(|errors| errors.disconnects += 1);
            }
        }
    }

    /// Sends CALLs at this interval, the first after `delay`, none after `until`, and waits until each is answered or
    /// times out. Returns how many were sent.
    pub(crate) async fn run_until(
        &mut self,
        until: Instant,
        interval: Duration,
        script: &Script,
        delay: Duration,
        stats: &Stats,
    ) -> u64 {
        let mut due = Instant::now() + delay;
        let before = self.calls;
        let mut ended = Waited::Done;
        while due < until && ended != Waited::Disconnected {
            ended = self.answer_until(Some(due), stats).await;
            if ended == Waited::Done {
                ended = self.next_call(script, due, stats).await;
                due += interval;
            }
        }
        if let Waited::Disconnected = ended {
            stats.failed(|errors| errors.disconnects += 1);
        }
        self.calls - before
    }

    /// The same for a charge point with transactions to report: it waits for an answer while it is connected. When
    /// disconnected, it reconnects and repeats the open CALL.
    pub(crate) async fn run_through_outages(
        &mut self,
        gateway: &Gateway,
        until: Instant,
        interval: Duration,
        delay: Duration,
        stats: &Stats,
    ) -> Result<u64> {
        let (script, mut due, mut sent) = (Script::day(), Instant::now() + delay, 0);
        self.call_timeout = OUTAGE_TIMEOUT;
        while due < until {
            while self.answer_until(Some(due), stats).await == Waited::Disconnected {
                self.reconnect(gateway, stats).await?;
            }
            sent += 1;
            while self.next_call(&script, due, stats).await == Waited::Disconnected {
                self.reconnect(gateway, stats).await?;
                // Repeats the CALL with its id.
                self.calls -= 1;
            }
            due += interval;
        }
        Ok(sent)
    }

    async fn reconnect(&mut self, gateway: &Gateway, stats: &Stats) -> Result<()> {
        stats.failed(|errors| errors.disconnects += 1);
        let since = Instant::now();
        loop {
            match ChargePoint::connect(gateway, self.index).await {
                Ok(ChargePoint { socket, .. }) => {
                    self.socket = socket;
                    return Ok(());
                }
                Err(error) if since.elapsed() > OUTAGE_TIMEOUT => return Err(error.context("cannot reconnect")),
                Err(_) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
        }
    }

    /// Only answers CALLs, until the connection ends.
    pub(crate) async fn answer_until_disconnected(&mut self, stats: &Stats) {
        self.answer_until(None, stats).await;
    }

    /// Sends one CALL and waits for its CALLRESULT. Anything else is an error.
    pub(crate) async fn call_once(&mut self, request: &Request, intended: Instant, stats: &Stats) -> Result<()> {
        match self.call(request, intended, stats).await {
            Waited::Done => Ok(()),
            Waited::Failed => bail!("no CALLRESULT"),
            Waited::Disconnected => bail!("disconnected"),
        }
    }

    /// Answers CALLs and pings until `due`, or until the connection ends.
    async fn answer_until(&mut self, due: Option<Instant>, stats: &Stats) -> Waited {
        loop {
            let wake = async {
                match due {
                    Some(due) => sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let text = tokio::select! {
                () = wake => return Waited::Done,
                text = self.text() => text,
            };
            let Ok(text) = text else { return Waited::Disconnected };
            if let Waited::Disconnected = self.answer(&text, stats).await {
                return Waited::Disconnected;
            }
        }
    }

    /// Answers a CALL. Any other message is unexpected.
    async fn answer(&mut self, text: &str, stats: &Stats) -> Waited {
        let Some(result) = accept(text) else {
            stats.failed(|errors| errors.unexpected += 1);
            return Waited::Done;
        };
        match self.socket.send(Message::text(result)).await {
            Ok(()) => Waited::Done,
            Err(_) => Waited::Disconnected,
        }
    }

    async fn next_call(&mut self, script: &Script, intended: Instant, stats: &Stats) -> Waited {
        if stats.ending() {
            return self.answer_until(None, stats).await;
        }
        self.call(script.request(self.index, self.calls), intended, stats).await
    }

    async fn call(&mut self, request: &Request, intended: Instant, stats: &Stats) -> Waited {
        stats.sent();
        let waited = self.send_and_wait(request, intended, stats).await;
        if waited != Waited::Done {
            stats.gave_up();
        }
        waited
    }

    async fn send_and_wait(&mut self, request: &Request, intended: Instant, stats: &Stats) -> Waited {
        self.calls += 1;
        let call = format!("{}-{:020}", self.id, self.calls);
        if self.socket.send(Message::text(request.frame(&call))).await.is_err() {
            return Waited::Disconnected;
        }
        loop {
            let Ok(text) = timeout(self.call_timeout, self.text()).await else {
                stats.failed(|errors| errors.timeouts += 1);
                return Waited::Failed;
            };
            let Ok(text) = text else { return Waited::Disconnected };
            match Answer::to(&call, &text) {
                Answer::Result => stats.answered(intended),
                Answer::Error => {
                    stats.failed(|errors| errors.call_errors += 1);
                    return Waited::Failed;
                }
                Answer::Unexpected => {
                    if let Waited::Disconnected = self.answer(&text, stats).await {
                        return Waited::Disconnected;
                    }
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

/// The CALLRESULT to a CALL, if it is one.
fn accept(text: &str) -> Option<String> {
    let (kind, id, _, _): (u8, &str, &str, &RawValue) = serde_json::from_str(text).ok()?;
    (kind == 2).then(|| format!(r#"[3,"{id}",{{"status":"Accepted"}}]"#))
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
    use crate::floor;
    use tokio::net::TcpListener;

    const STALL: Duration = Duration::from_millis(200);
    const INTERVAL: Duration = Duration::from_millis(20);

    /// Answers every CALL, the first one after [`STALL`].
    async fn stall_once(listener: TcpListener) -> Result<()> {
        let (_, mut socket) = floor::upgrade(listener.accept().await?.0).await?;
        tokio::time::sleep(STALL).await;
        while let Some(message) = socket.next().await {
            let text = message?.into_text()?;
            let (_, id, _, _): (u8, &str, &str, &RawValue) = serde_json::from_str(&text)?;
            socket.send(Message::text(format!(r#"[3,"{id}",{{}}]"#))).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn stall_counts_for_every_call_that_was_due_during_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let gateway = Gateway { address, path: String::new(), trust: None, password: None, network: 0 };
        let (stats, script) = (Stats::new(), Script::heartbeats());
        stats.measure(true);
        let stalling = tokio::spawn(stall_once(listener));
        let charge_point = ChargePoint::connect(&gateway, 0).await.expect("connected");
        let ten_answers = async {
            while stats.total() < 10 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = charge_point.run(Pace::Every(INTERVAL), &script, Duration::ZERO, &stats) => panic!("disconnected"),
            () = ten_answers => {}
        }
        stalling.abort();
        // Latencies are 200 ms, 180, 160, …. Measured from when they were sent, all but the first would be near zero.
        assert!(stats.latency().value_at_quantile(0.5) >= 80_000, "{} µs", stats.latency().value_at_quantile(0.5));
    }

    #[tokio::test]
    async fn open_call_is_answered_and_no_other_is_sent_when_a_run_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let gateway = Gateway { address, path: String::new(), trust: None, password: None, network: 0 };
        let stats = std::sync::Arc::new(Stats::new());
        let answering = tokio::spawn(stall_once(listener));
        let charge_point = ChargePoint::connect(&gateway, 0).await.expect("connected");
        let seen = std::sync::Arc::clone(&stats);
        let running = tokio::spawn(async move {
            charge_point.run(Pace::ClosedLoop, &Script::heartbeats(), Duration::ZERO, &seen).await;
        });
        // The first CALL is open until the server answers.
        while stats.open() == 0 {
            tokio::task::yield_now().await;
        }
        stats.end();
        while stats.open() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(INTERVAL).await;
        assert_eq!((stats.total(), stats.open(), stats.errors().total()), (1, 0, 0));
        assert!(!running.is_finished());
        running.abort();
        answering.abort();
    }

    #[test]
    fn answers_are_recognised_by_type_and_id() {
        assert_eq!(Answer::to("7", r#"[3,"7",{}]"#), Answer::Result);
        assert_eq!(Answer::to("7", r#"[4,"7","InternalError","",{}]"#), Answer::Error);
        assert_eq!(Answer::to("7", r#"[3,"8",{}]"#), Answer::Unexpected);
        assert_eq!(Answer::to("7", r#"[2,"7","Reset",{"type":"Soft"}]"#), Answer::Unexpected);
        assert_eq!(Answer::to("7", "["), Answer::Unexpected);
    }

    #[test]
    fn only_calls_are_accepted() {
        let result = accept(r#"[2,"7","TriggerMessage",{"requestedMessage":"Heartbeat"}]"#);
        assert_eq!(result.as_deref(), Some(r#"[3,"7",{"status":"Accepted"}]"#));
        assert_eq!(accept(r#"[3,"7",{}]"#), None);
        assert_eq!(accept("["), None);
    }
}
