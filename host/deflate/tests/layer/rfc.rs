//! The examples of RFC 7692, section 7.2.3.

use crate::support::*;
use ocpp_gateway_deflate::Settings;
use tokio_tungstenite::tungstenite::Message;

/// The messages of a client that sends these payloads in frames of their own.
fn received(takeover: bool, payloads: &[&[u8]]) -> Vec<Message> {
    let frames = payloads.iter().map(|payload| frame(FINAL | RSV1 | TEXT, payload));
    Server::new(Script::reads(frames), agreed(takeover), LIMITS).all()
}

#[test]
fn message_in_one_compressed_block() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(received(false, &[&hello]), [Message::text("Hello")]);
    let frames = [frame(RSV1 | TEXT, &hello[..3]), frame(FINAL, &hello[3..])];
    assert_eq!(Server::new(Script::reads(frames), agreed(false), LIMITS).all(), [Message::text("Hello")]);
}

#[test]
fn messages_that_share_a_window() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let shared = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let twice = [Message::text("Hello"), Message::text("Hello")];
    assert_eq!(received(true, &[&hello, &shared]), twice);
    assert_eq!(received(true, &[&hello, &hello]), twice);
    assert_eq!(received(false, &[&hello, &hello]), twice);
}

#[test]
fn messages_of_the_gateway_share_a_window() {
    // Level 1 finds another form for the second one.
    let settings = Settings { level: 6, threshold: 0, server_takeover: true, ..Settings::default() };
    let mut server = Server::new(Script::default(), agreed_by("permessage-deflate", &settings), LIMITS);
    server.send(Message::text("Hello"));
    server.send(Message::text("Hello"));
    let hello = vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let shared = vec![0xf2, 0x00, 0x11, 0x00, 0x00];
    let first = FINAL | RSV1 | TEXT;
    assert_eq!(server.sent(), [Sent { first, payload: hello }, Sent { first, payload: shared }]);
}

#[test]
fn block_without_compression() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(received(false, &[&stored]), [Message::text("Hello")]);
}

#[test]
fn final_block() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let twice = [Message::text("Hello"), Message::text("Hello")];
    assert_eq!(received(false, &[&last, &last]), twice);
    assert_eq!(received(true, &[&last, &last]), twice);
}

#[test]
fn two_blocks() {
    let blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(received(false, &[&blocks]), [Message::text("Hello")]);
}

#[test]
fn empty_message() {
    let nothing: &[u8] = &[];
    assert_eq!(received(false, &[&[0x00], nothing]), [Message::text(""), Message::text("")]);
    assert_eq!(received(true, &[&[0x00], nothing]), [Message::text(""), Message::text("")]);
}
