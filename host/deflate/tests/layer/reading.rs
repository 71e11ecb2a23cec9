//! Frames of clients, well formed and not.

use crate::support::*;
use ocpp_gateway_deflate::{DeflateError, DeflateStream};
use std::io::Read as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncWrite;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

fn server(parts: impl IntoIterator<Item = Vec<u8>>) -> Server {
    Server::new(Script::reads(parts), agreed(false), LIMITS)
}

fn layer_error(error: &Error) -> DeflateError {
    match error {
        Error::Io(error) => *DeflateError::find(error).expect("an error of the layer"),
        other => panic!("{other}"),
    }
}

fn long_text() -> String {
    text(&mut fastrand::Rng::with_seed(1), 30_000)
}

#[test]
fn messages_are_inflated_wherever_the_stream_is_split() {
    let short = long_text()[..1500].to_owned();
    let stream =
        [packed(TEXT, b"Hello"), packed(TEXT, short.as_bytes()), packed(TEXT, long_text().as_bytes())].concat();
    for cut in [1, 2, 3, 7, 100, 1000, stream.len()] {
        let mut server = server(stream.chunks(cut).map(<[u8]>::to_vec));
        let expected = [Message::text("Hello"), Message::text(&short), Message::text(long_text())];
        assert_eq!(server.all(), expected, "{cut}");
        assert!(server.stream.is_idle());
    }
}

#[test]
fn compressed_and_uncompressed_messages_keep_their_order_in_one_read() {
    let stream = [
        frame(FINAL | TEXT, b"one"),
        packed(TEXT, b"two"),
        frame(FINAL | PING, b"ping"),
        packed(BINARY, b"three"),
        packed(TEXT, b"four"),
        frame(TEXT, b"fi"),
        frame(FINAL, b"ve"),
        frame(FINAL | BINARY, b"six"),
    ];
    let expected = [
        Message::text("one"),
        Message::text("two"),
        Message::Ping("ping".into()),
        Message::binary(&b"three"[..]),
        Message::text("four"),
        Message::text("five"),
        Message::binary(&b"six"[..]),
    ];
    assert_eq!(server([stream.concat()]).all(), expected);
}

