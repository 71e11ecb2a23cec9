//! Messages of the gateway.

use crate::support::*;
use ocpp_gateway_deflate::{DeflateStream, Settings};
use std::io::Write as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

fn server(script: Script) -> Server {
    Server::new(script, agreed_by("permessage-deflate", &Settings::default()), LIMITS)
}

fn unpacked(sent: &Sent) -> String {
    assert_eq!(sent.first, FINAL | RSV1 | TEXT);
    String::from_utf8(Unpacker::new(false, 15).unpack(&sent.payload).expect("a message")).expect("text")
}

#[test]
fn messages_from_the_threshold_on_are_compressed() {
    let mut server = server(Script::default());
    server.send(Message::text("x".repeat(255)));
    server.send(Message::text("x".repeat(256)));
    let [short, long] = &server.sent()[..] else { panic!("two frames") };
    assert_eq!((short.first, short.payload.len()), (FINAL | TEXT, 255));
    assert_eq!(unpacked(long), "x".repeat(256));
    assert!(long.payload.len() < 20);
}

#[test]
fn every_level_compresses_messages_of_every_size() {
    let mut random = fastrand::Rng::with_seed(5);
    for level in 0..=10 {
        let settings = Settings { level, ..Settings::default() };
        let mut server = Server::new(Script::default(), agreed_by("permessage-deflate", &settings), LIMITS);
        for length in [256, 1500, 4095, 4096, 4097, 65_535, 70_000, 300_000] {
            let text = text(&mut random, length);
            server.send(Message::text(&text));
            let [sent] = &server.sent()[..] else { panic!("one frame") };
            assert!(sent.payload.len() < length * 3 / 4);
            assert!(unpacked(sent) == text, "level {level}, {length} bytes");
        }
    }
}

#[test]
fn messages_that_do_not_get_smaller_are_sent_as_they_are() {
    let mut random = fastrand::Rng::with_seed(6);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5000).collect();
    let mut server = server(Script::default());
    server.send(Message::binary(noise.clone()));
    assert_eq!(server.sent(), [Sent { first: FINAL | BINARY, payload: noise }]);
}

#[test]
fn control_frames_and_fragments_are_sent_as_they_are() {
    let long = "x".repeat(1000);
    let mut server = server(Script::default());
    server.send(Message::Ping("y".repeat(125).into()));
    server.send(Message::Frame(Frame::message(long.clone(), OpCode::Data(Data::Text), false)));
    server.send(Message::Frame(Frame::message(long.clone(), OpCode::Data(Data::Continue), true)));
    let firsts: Vec<(u8, usize)> = server.sent().iter().map(|sent| (sent.first, sent.payload.len())).collect();
    assert_eq!(firsts, [(FINAL | PING, 125), (TEXT, 1000), (FINAL, 1000)]);
}

#[test]
fn burst_goes_out_in_one_write_and_in_order() {
    let mut server = server(Script::default());
    let long = "x".repeat(500);
    for index in 0..5 {
        server.feed(Message::text(index.to_string()));
        server.feed(Message::text(format!("{index}{long}")));
    }
    server.flush();
    assert_eq!(server.stream.get_ref().writes, 1);
    for (index, pair) in server.sent().chunks(2).enumerate() {
        assert_eq!(pair[0], Sent { first: FINAL | TEXT, payload: index.to_string().into() });
        assert_eq!(unpacked(&pair[1]), format!("{index}{long}"));
    }
}

#[test]
fn messages_survive_a_stream_that_takes_few_bytes() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..50 {
        let room = std::iter::repeat_with(|| random.usize(..40)).take(2000).collect();
        let mut server = server(Script { room, ..Script::default() });
        let texts: Vec<String> = (0..20).map(|index| text(&mut random, index * 97)).collect();
        texts.iter().for_each(|text| server.send(Message::text(text)));
        let sent = server.sent();
        assert_eq!(sent.len(), texts.len());
        for (sent, text) in sent.iter().zip(&texts) {
            if text.len() < 256 {
                assert_eq!((sent.first, sent.payload.as_slice()), (FINAL | TEXT, text.as_bytes()));
            } else {
                assert_eq!(&unpacked(sent), text);
            }
        }
    }
}

#[test]
fn frame_written_in_parts_is_sent_as_it_is() {
    let bytes = [&[FINAL | TEXT, 126, 1, 44][..], &[b'x'; 300]].concat();
    for cut in [1, 2, 3, 4, 5, 100, 303] {
        let mut stream =
            DeflateStream::new(Script::default(), [], agreed_by("permessage-deflate", &Settings::default()), LIMITS);
        bytes.chunks(cut).for_each(|part| Blocking(&mut stream).write_all(part).expect("written"));
        assert_eq!(stream.get_ref().written, bytes, "{cut}");
        Blocking(&mut stream).write_all(&bytes).expect("written");
        assert_eq!(unpacked(&sent(&stream.get_ref().written[bytes.len()..])[0]), "x".repeat(300), "{cut}");
    }
}

#[test]
fn stream_without_an_agreement_passes_all_bytes() {
    let mut server = server(Script::default());
    server.stream = DeflateStream::plain(Script::reads([frame(FINAL | TEXT, b"Hello")]));
    assert_eq!(server.all(), [Message::text("Hello")]);
    server.send(Message::text("x".repeat(1000)));
    assert_eq!(server.sent(), [Sent { first: FINAL | TEXT, payload: vec![b'x'; 1000] }]);
    assert_eq!((server.stream.is_idle(), server.stream.wanted()), (true, None));
}
