//! A scripted MQTT 3.1.1 broker: it routes no messages, and a test decides its answers.

use std::{
    collections::{HashSet, VecDeque},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::TIMEOUT;
use bytes::BytesMut;
use rumqttc::{
    ConnAck, Packet, PubAck, PubComp, PubRec, PubRel, Publish, SubAck, SubscribeReasonCode, UnsubAck, mqttbytes,
};
/// Types used in [`Script`] and by [`ScriptedBroker::inject`].
pub use rumqttc::{ConnectReturnCode, QoS};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};

/// How many commands may wait for a client.
const COMMAND_QUEUE: usize = 10_000;

/// How the broker answers. Every field can change at any time.
#[derive(Debug, Clone)]
pub struct Script {
    /// The answer to CONNECT. `None`: no answer.
    pub connect: Option<ConnectReturnCode>,
    /// The flag "session present" of CONNACK.
    pub session_present: bool,
    /// False: PUBACK, PUBREC and PUBCOMP are held back until [`ScriptedBroker::acknowledge`].
    pub acknowledge: bool,
    /// False: SUBACK and UNSUBACK are held back until it is true again.
    pub acknowledge_subscriptions: bool,
    /// The topic filters for which SUBACK contains a failure.
    pub refuse: HashSet<String>,
    /// False: PINGREQ is not answered.
    pub pong: bool,
}

impl Default for Script {
    fn default() -> Self {
        Script {
            connect: Some(ConnectReturnCode::Success),
            session_present: false,
            acknowledge: true,
            acknowledge_subscriptions: true,
            refuse: HashSet::new(),
            pong: true,
        }
    }
}

/// A packet that a client sent.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The number of the connection, from 0.
    pub connection: usize,
    pub client_id: String,
    pub packet: Packet,
}

impl Seen {
    pub fn publish(&self) -> Option<&Publish> {
        match &self.packet {
            Packet::Publish(publish) => Some(publish),
            _ => None,
        }
    }

    /// The topic filters, if it is a SUBSCRIBE.
    pub fn subscribed(&self) -> Option<Vec<&str>> {
        match &self.packet {
            Packet::Subscribe(subscribe) => Some(subscribe.filters.iter().map(|filter| filter.path.as_str()).collect()),
            _ => None,
        }
    }

    /// The topic filters, if it is an UNSUBSCRIBE.
    pub fn unsubscribed(&self) -> Option<Vec<&str>> {
        match &self.packet {
            Packet::Unsubscribe(unsubscribe) => Some(unsubscribe.topics.iter().map(String::as_str).collect()),
            _ => None,
        }
    }
}

/// The broker. Stops when dropped.
pub struct ScriptedBroker {
    address: SocketAddr,
    shared: Arc<Shared>,
    accept_task: tokio::task::JoinHandle<()>,
}

struct Shared {
    script: Mutex<Script>,
    clients: Mutex<Vec<Client>>,
    seen: watch::Sender<Vec<Seen>>,
    connections: AtomicUsize,
}

struct Client {
    client_id: String,
    commands: mpsc::Sender<Command>,
    /// Acknowledgements held back.
    held: VecDeque<Packet>,
}

enum Command {
    Send(Packet),
    SendBytes(Vec<u8>),
    Close,
}

impl ScriptedBroker {
    /// Listens on a free loopback port.
    pub async fn start() -> ScriptedBroker {
        ScriptedBroker::start_with(Script::default()).await
    }

