//! Windows of every size, in both directions.

use crate::support::*;
use ocpp_gateway_deflate::Settings;
use tokio_tungstenite::tungstenite::Message;

/// Texts that repeat themselves at distances that only some windows reach.
fn texts() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(8);
    let mut texts = Vec::new();
    for distance in [200, 300, 600, 1200, 2500, 5000, 10_000, 20_000] {
        let noise: String = std::iter::repeat_with(|| random.alphanumeric()).take(distance).collect();
        texts.extend([noise.repeat(3), noise]);
    }
    texts
}

fn agreement(parameter: &str, bits: u8, takeover: bool) -> ocpp_gateway_deflate::Agreed {
    let settings =
        Settings { server_takeover: takeover, client_takeover: takeover, threshold: 1, ..Settings::default() };
    agreed_by(&format!("permessage-deflate; {parameter}={bits}"), &settings)
}

#[test]
fn messages_of_the_gateway_fit_in_every_window() {
    for bits in 8..=15 {
        for takeover in [false, true] {
            let agreed = agreement("server_max_window_bits", bits, takeover);
            let mut server = Server::new(Script::default(), agreed, LIMITS);
            let mut unpacker = Unpacker::new(agreed.server_takeover(), bits);
            for text in texts() {
                server.send(Message::text(&text));
                let [sent] = &server.sent()[..] else { panic!("one frame") };
                let received = if sent.first & RSV1 == 0 {
                    sent.payload.clone()
                } else {
                    unpacker.unpack(&sent.payload).expect("within the window")
                };
                assert!(received == text.as_bytes(), "{bits} bits, takeover: {takeover}");
            }
        }
    }
}

/// Otherwise the test above shows nothing.
#[test]
fn smaller_windows_do_not_reach_what_larger_ones_do() {
    let mut server = Server::new(Script::default(), agreement("server_max_window_bits", 15, false), LIMITS);
    for text in texts().iter().step_by(2) {
        server.send(Message::text(text));
        let sent = server.sent().remove(0);
        for bits in 9..=15 {
            let fits = Unpacker::new(false, bits).unpack(&sent.payload).is_ok();
            let (distance, window) = (text.len() / 3, 1 << bits);
            // Of three copies, the last one may refer to the first.
            if 2 * distance <= window {
                assert!(fits, "{distance} bytes back in {window}");
            } else if distance > window {
                assert!(!fits, "{distance} bytes back in {window}");
            }
        }
    }
}

#[test]
fn messages_of_the_client_are_inflated_with_every_window() {
    for bits in 8..=15 {
        for takeover in [false, true] {
            let mut packer = Packer::new(takeover, bits);
            let frames = texts().into_iter().map(|text| frame(FINAL | RSV1 | TEXT, &packer.pack(text.as_bytes())));
            let frames: Vec<_> = frames.collect();
            let agreed = agreement("client_max_window_bits", bits, takeover);
            let messages = Server::new(Script::reads(frames), agreed, LIMITS).all();
            assert!(messages == texts().into_iter().map(Message::text).collect::<Vec<_>>(), "{bits}, {takeover}");
        }
    }
}
