//! Sessions of random messages, fragments and splits.

use crate::support::*;
use ocpp_gateway_deflate::{Limits, Settings};
use tokio_tungstenite::tungstenite::Message;

/// What a client does, and what the server has to receive.
struct Session {
    stream: Vec<u8>,
    expected: Vec<Message>,
}

fn payload(random: &mut fastrand::Rng) -> Vec<u8> {
    let length = match random.u8(..4) {
        0 => random.usize(..10),
        1 => random.usize(..5000),
        2 => random.usize(4000..4200),
        _ => random.usize(..60_000),
    };
    match random.u8(..4) {
        0 => std::iter::repeat_with(|| random.u8(..)).take(length).collect(),
        1 => vec![b'x'; length],
        _ => text(random, length).into_bytes(),
    }
}

/// The payload in frames, with pings between them.
fn frames(random: &mut fastrand::Rng, first: u8, mut payload: &[u8], session: &mut Session) {
    let mut first = first;
    loop {
        let length = if random.bool() { payload.len() } else { random.usize(..=payload.len()) };
        let (part, rest) = payload.split_at(length);
        let last = if rest.is_empty() { FINAL } else { 0 };
        session.stream.extend(frame(first | last, part));
        if rest.is_empty() {
            return;
        }
        if random.u8(..3) == 0 {
            session.stream.extend(frame(FINAL | PING, b"!"));
            session.expected.push(Message::Ping("!".into()));
        }
        (first, payload) = (0, rest);
    }
}

fn session(random: &mut fastrand::Rng, packer: &mut Packer) -> Session {
    let mut session = Session { stream: Vec::new(), expected: Vec::new() };
    for _ in 0..random.usize(1..12) {
        let message = payload(random);
        let text = if random.bool() { String::from_utf8(message.clone()).ok() } else { None };
        let opcode = if text.is_some() { TEXT } else { BINARY };
        let octet = random.bool();
        match random.u8(..8) {
            0..=2 => frames(random, opcode, &message, &mut session),
            3 => frames(random, RSV1 | opcode, &packer.pack_final(&message, octet), &mut session),
            _ => frames(random, RSV1 | opcode, &packer.pack(&message), &mut session),
        }
        session.expected.push(text.map_or_else(|| Message::binary(message), Message::text));
    }
    session
}

/// In reads of random length, some of them pending.
fn split(random: &mut fastrand::Rng, mut stream: &[u8]) -> Vec<Vec<u8>> {
    let longest = [3, 50, 2000, 100_000][random.usize(..4)];
    let mut parts = Vec::new();
    while !stream.is_empty() {
        let (part, rest) = stream.split_at(random.usize(..longest).min(stream.len()));
        parts.push(part.to_vec());
        stream = rest;
    }
    parts
}

fn receive(server: &mut Server) -> Vec<Message> {
    let mut received = Vec::new();
    while !server.stream.get_ref().reads.is_empty() || !server.stream.is_idle() {
        received.extend(server.all());
        if server.stream.wanted().is_some() {
            server.stream.allow();
        }
    }
    received
}

/// The message that a client makes of the frame of an echo.
fn echoed(sent: &Sent, unpacker: &mut Unpacker) -> Message {
    let payload =
        if sent.first & RSV1 == 0 { sent.payload.clone() } else { unpacker.unpack(&sent.payload).expect("a message") };
    match sent.first & 0x0f {
        TEXT => Message::text(String::from_utf8(payload).expect("text")),
        BINARY => Message::binary(payload),
        other => panic!("opcode {other}"),
    }
}

#[test]
fn random_sessions_are_echoed() {
    for seed in 0..150 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let (server_takeover, client_takeover, bits) = (random.bool(), random.bool(), random.u8(8..=15));
        let settings = Settings { level: random.u8(1..=9), server_takeover, client_takeover, ..Settings::default() };
        let offer =
            format!("permessage-deflate; client_max_window_bits={bits}; server_max_window_bits={}", random.u8(8..=15));
        let agreed = agreed_by(&offer, &settings);
        let session = session(random, &mut Packer::new(client_takeover, bits));
        let mut script = Script::reads(split(random, &session.stream));
        script.room = std::iter::repeat_with(|| random.usize(..5000)).take(100).collect();
        let limits = Limits { max_message_size: 60_000, waits_for_memory: random.bool() };
        let mut server = Server::new(script, agreed, limits);
        let received = receive(&mut server);
        // A message that is shown in one frame comes after all pings within it.
        let order = |messages: &[Message]| {
            let (pings, rest): (Vec<_>, Vec<_>) = messages.iter().cloned().partition(Message::is_ping);
            (pings.len(), rest)
        };
        assert!(order(&received) == order(&session.expected), "seed {seed}");
        assert!(server.stream.is_idle(), "seed {seed}");
        server.flush();
        server.stream.get_mut().written.clear();
        let messages = order(&received).1;
        messages.iter().for_each(|message| server.send(message.clone()));
        let mut unpacker = Unpacker::new(agreed.server_takeover(), agreed.server_window().get());
        let echo: Vec<Message> = server.sent().iter().map(|sent| echoed(sent, &mut unpacker)).collect();
        assert!(echo == messages, "seed {seed}");
    }
}

#[test]
fn random_changes_of_a_session_do_no_harm() {
    for seed in 0..25 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let takeover = random.bool();
        let session = session(random, &mut Packer::new(takeover, 15));
        for _ in 0..10 {
            let mut stream = session.stream.clone();
            for _ in 0..random.usize(1..6) {
                let index = random.usize(..stream.len());
                stream[index] = random.u8(..);
            }
            let script = Script { is_closed: true, ..Script::reads(split(random, &stream)) };
            let limits = Limits { max_message_size: 60_000, waits_for_memory: random.bool() };
            let mut server = Server::new(script, agreed(takeover), limits);
            // It ends, with any result, and no message exceeds the limit.
            loop {
                match server.next() {
                    Ok(Some(message)) => assert!(message.len() <= limits.max_message_size, "seed {seed}"),
                    Ok(None) => server.stream.allow(),
                    Err(_) => break,
                }
            }
        }
    }
}
