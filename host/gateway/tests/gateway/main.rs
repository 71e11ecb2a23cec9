//! Tests of whole gateways, from the charge point's socket to the broker and back. Each uses its own ports.

mod admin;
mod admin_tls;
mod bad_input;
mod calls;
mod charge_points;
mod compile;
mod component_swap;
mod config_page;
mod console;
mod ctl;
mod deflate;
mod dev;
mod drop_in;
mod echoes;
mod figures;
mod handshake;
mod hot_swap;
mod jq;
mod limits;
mod listeners;
mod log;
mod long_calls;
mod malformed;
mod no_back_end;
mod open_calls;
mod operation;
mod outage;
mod presence;
mod problems;
mod program;
mod proxies;
mod queue_memory;
mod reconnect;
mod schemas;
mod secrets;
mod security;
mod several_gateways;
mod store;
mod tap;
mod tls;
mod transform_page;
mod transforms;
mod trial;
mod trust;
mod try_message;
mod tutorial;
mod undeliverable;
mod upgrade;
mod validation;
mod viewer;

use ocpp_gateway::app::{Broker, Gateway, ListenAddresses, RunError};
use ocpp_gateway::config;
use ocpp_gateway::listener::Listeners;
use ocpp_gateway::operations::figures::FigureSampler;
use ocpp_gateway::transforms::HotSwap;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A running gateway.
struct Running {
    addresses: ListenAddresses,
    hot_swap: Arc<HotSwap>,
    listeners: Arc<Listeners>,
    figures: Arc<FigureSampler>,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Result<(), RunError>>,
}

/// Before a page is asked for again. Without it, tests that wait would take the processor from what they wait for: a
/// component is compiled at the lowest priority.
async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
}

impl Running {
    /// Starts a gateway with an embedded broker and waits until it accepts charge points.
    async fn start(toml: &str) -> Self {
        let gateway = Running::start_unready(toml).await;
        gateway.wait_until_ready().await;
        gateway
    }

    async fn start_unready(toml: &str) -> Self {
        let gateway = Gateway::start(&configuration(toml), None).await.expect("started");
        let addresses = gateway.addresses().clone();
        let (hot_swap, figures) = (Arc::clone(gateway.hot_swap()), Arc::clone(gateway.figures()));
        let listeners = Arc::clone(gateway.listeners());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(gateway.run(Box::pin(async move {
            // Both a message and a dropped sender stop the gateway.
            let _ = stopped.await;
        })));
        Running { addresses, hot_swap, listeners, figures, stop: Some(stop), ended }
    }

    async fn wait_until_ready(&self) {
        let ready = async {
            while !self.admin("/readyz").await.starts_with("HTTP/1.1 200") {
                pause().await;
            }
        };
        timeout(TIMEOUT, ready).await.expect("ready in time");
    }

    fn ocpp(&self) -> SocketAddr {
        let mut address = self.addresses.ocpp;
        address.set_ip([127, 0, 0, 1].into());
        address
    }

    fn broker(&self) -> SocketAddr {
        match &self.addresses.broker {
            Broker::Embedded(address) => *address,
            Broker::External(url) => panic!("not embedded: {url}"),
        }
    }

    async fn charge_point(&self, id: &str) -> ChargePoint {
        self.charge_point_of(id, "ocpp1.6").await
    }

    /// Connects a charge point with this version and waits until its topics are subscribed, so that back ends can
    /// publish at once.
    async fn charge_point_of(&self, id: &str, version: &str) -> ChargePoint {
        let connected = "ocpp_gateway_connected_total";
        let before = self.metric(connected).await;
        let charge_point =
            ChargePoint::connect(self.ocpp(), &format!("/ocpp/{id}"), &[version]).await.expect("accepted");
        // The upgrade response arrives before the connection is counted.
        self.until_page("connected", |page| page.metric(connected) > before).await;
        self.until_subscribed().await;
        charge_point
    }

    /// Waits until the topics of every connected charge point are subscribed.
    async fn until_subscribed(&self) {
        // Both values come from one page: between two pages a connection may end and hide one that is not subscribed.
        let subscribed =
            |page: &MetricsPage| page.metric("ocpp_gateway_subscribed") >= page.metric("ocpp_gateway_connections");
        self.until_page("subscribed", subscribed).await;
    }

