//! Charge points under load: each always has one CALL open, answers CALLs, and reconnects when its connection ends.

use crate::delivery_log::{CallOutcome, DeliveryLog};
use futures_util::{SinkExt as _, StreamExt as _};
use ocpp_gateway_core::{Frame, MessageType};
use ocpp_gateway_testkit::TIMEOUT;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// The phases of a test, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    /// Send CALLs and answer CALLs.
    Run,
    /// Answer CALLs and wait for open answers.
    Finish,
    /// Disconnect.
    Disconnect,
}

pub(crate) struct Fleet {
    phase: watch::Sender<Phase>,
    connected: watch::Sender<usize>,
    idle: watch::Sender<usize>,
    size: usize,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Starts `size` charge points `CP0`, `CP1`, …; returns once all are connected.
    pub(crate) async fn start(address: SocketAddr, size: usize, log: &DeliveryLog) -> Self {
        let (phase, phases) = watch::channel(Phase::Run);
        let (connected, idle) = (watch::channel(0).0, watch::channel(0).0);
        let mut tasks = JoinSet::new();
        for number in 0..size {
            let charge_point = FleetChargePoint {
                id: format!("CP{number}"),
                address,
                log: log.clone(),
                phase: phases.clone(),
                connected: connected.clone(),
                idle: idle.clone(),
                calls: 0,
            };
            tasks.spawn(charge_point.run());
        }
        let fleet = Fleet { phase, connected, idle, size, tasks };
        fleet.wait_until_connected().await;
        fleet
    }

    pub(crate) async fn wait_until_connected(&self) {
        let mut connected = self.connected.subscribe();
        let all = connected.wait_for(|connected| *connected == self.size);
        timeout(TIMEOUT, all).await.expect("all connected in time").expect("a fleet");
    }

    /// Stops new CALLs and waits until all open ones have an outcome.
    pub(crate) async fn finish(&self) {
        self.phase.send_replace(Phase::Finish);
        let mut idle = self.idle.subscribe();
        timeout(TIMEOUT, idle.wait_for(|idle| *idle == self.size)).await.expect("answered in time").expect("a fleet");
    }

    pub(crate) async fn disconnect(mut self) {
        self.phase.send_replace(Phase::Disconnect);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic");
        }
    }
}

struct FleetChargePoint {
    id: String,
    address: SocketAddr,
    log: DeliveryLog,
    phase: watch::Receiver<Phase>,
    connected: watch::Sender<usize>,
    idle: watch::Sender<usize>,
    calls: usize,
}

impl FleetChargePoint {
    async fn run(mut self) {
        while *self.phase.borrow() < Phase::Disconnect {
            match connect(self.address, &self.id).await {
                Some(mut socket) => {
                    self.connected.send_modify(|connected| *connected += 1);
                    self.serve(&mut socket).await;
                    self.connected.send_modify(|connected| *connected -= 1);
                }
                // What is measured here is what is lost, not how fast a charge point can be refused.
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Serves the connection until it ends. Afterwards every sent CALL has its outcome in the log.
    async fn serve(&mut self, socket: &mut WebSocketStream<TcpStream>) {
        let mut open: Option<String> = None;
        let mut idle = false;
        loop {
            let phase = *self.phase.borrow_and_update();
            if open.is_none() && phase == Phase::Run {
                let id = format!("{}-{}", self.id, self.calls);
                self.calls += 1;
                self.log.entries().sent.insert(id.clone(), Vec::new());
                let sent = socket.send(Message::text(format!(r#"[2,"{id}","Heartbeat",{{}}]"#))).await;
                open = Some(id);
                if sent.is_err() {
                    break;
                }
            }
            if phase == Phase::Disconnect {
                break;
            }
            if phase == Phase::Finish && open.is_none() && !std::mem::replace(&mut idle, true) {
                self.idle.send_modify(|idle| *idle += 1);
            }
            let received = tokio::select! {
                received = socket.next() => received,
                _ = self.phase.changed() => continue,
            };
            match received {
                Some(Ok(Message::Text(text))) => {
                    let frame = Frame::parse(&text).expect("a frame");
                    if frame.kind == MessageType::Call {
                        self.log.entries().delivered.insert(frame.id.to_string());
                        if socket.send(Message::text(format!(r#"[3,"{}",{{}}]"#, frame.id))).await.is_err() {
                            break;
                        }
                    } else {
                        let outcome = match &frame.error {
                            None => CallOutcome::Answered,
                            Some(head) => CallOutcome::Failed(head.description.to_string()),
                        };
                        self.record(&frame.id, outcome);
                        if open.as_deref() == Some(&*frame.id) {
                            open = None;
                        }
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => break,
            }
        }
        if let Some(id) = open {
            self.record(&id, CallOutcome::Disconnected);
        }
        if idle {
            self.idle.send_modify(|idle| *idle -= 1);
        }
    }

    fn record(&self, id: &str, outcome: CallOutcome) {
        let mut entries = self.log.entries();
        entries.sent.get_mut(id).unwrap_or_else(|| panic!("{id} was not sent")).push(outcome);
    }
}

/// Connects as a charge point of OCPP 1.6. `None`: connection or upgrade failed.
pub(crate) async fn connect(address: SocketAddr, id: &str) -> Option<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let mut request = format!("ws://{address}/ocpp/{id}").into_client_request().expect("a URL");
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
    Some(client_async(request, stream).await.ok()?.0)
}