#[test]
fn control_frames_between_the_frames_of_a_message_are_not_part_of_it() {
    let payload = Packer::new(false, 15).pack(long_text().as_bytes());
    let (first, rest) = payload.split_at(payload.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let stream = [
        frame(RSV1 | TEXT, first),
        frame(FINAL | PING, b"a"),
        frame(0, &[]),
        frame(0, second),
        frame(FINAL | PING, b"b"),
        frame(FINAL, third),
    ];
    let expected = [Message::Ping("a".into()), Message::Ping("b".into()), Message::text(long_text())];
    assert_eq!(server([stream.concat()]).all(), expected);
    assert_eq!(server(stream).all(), expected);
}

#[test]
fn any_form_of_the_length_is_accepted() {
    let payload = Packer::new(false, 15).pack(b"Hello");
    let frames = [0, 2, 8].map(|form| frame_in_form(FINAL | RSV1 | TEXT, &payload, form));
    assert_eq!(server(frames).all(), [Message::text("Hello"), Message::text("Hello"), Message::text("Hello")]);
}

#[test]
fn final_blocks_anywhere_in_a_message_are_accepted() {
    let mut packer = Packer::new(false, 15);
    for takeover in [false, true] {
        let blocks = [packer.pack_final(b"one,", false), packer.pack_final(b"two,", false), packer.pack(b"three")];
        let without_octet = [packer.pack(b"one,"), vec![0, 0, 0xff, 0xff], packer.pack_final(b"two", false)];
        let frames = [
            frame(FINAL | RSV1 | TEXT, &blocks.concat()),
            frame(FINAL | RSV1 | TEXT, &without_octet.concat()),
            frame(RSV1 | TEXT, &packer.pack_final(b"alone", false)),
            frame(FINAL, &[]),
            frame(FINAL | RSV1 | TEXT, &packer.pack_final(long_text().as_bytes(), true)),
        ];
        let expected = ["one,two,three", "one,two", "alone", &long_text()].map(Message::text);
        let mut server = Server::new(Script::reads(frames), agreed(takeover), LIMITS);
        assert_eq!(server.all(), expected, "takeover: {takeover}");
    }
}

#[test]
fn tail_that_a_client_leaves_in_is_accepted() {
    let tail = [0, 0, 0xff, 0xff];
    for takeover in [false, true] {
        let mut packer = Packer::new(takeover, 15);
        let texts = ["Hello", &long_text()[..1000], &long_text()];
        let payloads =
            texts.map(|text| frame(FINAL | RSV1 | TEXT, &[&packer.pack(text.as_bytes())[..], &tail].concat()));
        let stream = payloads.concat();
        for cut in [1, 2, 3, 4, 5, stream.len()] {
            let script = Script::reads(stream.chunks(cut).map(<[u8]>::to_vec));
            assert_eq!(Server::new(script, agreed(takeover), LIMITS).all(), texts.map(Message::text), "{cut}");
        }
    }
}

#[test]
fn frames_that_arrive_with_the_handshake_are_read_first() {
    let received = [packed(TEXT, b"one"), packed(TEXT, b"two")[..5].to_vec()].concat();
    let script = Script::reads([packed(TEXT, b"two")[5..].to_vec()]);
    let mut stream = DeflateStream::new(script, received, agreed(false), LIMITS);
    let mut shown = Vec::new();
    Blocking(&mut stream).read_to_end(&mut shown).expect_err("pending");
    assert_eq!(shown, [&[0x81, 0x83, 0, 0, 0, 0][..], b"one", &[0x81, 0x83, 0, 0, 0, 0], b"two"].concat());
}

#[test]
fn tiny_buffers_are_filled() {
    let script = Script::reads([[packed(TEXT, b"Hello"), frame(FINAL | PING, b"!")].concat()]);
    let mut stream = DeflateStream::new(script, [], agreed(false), LIMITS);
    let (mut shown, mut byte) = (Vec::new(), [0]);
    while let Ok(1) = Blocking(&mut stream).read(&mut byte) {
        shown.push(byte[0]);
    }
    assert_eq!(shown[..11], [&[0x81, 0x85, 0, 0, 0, 0][..], b"Hello"].concat());
    assert_eq!(shown[11..], frame(FINAL | PING, b"!"));
}

#[test]
fn end_of_the_stream_is_passed_on() {
    let mut reset = server([packed(TEXT, b"one"), packed(TEXT, b"two")[..5].to_vec()]);
    reset.stream.get_mut().is_closed = true;
    assert_eq!(reset.next().expect("a message"), Some(Message::text("one")));
    assert!(matches!(reset.error(), Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)));
}

#[test]
fn tungstenite_refuses_reserved_bits_that_mean_nothing() {
    for (name, frames) in [
        ("RSV1 on a ping", vec![frame(FINAL | RSV1 | PING, b"a")]),
        ("RSV1 on a close frame", vec![frame(FINAL | RSV1 | CLOSE, &[])]),
        ("RSV1 on a continuation of a message", vec![frame(TEXT, b"a"), frame(FINAL | RSV1, b"b")]),
        ("RSV1 on a continuation of a compressed one", vec![frame(RSV1 | TEXT, b"\xf2"), frame(FINAL | RSV1, b"b")]),
        ("RSV1 on a continuation of nothing", vec![frame(FINAL | RSV1, b"b")]),
        ("RSV1 on a message within another", vec![frame(TEXT, b"a"), packed(TEXT, b"b")]),
        ("RSV2", vec![frame(FINAL | 0x20 | TEXT, b"a")]),
        ("RSV3", vec![frame(FINAL | 0x10 | TEXT, b"a")]),
        ("RSV1 and RSV2", vec![frame(FINAL | 0x60 | TEXT, b"a")]),
        ("RSV1 and an unknown opcode", vec![frame(FINAL | RSV1 | 3, b"a")]),
        ("RSV1 and an unknown control frame", vec![frame(FINAL | RSV1 | 11, b"a")]),
    ] {
        let error = server([frames.concat()]).error();
        let is_refused = |error: &ProtocolError| {
            matches!(error, ProtocolError::NonZeroReservedBits | ProtocolError::InvalidOpcode(_))
        };
        assert!(matches!(&error, Error::Protocol(error) if is_refused(error)), "{name}");
    }
}

