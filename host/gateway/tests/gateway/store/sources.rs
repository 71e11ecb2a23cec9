//! Components from elsewhere: fetched at the start, at SIGHUP and on request, and kept.

use super::{accepted, another, send, shown};
use crate::admin::{ask, get};
use crate::{Running, configuration};
use ocpp_gateway::app::Gateway;
use ocpp_gateway_pipeline::STANDARD;
use ocpp_gateway_testkit::signing::SigningKey;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Answers every request with the same content, and with its signature at `….minisig`.
struct WebServer {
    address: SocketAddr,
    content: watch::Sender<Content>,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// `component`: `None` is 503.
#[derive(Clone, Default)]
struct Content {
    component: Option<Vec<u8>>,
    signature: Option<String>,
}

impl WebServer {
    async fn start(component: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (content, served) = watch::channel(Content { component: Some(component), signature: None });
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Content { component, signature } = served.borrow().clone();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    request.push(byte);
                }
                let is_signature = String::from_utf8_lossy(&request).contains(".minisig HTTP");
                let (status, body) = match (is_signature, component, signature) {
                    (true, _, Some(signature)) => ("200 OK", signature.into_bytes()),
                    (true, _, None) => ("404 Not Found", Vec::new()),
                    (false, Some(component), _) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        ("200 OK", component)
                    }
                    (false, None, _) => ("503 Service Unavailable", Vec::new()),
                };
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            }
        });
        WebServer { address, content, requests, task }
    }

    fn url(&self) -> String {
        format!("http://{}/mine.wasm", self.address)
    }

    fn serve(&self, component: Vec<u8>) {
        self.content.send_modify(|content| content.component = Some(component));
    }

    fn fail(&self) {
        self.content.send_modify(|content| content.component = None);
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn sha256(content: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(content))
}

fn toml(directory: &TempDir, server: &WebServer, keys: &str) -> String {
    let store = directory.path().join("store");
    let url = server.url();
    format!("[storage]\ndirectory = {store:?}\n[[transforms]]\nname = \"mine\"\ncomponent = {url:?}\n{keys}")
}

