//! The banner that the program prints once it runs: addresses, the topics of the mapping, and commands to try.

use crate::app::{Broker, ListenAddresses};
use crate::config::{Config, Listener};
use ocpp_gateway_core::{Attributes, Frame, Identity, Peer};
use ocpp_gateway_pipeline::{MappedTopics, Pipeline};
use std::fmt::Write as _;
use std::net::SocketAddr;
use tracing::info;

/// The charge point of the tutorial. The banner shows the topics that the mapping gives it.
const SAMPLE: &str = "chargePointSim";

/// The placeholder for the identity in printed topics and URLs.
const IDENTITY: &str = "<identity>";

pub struct Banner {
    /// Where charge points connect, with the versions of OCPP, for each listener.
    charge_points: Vec<(String, String)>,
    /// The URL for [`SAMPLE`] on this machine.
    sample_url: String,
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
        let ListenAddresses { ocpp, listeners, admin, broker } = addresses;
        let all = config.all_listeners();
        let url = |Listener { tls, path, .. }: &Listener, address: SocketAddr, identity| {
            let scheme = if tls.is_some() { "wss" } else { "ws" };
            format!("{scheme}://{address}{}/{identity}", path.trim_end_matches('/'))
        };
        let charge_points = all.iter().zip(listeners).map(|(listener, address)| {
            let versions: Vec<_> = listener.versions.iter().map(|version| version.subprotocol()).collect();
            (url(listener, *address, IDENTITY), versions.join(", "))
        });
        let here = SocketAddr::from(([127, 0, 0, 1], ocpp.port()));
        let (broker, client, is_embedded) = match broker {
            Broker::Embedded(address) => {
                (format!("mqtt://{address}"), format!("-h {} -p {}", address.ip(), address.port()), true)
            }
            Broker::External(url) => (url.to_string(), format!("-h {} -p {}", url.host, url.port), false),
        };
        Banner {
            charge_points: charge_points.collect(),
            sample_url: all.first().map(|first| url(first, here, SAMPLE)).unwrap_or_default(),
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
        let charge_points = charge_points.iter().map(|(url, _)| url.as_str()).collect::<Vec<_>>().join(", ");
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
        let Banner { charge_points, sample_url, broker, client, is_embedded, admin, topics } = self;
        let embedded = if *is_embedded { "   (embedded)" } else { "" };
        let mut text = format!("ocpp-gateway {} is running\n\n", env!("CARGO_PKG_VERSION"));
        for (number, (url, versions)) in charge_points.iter().enumerate() {
            let what = if number == 0 { "charge points" } else { "" };
            let _ = writeln!(text, "  {what:13}  {url}   ({versions})");
        }
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
    let version = *config.all_listeners().first()?.versions.last()?;
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
        let listeners = config.all_listeners().iter().map(|listener| address(listener.listen.port())).collect();
        let broker = Broker::Embedded(address(1883));
        let addresses = ListenAddresses { ocpp: address(33033), listeners, admin: address(8080), broker };
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
        let other = "[ocpp]\nlisten = \"0.0.0.0:33033\"\n[[listeners]]\nname = \"old\"\nlisten = \"0.0.0.0:33034\"\n\
                     versions = [\"ocpp1.6\"]";
        let text = banner(other, "{}");
        assert!(text.contains("\n                 ws://127.0.0.1:33034/ocpp/<identity>   (ocpp1.6)\n"), "{text}");
    }
}
