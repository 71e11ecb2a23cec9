//! What the program says once it runs.

use crate::app::{Addresses, Broker};
use crate::config::Config;
use std::fmt::Write as _;
use tracing::info;

/// The same for programs, as one line of a log that consists of objects.
pub fn log_banner(addresses: &Addresses, config: &Config) {
    let Addresses { ocpp, admin, broker } = addresses;
    let broker = match broker {
        Broker::Embedded(address) => format!("mqtt://{address}"),
        Broker::External(url) => url.to_string(),
    };
    let version = env!("CARGO_PKG_VERSION");
    let is_embedded = config.mqtt.url.is_none();
    let charge_points = format!("{}/<identity>", ocpp_url(&ocpp.to_string(), config));
    info!(version, charge_points, broker, is_embedded, admin = %format!("http://{admin}"), "ocpp-gateway is running");
}

fn ocpp_url(host: &str, config: &Config) -> String {
    let scheme = if config.ocpp.tls.is_some() { "wss" } else { "ws" };
    format!("{scheme}://{host}{}", config.ocpp.path.trim_end_matches('/'))
}

/// Where everything listens, and what to try next.
pub fn banner(addresses: &Addresses, config: &Config) -> String {
    let Addresses { ocpp, admin, broker } = addresses;
    let versions: Vec<_> = config.ocpp.versions.iter().map(|version| version.subprotocol()).collect();
    let mut text = format!("ocpp-gateway {} is running\n\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(
        text,
        "  charge points  {}/<identity>   ({})",
        ocpp_url(&ocpp.to_string(), config),
        versions.join(", ")
    );
    let (broker_line, client) = match broker {
        Broker::Embedded(address) => {
            (format!("mqtt://{address}   (embedded)"), format!("-h {} -p {}", address.ip(), address.port()))
        }
        Broker::External(url) => (url.to_string(), format!("-h {} -p {}", url.host, url.port)),
    };
    let _ = writeln!(text, "  back ends      {broker_line}");
    let _ = writeln!(text, "  operators      http://{admin}   (/healthz, /readyz, /metrics)");
    let _ = writeln!(text, "\nTry it: watch everything with\n  mosquitto_sub {client} -v -t 'ocpp/#'");
    let _ = writeln!(
        text,
        "and connect a charge point to {}/chargePointSim\n",
        ocpp_url(&format!("127.0.0.1:{}", ocpp.port()), config)
    );
    text
}