    pub async fn start_with(script: Script) -> ScriptedBroker {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free loopback port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            clients: Mutex::new(Vec::new()),
            seen: watch::channel(Vec::new()).0,
            connections: AtomicUsize::new(0),
        });
        let accept_task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        ScriptedBroker { address, shared, accept_task }
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Changes the script. Sends the acknowledgements of subscriptions that were held back, if the script now allows
    /// it.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        let subscriptions = {
            let mut script = locked(&self.shared.script);
            change(&mut script);
            script.acknowledge_subscriptions
        };
        if subscriptions {
            self.release(|packet| matches!(packet, Packet::SubAck(_) | Packet::UnsubAck(_)));
        }
    }

    /// Sends the acknowledgements that were held back for these packet ids, in this order.
    pub fn acknowledge(&self, pkids: impl IntoIterator<Item = u16>) {
        for pkid in pkids {
            self.release(|packet| {
                matches!(packet, Packet::PubAck(PubAck { pkid: id })
                    | Packet::PubRec(PubRec { pkid: id })
                    | Packet::PubComp(PubComp { pkid: id }) if *id == pkid)
            });
        }
    }

    /// The packet ids of publishes whose acknowledgement is held back, oldest first.
    pub fn held(&self) -> Vec<u16> {
        let clients = locked(&self.shared.clients);
        let held = clients.iter().flat_map(|client| &client.held);
        held.filter_map(|packet| match packet {
            Packet::PubAck(PubAck { pkid }) | Packet::PubRec(PubRec { pkid }) | Packet::PubComp(PubComp { pkid }) => {
                Some(*pkid)
            }
            _ => None,
        })
        .collect()
    }

    /// Closes all connections, or those of one client.
    pub fn drop_connections(&self, client_id: Option<&str>) {
        locked(&self.shared.clients).retain(|client| {
            let is_dropped = client_id.is_none_or(|id| id == client.client_id);
            if is_dropped {
                let _ = client.commands.try_send(Command::Close);
            }
            !is_dropped
        });
    }

    /// Sends a message to a client, whether it has subscribed or not. QoS 1 and 2 require a packet id.
    pub fn inject(&self, client_id: &str, topic: &str, payload: impl Into<Vec<u8>>, qos: QoS, pkid: u16) {
        let mut publish = Publish::new(topic, qos, payload);
        publish.pkid = pkid;
        self.send_command(client_id, || Command::Send(Packet::Publish(publish.clone())));
    }

    /// Sends bytes, which need not be valid MQTT.
    pub fn inject_bytes(&self, client_id: &str, bytes: &[u8]) {
        self.send_command(client_id, || Command::SendBytes(bytes.to_vec()));
    }

    /// All packets that clients have sent so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// Waits until the packets sent so far satisfy the condition, and returns them.
    ///
    /// # Panics
    /// After 20 s, with the last few packets.
    pub async fn seen_by(&self, condition: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let mut seen = self.shared.seen.subscribe();
        let result = timeout(TIMEOUT, seen.wait_for(|seen| condition(seen))).await;
        match result {
            Ok(Ok(seen)) => seen.clone(),
            _ => {
                let seen = self.seen();
                panic!("not seen; the last of {} packets: {:#?}", seen.len(), &seen[seen.len().saturating_sub(5)..]);
            }
        }
    }

    fn send_command(&self, client_id: &str, command: impl Fn() -> Command) {
        let clients = locked(&self.shared.clients);
        let mut own = clients.iter().filter(|client| client.client_id == client_id).peekable();
        assert!(own.peek().is_some(), "{client_id} is not connected");
        own.for_each(|client| client.commands.try_send(command()).expect("room for the command"));
    }

    fn release(&self, which: impl Fn(&Packet) -> bool) {
        for client in locked(&self.shared.clients).iter_mut() {
            let (released, held) = client.held.drain(..).partition(|packet| which(packet));
            client.held = held;
            let released: VecDeque<Packet> = released;
            for packet in released {
                let _ = client.commands.try_send(Command::Send(packet));
            }
        }
    }
}

