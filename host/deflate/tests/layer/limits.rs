//! What a message may cost.

use crate::support::*;
use ocpp_gateway_deflate::{Agreed, DeflateError, Limits, SMALL};
use std::sync::LazyLock;
use tokio_tungstenite::tungstenite::{Error, Message};

const MAX: usize = 64 << 10;

/// A message of 1 MB that inflates to 1 GB. Deflate makes at most 1032 bytes of one.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut packer = Packer::new(true, 15);
    let mut part = || [packer.pack(&vec![0; 1_000_000]), vec![0, 0, 0xff, 0xff]].concat();
    // The parts behind the first one refer to the same window.
    let payload = [part(), part().repeat(999)].concat();
    frame(FINAL | RSV1 | TEXT, &payload)
});

fn waiting(parts: impl IntoIterator<Item = Vec<u8>>, agreed: Agreed) -> Server {
    let limits = Limits { max_message_size: MAX, waits_for_memory: true };
    Server::new(Script::reads(parts), agreed, limits)
}

fn is_too_large(error: &Error) -> bool {
    let Error::Io(error) = error else { return false };
    DeflateError::find(error).is_some_and(|error| *error == DeflateError::TooLarge(MAX) && error.close_code() == 1009)
}

fn unread(server: &Server) -> usize {
    server.stream.get_ref().reads.iter().map(Vec::len).sum()
}

#[test]
fn bomb_ends_the_connection_at_its_header_if_it_exceeds_the_limit_compressed() {
    assert!(BOMB.len() > 900_000);
    let mut server = waiting([BOMB.clone()], agreed(false));
    assert!(is_too_large(&server.error()));
    assert!(unread(&server) > BOMB.len() - MAX);
}

#[test]
fn bomb_of_one_kilobyte_is_inflated_up_to_the_limit_only() {
    for (takeover, waits_for_memory) in [(false, false), (false, true), (true, true)] {
        let bomb = packed(BINARY, &vec![0; 1_000_000]);
        assert!(bomb.len() < 1100);
        let limits = Limits { max_message_size: MAX, waits_for_memory };
        let mut server = Server::new(Script::reads([bomb]), agreed(takeover), limits);
        if waits_for_memory && !takeover {
            assert_eq!(server.all(), []);
            assert_eq!(server.stream.wanted(), Some(MAX));
            server.stream.allow();
        }
        assert!(is_too_large(&server.error()));
    }
}

#[test]
fn bomb_in_fragments_is_read_up_to_the_limit_only() {
    let limits = Limits { max_message_size: MAX, waits_for_memory: false };
    // Each fragment is far below every limit, and the rest of the 1 GB stays unread.
    let payload = &BOMB[14..];
    let unmasked: Vec<u8> = payload.iter().zip(BOMB[10..14].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let fragments =
        unmasked.chunks(500).enumerate().map(|(index, part)| frame(if index == 0 { RSV1 | BINARY } else { 0 }, part));
    for takeover in [false, true] {
        let mut server = Server::new(Script::reads(fragments.clone()), agreed(takeover), limits);
        assert!(is_too_large(&server.error()));
        assert!(unread(&server) > BOMB.len() - 2 * MAX, "{}", unread(&server));
    }
}

#[test]
fn messages_up_to_the_limit_are_accepted() {
    let server = |length| {
        let limits = Limits { max_message_size: MAX, waits_for_memory: false };
        Server::new(Script::reads([packed(BINARY, &vec![7; length])]), agreed(false), limits)
    };
    for length in [SMALL - 1, SMALL, SMALL + 1, MAX - 1, MAX] {
        assert_eq!(server(length).all(), [Message::binary(vec![7; length])]);
    }
    assert!(is_too_large(&server(MAX + 1).error()));
}

#[test]
fn blocks_without_content_do_not_go_on_for_ever() {
    let nothing = [0, 0, 0, 0xff, 0xff].repeat(1000);
    let frames = (0..1000).map(|index| frame(if index == 0 { RSV1 | TEXT } else { 0 }, &nothing));
    let mut server = waiting(frames, agreed(false));
    assert_eq!(server.all(), []);
    server.stream.allow();
    assert!(is_too_large(&server.error()));
    assert!(unread(&server) > 4_000_000);
}

#[test]
fn impossible_lengths_are_too_large() {
    for length in [u64::MAX, 1 << 63, 1 << 40] {
        let mut frame = frame_in_form(FINAL | RSV1 | TEXT, b"Hello", 8);
        frame[2..10].copy_from_slice(&length.to_be_bytes());
        assert!(is_too_large(&waiting([frame.clone()], agreed(false)).error()));
        let twice = [crate::support::frame(RSV1 | TEXT, b"\xf2"), [&[0x80], &frame[1..]].concat()];
        assert!(is_too_large(&waiting(twice, agreed(false)).error()));
    }
}

#[test]
fn small_messages_do_not_wait_for_memory() {
    let mut random = fastrand::Rng::with_seed(2);
    let texts: Vec<String> = [0, 1, 1500, SMALL - 1, SMALL].map(|length| text(&mut random, length)).into();
    let stream: Vec<u8> = texts.iter().flat_map(|text| packed(TEXT, text.as_bytes())).collect();
    for cut in [1, 10, stream.len()] {
        let mut server = waiting(stream.chunks(cut).map(<[u8]>::to_vec), agreed(false));
        assert_eq!(server.all(), texts.iter().map(Message::text).collect::<Vec<_>>());
    }
}

#[test]
fn message_that_is_not_small_waits_until_it_is_allowed() {
    let mut random = fastrand::Rng::with_seed(3);
    let long = text(&mut random, SMALL + 1);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(10_000).collect();
    let stream = [packed(TEXT, long.as_bytes()), packed(BINARY, &noise), packed(TEXT, b"small")].concat();
    for cut in [1, 1000, stream.len()] {
        let mut server = waiting(stream.chunks(cut).map(<[u8]>::to_vec), agreed(false));
        for expected in [Message::text(&long), Message::binary(noise.clone())] {
            assert_eq!(server.all(), [], "{cut}");
            assert_eq!(server.stream.wanted(), Some(MAX));
            assert!(!server.stream.is_idle());
            assert_eq!(server.all(), [], "it goes on waiting");
            server.stream.allow();
            assert_eq!(server.stream.wanted(), None);
            assert_eq!(server.next().expect("a message"), Some(expected));
        }
        assert_eq!(server.all(), [Message::text("small")]);
    }
}

#[test]
fn message_that_waits_is_not_read_further() {
    let mut random = fastrand::Rng::with_seed(4);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(50_000).collect();
    let stream = packed(BINARY, &noise);
    let mut server = waiting([stream.clone()], agreed(false));
    assert_eq!(server.all(), []);
    assert!(stream.len() - unread(&server) <= 2 << 10, "one read");
    let many = noise.chunks(100).map(|part| frame(0, part));
    let mut server = waiting([frame(RSV1 | BINARY, &[])].into_iter().chain(many), agreed(false));
    assert_eq!(server.all(), []);
    assert_eq!(server.stream.wanted(), Some(MAX));
    assert!(unread(&server) > noise.len() - SMALL, "no more than a small message");
}
