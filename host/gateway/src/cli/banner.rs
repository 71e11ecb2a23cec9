//! The banner that the program prints once it runs: addresses, the topics of the mapping, and commands to try.

use crate::app::{Broker, ListenAddresses};
use crate::config::Config;
use ocpp_gateway_core::{Attributes, Frame, Identity, Peer};
use ocpp_gateway_pipeline::{MappedTopics, Pipeline};
use std::fmt::Write as _;
use tracing::info;

/// The charge point of the tutorial. The banner shows the topics that the mapping gives it.
const SAMPLE: &str = "chargePointSim";

/// The placeholder for the identity in printed topics and URLs.
const IDENTITY: &str = "<identity>";

pub struct Banner {
    charge_points: String,
    /// The URL for [`SAMPLE`] on this machine.
    sample_url: String,
    versions: String,
    broker: String,
    /// Options of `mosquitto_sub` for this broker.
    client: String,
    is_embedded: bool,
    admin: String,
    /// `None`: the mapping has no topics for [`SAMPLE`].
    topics: Option<MappedTopics>,
}

impl Banner {
    pub fn new(addresses: &ListenAddresses, config: &Config, pipeline: &Pipeline) -> Self {
        let ListenAddresses { ocpp, admin, broker } = addresses;
        let scheme = if config.ocpp.tls.is_some() { "wss" } else { "ws" };
        let path = config.ocpp.path.trim_end_matches('/');
        let (broker, client, is_embedded) = match broker {
            Broker::Embedded(address) => {
                (format!("mqtt://{address}"), format!("-h {} -p {}", address.ip(), address.port()), true)
            }
            Broker::External(url) => (url.to_string(), format!("-h {} -p {}", url.host, url.port), false),
        };
        let versions: Vec<_> = config.ocpp.versions.iter().map(|version| version.subprotocol()).collect();
        Banner {
            charge_points: format!("{scheme}://{ocpp}{path}/{IDENTITY}"),
            sample_url: format!("{scheme}://127.0.0.1:{}{path}/{SAMPLE}", ocpp.port()),
            versions: versions.join(", "),
            broker,
            client,
            is_embedded,
            admin: format!("{}://{admin}", if config.admin.tls.is_some() { "https" } else { "http" }),
            topics: topics(config, pipeline),
        }
    }

    /// Writes the banner as one log line.
    pub fn log(&self) {
        let Banner { charge_points, broker, is_embedded, admin, topics, .. } = self;
        let [from, to] = topics.as_ref().map(printed).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        info!(
            version,
            charge_points,
            broker,
            is_embedded,
            admin,
            topics_from_charge_points = from,
            topics_to_charge_points = to,
            "ocpp-gateway is running"
        );
    }

    pub fn text(&self) -> String {
        let Banner { charge_points, sample_url, versions, broker, client, is_embedded, admin, topics } = self;
        let embedded = if *is_embedded { "   (embedded)" } else { "" };
        let mut text = format!("ocpp-gateway {} is running\n\n", env!("CARGO_PKG_VERSION"));
        let _ = writeln!(text, "  charge points  {charge_points}   ({versions})");
        let _ = writeln!(text, "  back ends      {broker}{embedded}");
        if let Some(topics) = topics {
            let [from, to] = printed(topics);
            let _ = writeln!(text, "  topics         {from} from charge points, {to} to them");
        }
        let _ = writeln!(text, "  operators      {admin}   (/healthz, /readyz, /metrics)");
        let filter = topics.as_ref().map_or_else(|| "#".into(), filter_of_all);
        let _ = writeln!(text, "\nTry it: watch everything with\n  mosquitto_sub {client} -v -t '{filter}'");
        let _ = writeln!(text, "and connect a charge point to {sample_url}\n");
        text
    }
}

fn topics(config: &Config, pipeline: &Pipeline) -> Option<MappedTopics> {
    let identity = Identity::new(SAMPLE, usize::MAX).ok()?;
    let version = *config.ocpp.versions.last()?;
    let peer = Peer { identity, version, connection: 0, attributes: Attributes::new() };
    let call = Frame::parse(r#"[2,"1","Heartbeat",{}]"#).ok()?;
    pipeline.mapped_topics(&peer, &call)
}

/// The topics from charge points and those to them, with the placeholder for the identity.
fn printed(MappedTopics { from_charge_point, to_charge_point }: &MappedTopics) -> [String; 2] {
    [from_charge_point, to_charge_point].map(|topics| topics.join(", ").replace(SAMPLE, IDENTITY))
}

/// A topic filter for all topics: their common first levels, and everything below.
fn filter_of_all(MappedTopics { from_charge_point, to_charge_point }: &MappedTopics) -> String {
    let topics: Vec<Vec<&str>> =
        from_charge_point.iter().chain(to_charge_point).map(|topic| topic.split('/').collect()).collect();
    let Some((first, others)) = topics.split_first() else { return "#".into() };
    let is_common = |&(place, level): &(usize, &&str)| {
        !level.contains(['+', '#']) && *level != SAMPLE && others.iter().all(|other| other.get(place) == Some(level))
    };
    let common = first.iter().enumerate().take_while(is_common).map(|(_, level)| format!("{level}/"));
    common.collect::<String>() + "#"
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_pipeline::TransformSpec;

    fn banner(config: &str, mapping: &str) -> String {
        let config: Config = toml::from_str(config).expect("a configuration");
        let spec = TransformSpec { config: mapping.into(), ..TransformSpec::standard() };
        let pipeline = Pipeline::load(vec![spec]).expect("the standard mapping");
        let address = |port| ([127, 0, 0, 1], port).into();
        let addresses =
            ListenAddresses { ocpp: address(33033), admin: address(8080), broker: Broker::Embedded(address(1883)) };
        Banner::new(&addresses, &config, &pipeline).text()
    }

    #[test]
    fn banner_names_the_topics_of_the_running_mapping() {
        let text = banner("", "{}");
        assert!(text.contains("ocpp/cp/<identity> from charge points, ocpp/cs/<identity> to them"), "{text}");
        assert!(text.contains("-t 'ocpp/#'"), "{text}");
        let text = banner("", r#"{"mountpoint":"tenants/acme/","uplink":{"topic":"${cid}/up"}}"#);
        assert!(
            text.contains("tenants/acme/<identity>/up from charge points, tenants/acme/cs/<identity> to them"),
            "{text}"
        );
        assert!(text.contains("-t 'tenants/acme/#'"), "{text}");
        assert!(banner("", r#"{"mountpoint":""}"#).contains("-t '#'"));
    }

    #[test]
    fn banner_says_where_charge_points_connect() {
        let text = banner("[ocpp]\npath = \"/charge/\"", "{}");
        assert!(text.contains("ws://127.0.0.1:33033/charge/<identity>   (ocpp2.1, ocpp2.0.1, ocpp1.6)"), "{text}");
        assert!(text.contains("connect a charge point to ws://127.0.0.1:33033/charge/chargePointSim\n"), "{text}");
        assert!(text.contains("mqtt://127.0.0.1:1883   (embedded)"), "{text}");
    }
}
