//! Charge points under load: each has one CALL open all the time, answers what it is asked, and comes back when its
//! connection breaks.

use crate::delivery_log::{CallFate, DeliveryLog};
use futures_util::{SinkExt as _, StreamExt as _};
use ocpp_gateway_core::{Frame, MessageType};
use ocpp_gateway_testkit::TIMEOUT;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// What the charge points are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Order {
    /// Call, and answer.
    Work,
    /// Answer, and wait for the answer to what was called.
    Finish,
    /// Disconnect.
    Leave,
}

pub(crate) struct Fleet {
    order: watch::Sender<Order>,
    connected: watch::Sender<usize>,
    idle: watch::Sender<usize>,
    size: usize,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// `size` charge points called `CP0`, `CP1`, … that are at work once this returns.
    pub(crate) async fn start(address: SocketAddr, size: usize, log: &DeliveryLog) -> Self {
        let (order, orders) = watch::channel(Order::Work);
        let (connected, idle) = (watch::channel(0).0, watch::channel(0).0);
        let mut tasks = JoinSet::new();
        for number in 0..size {
            let charge_point = FleetChargePoint {
                id: format!("CP{number}"),
                address,
                log: log.clone(),
                order: orders.clone(),
                connected: connected.clone(),
                idle: idle.clone(),
                calls: 0,
            };
            tasks.spawn(charge_point.run());
        }
        let fleet = Fleet { order, connected, idle, size, tasks };
        fleet.wait_until_connected().await;
        fleet
    }

    pub(crate) async fn wait_until_connected(&self) {
        let mut connected = self.connected.subscribe();
        let all = connected.wait_for(|connected| *connected == self.size);
        timeout(TIMEOUT, all).await.expect("all connected in time").expect("a fleet");
    }

    /// No new CALLs; waits until all that are open have come to something.
    pub(crate) async fn finish(&self) {
        self.order.send_replace(Order::Finish);
        let mut idle = self.idle.subscribe();
        timeout(TIMEOUT, idle.wait_for(|idle| *idle == self.size)).await.expect("answered in time").expect("a fleet");
    }

    pub(crate) async fn leave(mut self) {
        self.order.send_replace(Order::Leave);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic");
        }
    }
}

struct FleetChargePoint {
    id: String,
    address: SocketAddr,
    log: DeliveryLog,
    order: watch::Receiver<Order>,
    connected: watch::Sender<usize>,
    idle: watch::Sender<usize>,
    calls: usize,
}

impl FleetChargePoint {
    async fn run(mut self) {
        while *self.order.borrow() < Order::Leave {
            match connect(self.address, &self.id).await {
                Some(mut socket) => {
                    self.connected.send_modify(|connected| *connected += 1);
                    self.converse(&mut socket).await;
                    self.connected.send_modify(|connected| *connected -= 1);
                }
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Until the connection ends. Every CALL that was sent has its outcome in the ledger then.
    async fn converse(&mut self, socket: &mut WebSocketStream<TcpStream>) {
        let mut open: Option<String> = None;
        let mut idle = false;
        loop {
            let order = *self.order.borrow_and_update();
            if open.is_none() && order == Order::Work {
                let id = format!("{}-{}", self.id, self.calls);
                self.calls += 1;
                self.log.book().sent.insert(id.clone(), Vec::new());
                let sent = socket.send(Message::text(format!(r#"[2,"{id}","Heartbeat",{{}}]"#))).await;
                open = Some(id);
                if sent.is_err() {
                    break;
                }
            }
            if order == Order::Leave {
                break;
            }
            if order == Order::Finish && open.is_none() && !std::mem::replace(&mut idle, true) {
                self.idle.send_modify(|idle| *idle += 1);
            }
            let heard = tokio::select! {
                heard = socket.next() => heard,
                _ = self.order.changed() => continue,
            };
            match heard {
                Some(Ok(Message::Text(text))) => {
                    let frame = Frame::parse(&text).expect("a frame");
                    if frame.kind == MessageType::Call {
                        self.log.book().taken.insert(frame.id.to_string());
                        if socket.send(Message::text(format!(r#"[3,"{}",{{}}]"#, frame.id))).await.is_err() {
                            break;
                        }
                    } else {
                        let outcome = match &frame.error {
                            None => CallFate::Answered,
                            Some(head) => CallFate::Failed(head.description.to_string()),
                        };
                        self.note(&frame.id, outcome);
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
            self.note(&id, CallFate::Broken);
        }
        if idle {
            self.idle.send_modify(|idle| *idle -= 1);
        }
    }

    fn note(&self, id: &str, outcome: CallFate) {
        let mut book = self.log.book();
        book.sent.get_mut(id).unwrap_or_else(|| panic!("{id} was never sent")).push(outcome);
    }
}

/// As a charge point of OCPP 1.6. `None`: not now.
pub(crate) async fn connect(address: SocketAddr, id: &str) -> Option<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let mut request = format!("ws://{address}/ocpp/{id}").into_client_request().expect("a URL");
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
    Some(client_async(request, stream).await.ok()?.0)
}