    /// A back end that is subscribed to all uplink topics.
    async fn back_end(&self) -> BackEnd {
        BackEnd::listen(self.broker(), "ocpp/cp/#").await
    }

    /// The response of the admin listener to GET `path`, with its head.
    async fn admin(&self, path: &str) -> String {
        self.request("GET", path, &[]).await
    }

    /// The response of the admin listener to a request, with its head.
    async fn request(&self, method: &str, path: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.addresses.admin).await.expect("the admin listener");
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(body).await.expect("sent");
        let mut page = String::new();
        stream.read_to_string(&mut page).await.expect("answered");
        page
    }

    async fn metrics(&self) -> MetricsPage {
        MetricsPage(self.admin("/metrics").await)
    }

    /// The value of a metric, by its name and labels as they are printed.
    async fn metric(&self, name: &str) -> f64 {
        self.metrics().await.metric(name)
    }

    /// Waits for a page of metrics for which the condition holds.
    async fn until_page(&self, what: &str, condition: impl Fn(&MetricsPage) -> bool) {
        let holds = async {
            while !condition(&self.metrics().await) {
                pause().await;
            }
        };
        if timeout(TIMEOUT, holds).await.is_err() {
            panic!("not {what} in time:\n{}", self.metrics().await.0);
        }
    }

    /// Waits until a metric has this value: it may be counted a moment after its effect is visible.
    async fn until(&self, name: &str, value: f64) {
        let counted = async {
            while !self.admin("/metrics").await.contains(&format!("{name} {value}\n")) {
                pause().await;
            }
        };
        if timeout(TIMEOUT, counted).await.is_err() {
            assert_eq!(self.metric(name).await, value, "{name}");
        }
    }

    /// Stops the gateway and waits for its end.
    async fn stop(mut self) {
        drop(self.stop.take());
        timeout(TIMEOUT, self.ended).await.expect("stopped in time").expect("no panic").expect("no failure");
    }
}

/// A page of metrics.
struct MetricsPage(String);

impl MetricsPage {
    /// The value under a name with its labels as they are printed.
    fn metric(&self, name: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{}", self.0)).trim().parse().expect("a number")
    }
}

/// Sends these bytes and returns everything received until the connection ends.
async fn exchange_raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    // The gateway may close before everything is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.expect("an end");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A configuration from `toml`, with free ports on the loopback interface as defaults.
fn configuration(toml: &str) -> config::Config {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), toml).expect("written");
    let mut keys = vec![("OCPP__LISTEN", "127.0.0.1:0"), ("ADMIN__LISTEN", "127.0.0.1:0")];
    if !toml.contains("url = ") {
        keys.push(("MQTT__EMBEDDED__LISTEN", "127.0.0.1:0"));
    }
    if !toml.contains("[shutdown]") {
        keys.push(("SHUTDOWN__GRACE", "100ms"));
    }
    let variables = keys.into_iter().map(|(key, value)| (format!("OCPP_GATEWAY__{key}"), value.to_owned()));
    config::load(Some(file.path()), variables).expect("a configuration")
}

/// A CALL as the `standard` transform publishes it.
fn call_object(id: &str, action: &str, payload: &str) -> String {
    format!(r#"{{"MessageTypeId":2,"UniqueId":"{id}","Action":"{action}","Payload":{payload}}}"#)
}

fn result_object(id: &str, payload: &str) -> String {
    format!(r#"{{"MessageTypeId":3,"UniqueId":"{id}","Payload":{payload}}}"#)
}

/// The code in an error object or a CALLERROR.
fn error_code(text: &str) -> &str {
    [
        "FormationViolation",
        "FormatViolation",
        "InternalError",
        "GenericError",
        "RpcFrameworkError",
        "MessageTypeNotSupported",
        "NotSupported",
    ]
    .into_iter()
    .find(|code| text.contains(&format!("\"{code}\"")))
    .unwrap_or_else(|| panic!("no error code in {text}"))
}
