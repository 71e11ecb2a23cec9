//! The files of the console.

use crate::Running;
use crate::admin::{ask, get, open};
use tokio::io::AsyncReadExt as _;

const TOKEN: &str = "[admin]\ntoken = \"a-token-for-tests-only\"";

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_console_are_open_to_all_and_to_nothing_from_elsewhere() {
    let gateway = Running::start(TOKEN).await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/console/index.html", "text/html; charset=utf-8"),
        ("/console/app.js", "text/javascript; charset=utf-8"),
        ("/console/styles/base.css", "text/css; charset=utf-8"),
    ] {
        let answer = get(&gateway, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        for line in [
            &*format!("content-type: {content_type}"),
            "cache-control: no-cache",
            "vary: accept-encoding",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "x-frame-options: deny",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ] {
            assert!(answer.head.lines().any(|found| found == line), "{path}: {line}\n{}", answer.head);
        }
        assert!(!answer.head.contains("content-encoding"), "{}", answer.head);
    }
    assert!(get(&gateway, "/").await.body.starts_with("<!doctype html>"));
    let head = ask(&gateway, "HEAD", "/", &[], "").await;
    assert_eq!((head.status, &*head.body), (200, ""));
    assert!(head.head.contains("etag: w/\""), "{}", head.head);
    ask(&gateway, "POST", "/", &[], "").await.problem(405);
    ask(&gateway, "DELETE", "/console/app.js", &[], "").await.problem(405);
    for missing in ["/console/none.js", "/console/", "/console/../index.html", "/console/%2e%2e/build.rs"] {
        assert_eq!(get(&gateway, missing).await.status, 404, "{missing}");
    }
    get(&gateway, "/console").await.problem(401);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_that_has_a_file_of_the_console_does_not_get_it_again() {
    let gateway = Running::start("").await;
    let first = get(&gateway, "/console/app.js").await;
    let tag = first.head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").replace("w/", "W/");
    let again = ask(&gateway, "GET", "/console/app.js", &[("If-None-Match", &tag)], "").await;
    assert_eq!((again.status, &*again.body), (304, ""));
    for line in ["etag: ", "cache-control: no-cache", "content-security-policy: "] {
        assert!(again.head.contains(line), "{}", again.head);
    }
    let other = ask(&gateway, "GET", "/console/styles/base.css", &[("If-None-Match", &tag)], "").await;
    assert_eq!(other.status, 200);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_file_of_the_console_has_the_content_of_the_other() {
    let gateway = Running::start("").await;
    let plain = get(&gateway, "/").await;
    let headers = [("Accept-Encoding", "gzip, deflate, br")];
    let mut answer = Vec::new();
    let mut stream = open(gateway.addresses.admin, "GET", "/", &headers, "").await;
    stream.read_to_end(&mut answer).await.expect("an answer");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.contains("content-encoding: gzip") && head.contains("content-type: text/html"), "{head}");
    let packed = &answer[end + 10..answer.len() - 8];
    let content = miniz_oxide::inflate::decompress_to_vec(packed).expect("compressed");
    assert_eq!(String::from_utf8(content).expect("text"), plain.body);
    gateway.stop().await;
}