async fn running(gateway: &Running) -> String {
    shown(gateway, "mine").await["sha256"].as_str().expect("a hash").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn component_is_fetched_at_the_start_at_a_reload_and_on_request() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = WebServer::start(STANDARD.to_vec()).await;
    let toml = toml(&directory, &server, "");
    let gateway = Running::start(&toml).await;
    let details = shown(&gateway, "mine").await;
    assert_eq!(
        (&details["component"], &details["settings"]["component"]),
        (&json!(server.url()), &json!(server.url()))
    );
    assert_eq!(running(&gateway).await, sha256(STANDARD));
    server.serve(another(1));
    gateway.hot_swap.reload(configuration(&toml));
    assert_eq!(running(&gateway).await, sha256(&another(1)));
    server.serve(another(2));
    let tried = accepted(ask(&gateway, "POST", "/api/v1/transforms/mine/fetch?dry_run=true", &[], "").await);
    assert_eq!(tried["changes"][0]["now"]["sha256"], sha256(&another(2)));
    assert_eq!(running(&gateway).await, sha256(&another(1)));
    accepted(ask(&gateway, "POST", "/api/v1/transforms/mine/fetch", &[], "").await);
    assert_eq!(running(&gateway).await, sha256(&another(2)));
    // What cannot be used changes nothing.
    for component in [b"<!doctype html><title>Not here</title>".to_vec(), STANDARD[..STANDARD.len() / 2].to_vec()] {
        server.serve(component);
        let answer = ask(&gateway, "POST", "/api/v1/transforms/mine/fetch", &[], "").await;
        assert!([422, 502].contains(&answer.status), "{}", answer.json());
        assert_eq!(running(&gateway).await, sha256(&another(2)));
    }
    // The server is away: the copy runs on, and takes other settings.
    server.fail();
    let refused = ask(&gateway, "POST", "/api/v1/transforms/mine/fetch", &[], "").await.problem(502);
    assert!(refused.contains("503"), "{refused}");
    let config = json!({"mountpoint": "site/"});
    accepted(send(&gateway, "PUT", "/api/v1/transforms/mine/config", config).await);
    gateway.hot_swap.reload(configuration(&toml));
    assert_eq!(shown(&gateway, "mine").await["settings"]["config"]["mountpoint"], "site/");
    gateway.stop().await;
    let gateway = Running::start(&toml).await;
    assert_eq!(running(&gateway).await, sha256(&another(2)));
    gateway.stop().await;
    std::fs::remove_dir_all(directory.path().join("store")).expect("removed");
    let error = Gateway::start(&configuration(&toml), None).await.err().expect("nothing runs").to_string();
    assert!(error.contains("mine") && error.contains("503"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pinned_component_is_fetched_once_and_no_other_is_used() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = WebServer::start(another(1)).await;
    let pinned = |component: &[u8]| toml(&directory, &server, &format!("sha256 = {:?}", sha256(component)));
    let gateway = Running::start(&pinned(&another(1))).await;
    gateway.hot_swap.reload(configuration(&pinned(&another(1))));
    assert_eq!(server.requests.load(Ordering::Relaxed), 1);
    // Another digest than that of what there is.
    gateway.hot_swap.reload(configuration(&pinned(&another(2))));
    assert_eq!(running(&gateway).await, sha256(&another(1)));
    server.serve(another(2));
    gateway.hot_swap.reload(configuration(&pinned(&another(2))));
    assert_eq!(running(&gateway).await, sha256(&another(2)));
    gateway.stop().await;
    server.fail();
    let error = Gateway::start(&configuration(&pinned(&another(3))), None).await.err().expect("refused").to_string();
    assert!(error.contains("503"), "{error}");
    // A pin is for any source.
    let file = directory.path().join("a.wasm");
    std::fs::write(&file, STANDARD).expect("written");
    for component in [file.display().to_string(), "builtin:standard".to_owned()] {
        let toml = format!("[[transforms]]\nname = \"mine\"\ncomponent = {component:?}\nsha256 = {:?}", "0".repeat(64));
        let error = Gateway::start(&configuration(&toml), None).await.err().expect("refused").to_string();
        assert!(
            error.contains(&"0".repeat(64)) && error.contains(&sha256(STANDARD)) | component.contains("builtin"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_code_is_refused_however_it_arrives() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = SigningKey::new(1);
    let server = WebServer::start(STANDARD.to_vec()).await;
    server.content.send_modify(|content| content.signature = Some(key.sign(STANDARD)));
    let trusting = crate::trust::trusting(&[&key]);
    let gateway = Running::start(&toml(&directory, &server, &trusting)).await;

    // Fetched, with the signature of another component.
    server.serve(another(1));
    let refused = ask(&gateway, "POST", "/api/v1/transforms/mine/fetch", &[], "").await.problem(502);
    assert!(refused.contains(&key.id()), "{refused}");
    // The copy from before goes on, after a reload too.
    gateway.hot_swap.reload(configuration(&toml(&directory, &server, &trusting)));
    assert_eq!(running(&gateway).await, sha256(STANDARD));
    server.content.send_modify(|content| content.signature = Some(key.sign(another(1))));
    accepted(ask(&gateway, "POST", "/api/v1/transforms/mine/fetch", &[], "").await);
    assert_eq!(running(&gateway).await, sha256(&another(1)));

    // Uploaded.
    let base64 = |text: String| data_encoding::BASE64.encode(text.as_bytes());
    for signature in [None, Some(SigningKey::new(2).sign(another(2))), Some(key.sign(another(3)))] {
        let header = signature.map(base64);
        let headers: Vec<_> = header.iter().map(|header| ("Minisign-Signature", header.as_str())).collect();
        let refused = ask(&gateway, "PUT", "/api/v1/transforms/mine", &headers, another(2)).await.problem(422);
        assert!(refused.contains(&key.id()) || refused.contains(&key.public()), "{refused}");
    }
    let right = base64(key.sign(another(2)));
    let header = [("Minisign-Signature", right.as_str())];
    accepted(ask(&gateway, "PUT", "/api/v1/transforms/mine", &header, another(2)).await);

    // A program of jq; a built-in component needs no signature.
    let program = "def uplink: .;";
    let jq =
        json!({"name": "quirk", "component": "builtin:jq", "limits": {"time": "1s"}, "config": {"program": program}});
    send(&gateway, "POST", "/api/v1/transforms", jq.clone()).await.problem(422);
    let signature = base64(key.sign(program));
    let headers = [crate::admin::JSON, ("Minisign-Signature", signature.as_str())];
    accepted(ask(&gateway, "POST", "/api/v1/transforms", &headers, jq.to_string()).await);
    let other = json!({"program": "def uplink: .a = 1;"});
    send(&gateway, "PUT", "/api/v1/transforms/quirk/config", other).await.problem(422);
    let heartbeat = json!({"name": "heartbeat", "component": "builtin:local-heartbeat"});
    accepted(send(&gateway, "POST", "/api/v1/transforms", heartbeat).await);
    gateway.stop().await;

    // All of it runs after a restart too, and nothing of it with another key.
    let gateway = Running::start(&toml(&directory, &server, &trusting)).await;
    assert_eq!(running(&gateway).await, sha256(&another(2)));
    assert_eq!(get(&gateway, "/api/v1/transforms").await.json().as_array().map(Vec::len), Some(3));
    gateway.stop().await;
    let other = toml(&directory, &server, &crate::trust::trusting(&[&SigningKey::new(2)]));
    let error = Gateway::start(&configuration(&other), None).await.err().expect("refused").to_string();
    assert!(error.contains("mine") && error.contains("quirk") && !error.contains("\"heartbeat\""), "{error}");
}
