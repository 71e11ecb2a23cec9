//! What the program says once it runs.

use crate::app::{Addresses, Broker};
use crate::config::Config;
use std::fmt::Write as _;

/// Where everything listens, and what to try next.
pub fn banner(addresses: &Addresses, config: &Config) -> String {
    let Addresses { ocpp, admin, broker } = addresses;
    let path = config.ocpp.path.trim_end_matches('/');
    let port = ocpp.port();
    let scheme = if config.ocpp.tls.is_some() { "wss" } else { "ws" };
    let versions: Vec<_> = config.ocpp.versions.iter().map(|version| version.subprotocol()).collect();
    let mut text = format!("ocpp-gateway {} is running\n\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "  charge points  {scheme}://{ocpp}{path}/<identity>   ({})", versions.join(", "));
    let (broker_line, client) = match broker {
        Broker::Embedded(address) => {
            (format!("mqtt://{address}   (embedded)"), format!("-h {} -p {}", address.ip(), address.port()))
        }
        Broker::External(url) => (url.to_string(), format!("-h {} -p {}", url.host, url.port)),
    };
    let _ = writeln!(text, "  back ends      {broker_line}");
    let _ = writeln!(text, "  operators      http://{admin}   (/healthz, /readyz, /metrics)");
    let _ = writeln!(text, "\nTry it: watch everything with\n  mosquitto_sub {client} -v -t 'ocpp/#'");
    let _ = writeln!(text, "and connect a charge point to {scheme}://127.0.0.1:{port}{path}/chargePointSim\n");
    text
}