impl Drop for ScriptedBroker {
    fn drop(&mut self) {
        self.accept_task.abort();
        self.drop_connections(None);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(stream, connection, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
    let mut session = Session {
        stream,
        input: BytesMut::new(),
        output: BytesMut::new(),
        connection,
        client_id: String::new(),
        shared,
        commands,
    };
    // Errors are ignored: the client sees the connection close.
    let _ = session.run(receiver).await;
    let own = &session.commands;
    locked(&session.shared.clients).retain(|client| !client.commands.same_channel(own));
}

struct Session {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
    connection: usize,
    client_id: String,
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

impl Session {
    async fn run(&mut self, mut receiver: mpsc::Receiver<Command>) -> io::Result<()> {
        loop {
            self.stream.write_all_buf(&mut self.output).await?;
            tokio::select! {
                read = self.stream.read_buf(&mut self.input) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    while let Some(packet) = self.next()? {
                        if !self.handle(packet) {
                            return self.stream.write_all_buf(&mut self.output).await;
                        }
                    }
                }
                command = receiver.recv() => match command {
                    Some(Command::Send(packet)) => self.write(&packet),
                    Some(Command::SendBytes(bytes)) => self.output.extend_from_slice(&bytes),
                    Some(Command::Close) | None => return Ok(()),
                },
            }
        }
    }

    fn next(&mut self) -> io::Result<Option<Packet>> {
        match Packet::read(&mut self.input, usize::MAX) {
            Ok(packet) => Ok(Some(packet)),
            Err(mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// Answers a packet. False: the connection is to be closed.
    fn handle(&mut self, packet: Packet) -> bool {
        let script = locked(&self.shared.script).clone();
        if let Packet::Connect(connect) = &packet {
            self.client_id = connect.client_id.clone();
        }
        let answer = answer(&packet, &script);
        let closes = matches!(packet, Packet::Disconnect)
            || matches!(&answer, Some(Packet::ConnAck(ack)) if ack.code != ConnectReturnCode::Success);
        if matches!(&answer, Some(Packet::ConnAck(_))) && !closes {
            let client =
                Client { client_id: self.client_id.clone(), commands: self.commands.clone(), held: VecDeque::new() };
            locked(&self.shared.clients).push(client);
        }
        match answer {
            Some(ack @ (Packet::SubAck(_) | Packet::UnsubAck(_))) if !script.acknowledge_subscriptions => {
                self.hold(ack)
            }
            Some(ack @ (Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_))) if !script.acknowledge => {
                self.hold(ack);
            }
            Some(answer) => self.write(&answer),
            None => {}
        }
        let seen = Seen { connection: self.connection, client_id: self.client_id.clone(), packet };
        self.shared.seen.send_modify(|all| all.push(seen));
        !closes
    }

    fn hold(&self, ack: Packet) {
        let mut clients = locked(&self.shared.clients);
        if let Some(client) = clients.iter_mut().find(|client| client.commands.same_channel(&self.commands)) {
            client.held.push_back(ack);
        }
    }

    fn write(&mut self, packet: &Packet) {
        packet.write(&mut self.output, usize::MAX).expect("the broker's own packets can be encoded");
    }
}

fn answer(packet: &Packet, script: &Script) -> Option<Packet> {
    match packet {
        Packet::Connect(_) => script.connect.map(|code| Packet::ConnAck(ConnAck::new(code, script.session_present))),
        Packet::Publish(publish) => match publish.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(Packet::PubAck(PubAck::new(publish.pkid))),
            QoS::ExactlyOnce => Some(Packet::PubRec(PubRec::new(publish.pkid))),
        },
        Packet::PubRec(ack) => Some(Packet::PubRel(PubRel::new(ack.pkid))),
        Packet::PubRel(release) => Some(Packet::PubComp(PubComp::new(release.pkid))),
        Packet::Subscribe(subscribe) => {
            let code = |path| match script.refuse.contains(path) {
                true => SubscribeReasonCode::Failure,
                false => SubscribeReasonCode::Success(QoS::AtLeastOnce),
            };
            let codes = subscribe.filters.iter().map(|filter| code(&filter.path)).collect();
            Some(Packet::SubAck(SubAck::new(subscribe.pkid, codes)))
        }
        Packet::Unsubscribe(unsubscribe) => Some(Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid))),
        Packet::PingReq => script.pong.then_some(Packet::PingResp),
        _ => None,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
