//! `http://` on loopback, and what is the same for `https://`.

use super::server::{Reply, Server};
use super::*;

/// Fetches `/a.wasm` from a server that answers it like this.
fn fetch(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<Fetched, FetchError> {
    let server = Server::start(move |_| reply());
    fetcher().fetch(&source(&format!("http://{}/a.wasm", server.host())), false)
}

fn error(reply: impl Fn() -> Reply + Send + Sync + 'static) -> FetchError {
    fetch(reply).expect_err("refused")
}

#[test]
fn component_is_downloaded_with_one_request() {
    let server = Server::start(|_| Reply::ok("application/wasm", COMPONENT));
    let address = format!("http://user:pass%20word@{}/a/b.wasm?version=1", server.host());
    let fetched = fetcher().fetch(&source(&address), false).expect("a component");
    assert_eq!(fetched, Fetched { bytes: COMPONENT.to_vec(), signature: None });
    assert_eq!(server.targets(), ["/a/b.wasm?version=1"]);
    // user:pass word
    assert_eq!(server.requests()[0].authorization.as_deref(), Some("Basic dXNlcjpwYXNzIHdvcmQ="));
}

#[test]
fn signature_beside_the_component_is_fetched_if_it_exists() {
    let signed = Server::start(|get| match get.target.as_str() {
        "/a.wasm?b" => Reply::ok("application/wasm", COMPONENT),
        "/a.wasm.minisig?b" => Reply::ok("text/plain", SIGNATURE),
        _ => Reply::not_found(),
    });
    let fetched = fetcher().fetch(&source(&format!("http://{}/a.wasm?b", signed.host())), true).expect("both");
    assert_eq!(fetched.signature.as_deref(), Some(SIGNATURE));

    let unsigned = Server::start(|get| match get.target.as_str() {
        "/a.wasm" => Reply::ok("application/wasm", COMPONENT),
        _ => Reply::not_found(),
    });
    let fetched = fetcher().fetch(&source(&format!("http://{}/a.wasm", unsigned.host())), true).expect("a component");
    assert_eq!(fetched.signature, None);
    assert_eq!(unsigned.targets(), ["/a.wasm", "/a.wasm.minisig"]);
}

#[test]
fn signature_that_is_none_is_refused() {
    let page = Server::start(|get| match get.target.as_str() {
        "/a.wasm" => Reply::ok("application/wasm", COMPONENT),
        _ => Reply::ok("text/html", "<!doctype html>"),
    });
    let error = fetcher().fetch(&source(&format!("http://{}/a.wasm", page.host())), true).expect_err("a page");
    assert!(matches!(error, FetchError::NoSignature { .. }), "{error}");
    assert!(error.to_string().contains("/a.wasm.minisig"), "{error}");

    let large = Server::start(|get| match get.target.as_str() {
        "/a.wasm" => Reply::ok("application/wasm", COMPONENT),
        _ => Reply::Announced(100_000, Vec::new()),
    });
    let error = fetcher().fetch(&source(&format!("http://{}/a.wasm", large.host())), true).expect_err("too large");
    assert!(matches!(http_error(error), HttpError::TooLarge { size: Some(100_000), .. }));
}

#[test]
fn page_is_refused_with_what_it_is() {
    let error = error(|| Reply::ok("text/html; charset=utf-8", "<!DOCTYPE html><title>Log in</title>"));
    let FetchError::NoComponent(no) = &error else { panic!("{error}") };
    assert_eq!((no.content, no.media_type.as_str()), (Content::Html, "text/html"));
    let text = error.to_string();
    assert!(text.contains("is an HTML page: is the address right?") && text.contains("text/html"), "{text}");
}

#[test]
fn status_that_is_not_200_is_refused() {
    for (status, code) in [("404 Not Found", 404), ("500 Internal Server Error", 500), ("204 No Content", 204)] {
        let error = error(move || Reply::Whole(status, Vec::new(), COMPONENT.to_vec()));
        assert!(matches!(http_error(error), HttpError::Status { status, .. } if status == code), "{status}");
    }
}

#[test]
fn errors_do_not_show_secrets_of_the_address() {
    let server = Server::start(|_| Reply::not_found());
    let address = source(&format!("http://user:secret@{}/a.wasm?token=secret", server.host()));
    let error = fetcher().fetch(&address, false).expect_err("refused");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    assert!(error.to_string().contains(&format!("http://{}/a.wasm", server.host())), "{error}");
}

#[test]
fn server_that_is_silent_or_slow_is_left_in_time() {
    for reply in [|| Reply::Silent, || Reply::Trickle] {
        let server = Server::start(move |_| reply());
        let impatient = Fetcher { time: TimeLimits { connect: LONG, whole: SHORT }, ..fetcher() };
        let error = impatient.fetch(&source(&format!("http://{}/a.wasm", server.host())), false).expect_err("slow");
        assert!(error.to_string().contains("not fetched within 0.3 s"), "{error}");
        assert!(matches!(http_error(error), HttpError::Timeout { .. }));
    }
}

#[test]
fn time_is_that_of_all_requests_together() {
    // Each redirect takes a part of the time, and none takes all of it.
    let server = Server::start(|get| {
        std::thread::sleep(SHORT / 3);
        Reply::redirect(format!("{}x", get.target))
    });
    let impatient = Fetcher { time: TimeLimits { connect: LONG, whole: SHORT }, ..fetcher() };
    let error = impatient.fetch(&source(&format!("http://{}/a", server.host())), false).expect_err("slow");
    assert!(matches!(http_error(error), HttpError::Timeout { .. }));
}

#[test]
fn two_gigabytes_are_refused_before_they_are_read() {
    let error = http_error(error(|| Reply::Announced(2_000_000_000, COMPONENT.to_vec())));
    assert!(matches!(error, HttpError::TooLarge { size: Some(2_000_000_000), .. }), "{error}");
    assert!(error.to_string().contains("has 2000000000 bytes, more than 67108864 bytes"), "{error}");
}

#[test]
fn body_without_end_is_not_read_further_than_the_limit() {
    let error = http_error(error(|| Reply::Endless));
    assert!(matches!(error, HttpError::TooLarge { size: None, .. }), "{error}");
}

#[test]
fn body_that_ends_early_is_refused() {
    let error = http_error(error(|| Reply::Announced(100, COMPONENT.to_vec())));
    assert!(matches!(error, HttpError::Connection { .. }), "{error}");
}

#[test]
fn server_that_is_not_up_is_named() {
    let server = Server::start(|_| Reply::not_found());
    let address = format!("http://{}/a.wasm", server.host());
    drop(server);
    let error = fetcher().fetch(&source(&address), false).expect_err("no server");
    assert!(error.to_string().starts_with(&format!("{address}: no answer: Connection refused")), "{error}");
}

#[test]
fn redirects_are_followed_at_most_five_times() {
    let server = Server::start(|get| match get.target.as_str() {
        "/5" => Reply::redirect(format!("http://{}/4", get.host)),
        "/4" => Reply::redirect("3"),
        "/3" => Reply::redirect("/2"),
        "/2" => Reply::redirect(format!("//{}/1", get.host)),
        "/1" => Reply::redirect("?0"),
        "/1?0" => Reply::ok("application/wasm", COMPONENT),
        _ => Reply::redirect("/5"),
    });
    let fetch = |path| fetcher().fetch(&source(&format!("http://{}{path}", server.host())), false);
    assert_eq!(fetch("/5").expect("five").bytes, COMPONENT);
    let error = http_error(fetch("/6").expect_err("six"));
    assert!(matches!(error, HttpError::Redirects { limit: 5, .. }), "{error}");
}

#[test]
fn redirect_to_an_unencrypted_server_is_refused() {
    let error = http_error(error(|| Reply::redirect("http://example.org/a.wasm")));
    assert!(matches!(error, HttpError::Redirect { problem: BadAddress::Unencrypted, .. }), "{error}");
    assert!(error.to_string().contains("use https"), "{error}");
    for location in ["ftp://example.org/a.wasm", "file:///etc/passwd"] {
        let error = http_error(self::error(move || Reply::redirect(location)));
        assert!(matches!(error, HttpError::Redirect { .. }), "{error}");
    }
}

#[test]
fn password_of_the_address_is_left_behind_by_a_redirect_to_another_server() {
    // The other server sends the gateway back to where its query says.
    let other = Server::start(|get| Reply::redirect(format!("http://{}", get.target.trim_start_matches("/back?"))));
    let there = format!("http://{}/back?", other.host());
    let server = Server::start(move |get| match get.target.as_str() {
        "/a.wasm" => Reply::redirect("/b.wasm"),
        "/b.wasm" => Reply::redirect(format!("{there}{}/c.wasm", get.host)),
        _ => Reply::ok("application/wasm", COMPONENT),
    });
    let address = format!("http://user:secret@{}/a.wasm", server.host());
    fetcher().fetch(&source(&address), false).expect("a component");
    let shown: Vec<_> = server.requests().iter().map(|get| get.authorization.is_some()).collect();
    assert_eq!(shown, [true, true, false]);
    assert_eq!(other.requests()[0].authorization, None);
}