#[test]
fn compressed_message_is_refused_where_nothing_was_agreed_on() {
    let mut server = server([packed(TEXT, b"Hello")]);
    server.stream = DeflateStream::plain(Script::reads([packed(TEXT, b"Hello")]));
    assert!(matches!(server.error(), Error::Protocol(ProtocolError::NonZeroReservedBits)));
}

#[test]
fn layer_refuses_what_tungstenite_would_not_see() {
    let mut unmasked = packed(TEXT, b"Hello");
    unmasked[1] &= 0x7f;
    for frames in [
        vec![frame(RSV1 | TEXT, b"\xf2"), frame(FINAL | TEXT, b"a")],
        vec![frame(RSV1 | TEXT, b"\xf2"), frame(FINAL | RSV1 | BINARY, b"a")],
        vec![frame(RSV1 | TEXT, &[]), frame(TEXT, b"a")],
        vec![unmasked],
    ] {
        let error = layer_error(&server([frames.concat()]).error());
        assert!(matches!(error, DeflateError::Protocol(_)), "{error}");
        assert_eq!(error.close_code(), 1002);
    }
}

#[test]
fn data_that_cannot_be_inflated_ends_with_1007() {
    let hello = Packer::new(false, 15).pack(b"Hello, Hello, Hello");
    let cut = &hello[..hello.len() - 3];
    for payload in [&b"\xff\xff\xff"[..], b"\x07", b"plain text", &[0x00, 0x05, 0x00, 0x05, 0x00], cut, &[0x02]] {
        let error = layer_error(&server([frame(FINAL | RSV1 | TEXT, payload)]).error());
        assert!(error.to_string().starts_with("the message cannot be inflated: "), "{error}");
        assert_eq!(error.close_code(), 1007, "{payload:?}");
    }
    let far = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let error = layer_error(&server([frame(FINAL | RSV1 | TEXT, &far)]).error());
    assert_eq!(error.to_string(), "the message cannot be inflated: invalid distance too far back");
}

#[test]
fn inflated_text_has_to_be_utf8() {
    assert!(matches!(server([packed(TEXT, b"\xc3\x28")]).error(), Error::Utf8(_)));
}

#[test]
fn close_frame_is_written_after_an_error_and_the_rest_is_read_unchanged() {
    let mut server = server([frame(FINAL | RSV1 | TEXT, b"\xff\xff"), packed(TEXT, b"Hello"), vec![1, 2, 3]]);
    server.error();
    server.send(Message::Close(None));
    assert_eq!(server.sent(), [Sent { first: FINAL | CLOSE, payload: Vec::new() }]);
    let mut rest = Vec::new();
    Blocking(&mut server.stream).read_to_end(&mut rest).expect_err("pending");
    assert_eq!(rest, [packed(TEXT, b"Hello"), vec![1, 2, 3]].concat());
}

#[test]
fn everything_is_read_unchanged_after_a_shutdown() {
    let mut stream = DeflateStream::new(Script::reads([b"\xc1\xffjunk".to_vec()]), [], agreed(false), LIMITS);
    let shutdown = Pin::new(&mut stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(shutdown, Poll::Ready(Ok(()))) && stream.get_ref().is_shut_down);
    let mut rest = Vec::new();
    Blocking(&mut stream).read_to_end(&mut rest).expect_err("pending");
    assert_eq!(rest, b"\xc1\xffjunk");
}

#[test]
fn bytes_that_show_nothing_count_as_received() {
    let mut server = server([packed(TEXT, b"Hello")[..3].to_vec()]);
    assert!(!server.stream.take_received());
    assert_eq!(server.all(), []);
    assert!(server.stream.take_received() && !server.stream.take_received());
    assert!(!server.stream.is_idle());
}
