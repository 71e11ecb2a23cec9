use super::*;

const NO_TAKEOVER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn answer(lines: &[&str], settings: &Settings) -> Option<String> {
    negotiate(lines.iter().copied(), settings).map(|agreed| agreed.to_string())
}

fn by_default(line: &str) -> Option<String> {
    answer(&[line], &Settings::default())
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).expect("8 to 15")
}

fn takeover() -> Settings {
    Settings { server_takeover: true, client_takeover: true, ..Settings::default() }
}

#[test]
fn plain_offer_is_accepted_without_context_takeover() {
    assert_eq!(by_default("permessage-deflate").as_deref(), Some(NO_TAKEOVER));
    assert_eq!(by_default("PerMessage-Deflate").as_deref(), Some(NO_TAKEOVER));
    assert_eq!(by_default("permessage-deflate; client_max_window_bits").as_deref(), Some(NO_TAKEOVER));
}

#[test]
fn nothing_is_agreed_on_without_an_offer() {
    assert_eq!(answer(&[], &Settings::default()), None);
    for line in ["", " , ,", "x-webkit-deflate-frame", "permessage-deflate2", "permessage-bzip2; a=1, foo"] {
        assert_eq!(by_default(line), None, "{line}");
    }
}

#[test]
fn context_takeover_needs_the_consent_of_both_sides() {
    let answer = |line| answer(&[line], &takeover());
    assert_eq!(answer("permessage-deflate").as_deref(), Some("permessage-deflate"));
    let expected = Some("permessage-deflate; server_no_context_takeover");
    assert_eq!(answer("permessage-deflate; server_no_context_takeover").as_deref(), expected);
    let expected = Some("permessage-deflate; client_no_context_takeover");
    assert_eq!(answer("permessage-deflate;client_no_context_takeover").as_deref(), expected);
}

#[test]
fn every_window_of_the_gateway_is_agreed_on_as_it_was_requested() {
    for requested in 8..=14 {
        let agreed = by_default(&format!("permessage-deflate; server_max_window_bits={requested}"));
        assert_eq!(agreed, Some(format!("{NO_TAKEOVER}; server_max_window_bits={requested}")));
    }
    assert_eq!(by_default("permessage-deflate; server_max_window_bits=15").as_deref(), Some(NO_TAKEOVER));
}

#[test]
fn every_window_of_the_client_is_agreed_on_as_it_was_offered() {
    for offered in 8..=14 {
        let agreed = by_default(&format!("permessage-deflate; client_max_window_bits={offered}"));
        assert_eq!(agreed, Some(format!("{NO_TAKEOVER}; client_max_window_bits={offered}")));
    }
}

#[test]
fn configured_windows_are_upper_limits() {
    let settings = Settings { server_window: bits(10), client_window: bits(11), ..takeover() };
    let answer = |line| answer(&[line], &settings).expect("an agreement");
    assert_eq!(answer("permessage-deflate"), "permessage-deflate; server_max_window_bits=10");
    let line = "permessage-deflate; server_max_window_bits=12; client_max_window_bits";
    assert_eq!(answer(line), "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11");
    let line = "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10";
    assert_eq!(answer(line), "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10");
}

#[test]
fn window_of_eight_bits_excludes_context_takeover() {
    let agreed = negotiate(["permessage-deflate; server_max_window_bits=8"], &takeover()).expect("an agreement");
    assert_eq!(agreed.to_string(), "permessage-deflate; server_no_context_takeover; server_max_window_bits=8");
    assert!(!agreed.server_takeover() && agreed.client_takeover());
}

#[test]
fn offers_with_invalid_parameters_are_declined() {
    for parameters in [
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "server_max_window_bits=-9",
        "server_max_window_bits=9.0",
        "server_max_window_bits=",
        "server_max_window_bits=\"\"",
        "server_max_window_bits",
        "server_max_window_bits=256",
        "server_max_window_bits=99999999999999999999999",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=",
        "client_max_window_bits=true",
        "client_max_window_bits=\"1 0\"",
        "client_max_window_bits=\" 10\"",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "client_no_context_takeover=\"\"",
        "unknown",
        "unknown=1",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits",
        "",
        "; client_max_window_bits",
        "client_max_window_bits=\"10",
        "client_max_window_bits=10\"",
        "client max window bits",
        "client_max_window_bits=10=10",
        "server_max_window_bits=\"10\\\"",
        "client_max_window_bits=\u{661}\u{660}",
    ] {
        assert_eq!(by_default(&format!("permessage-deflate; {parameters}")), None, "{parameters}");
    }
}

#[test]
fn first_acceptable_offer_of_all_lines_wins() {
    let lines = [
        "x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=7",
        ",  permessage-deflate;  client_max_window_bits = 10 ;server_max_window_bits=\"9\" , permessage-deflate",
        "permessage-deflate; server_max_window_bits=12",
    ];
    let expected = format!("{NO_TAKEOVER}; server_max_window_bits=9; client_max_window_bits=10");
    assert_eq!(answer(&lines, &Settings::default()), Some(expected));
}

#[test]
fn quotes_hide_separators_and_escapes() {
    let line = "foo; bar=\"a,permessage-deflate; b\", permessage-deflate; client_max_window_bits=\"\\1\\0\"";
    assert_eq!(by_default(line), Some(format!("{NO_TAKEOVER}; client_max_window_bits=10")));
    assert_eq!(by_default("foo; bar=\"\\\", permessage-deflate"), None, "the quote is not closed");
}

#[test]
fn malformed_elements_do_not_hide_others() {
    for line in
        [";, permessage-deflate", "a b, permessage-deflate", "\u{e9}, permessage-deflate", "a=, permessage-deflate"]
    {
        assert_eq!(by_default(line).as_deref(), Some(NO_TAKEOVER), "{line}");
    }
}
