//! The gateway's configuration for a run.

use crate::tls::Certificate;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// Features that a run enables in the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Setup {
    /// Number of transforms before the mapping. Each is called for every uplink frame and passes it on.
    pub(crate) stages: usize,
    /// Validation of every payload, in both directions.
    pub(crate) validation: bool,
    /// TLS (wss) for charge points.
    pub(crate) tls: bool,
}

pub(crate) struct BrokerSettings<'a> {
    pub(crate) listen: SocketAddr,
    pub(crate) broker: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) qos: u8,
    /// The component of each stage.
    pub(crate) passing: Option<&'a Path>,
    pub(crate) certificate: Option<&'a Certificate>,
}

/// The configuration as TOML.
pub(crate) fn text(setup: Setup, settings: &BrokerSettings<'_>) -> String {
    let BrokerSettings { listen, broker, admin, qos, .. } = settings;
    let mut text = format!("[ocpp]\nlisten = \"{listen}\"\n");
    if let Some(Certificate { certificate, key, .. }) = settings.certificate {
        let _ = writeln!(text, "[ocpp.tls]\ncert = {:?}\nkey = {:?}", certificate.display(), key.display());
    }
    let _ = writeln!(text, "[mqtt]\nurl = \"mqtt://{broker}\"\n[admin]\nlisten = \"{admin}\"");
    if setup.validation {
        text += "[validation]\nmode = \"both\"\n";
    }
    for stage in 0..setup.stages {
        let component = settings.passing.map(Path::display).map_or_else(String::new, |path| path.to_string());
        let _ = writeln!(text, "[[transforms]]\nname = \"stage-{stage}\"\ncomponent = {component:?}");
    }
    let _ = writeln!(
        text,
        "[[transforms]]\nname = \"standard\"\ncomponent = \"builtin:standard\"\n[transforms.config]\n\
         uplink = {{ qos = {qos} }}\ndownlink = {{ qos = {qos} }}"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_has_only_the_enabled_features() {
        let address: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        let passing = Path::new("/tmp/passing.wasm");
        let settings = BrokerSettings {
            listen: address,
            broker: address,
            admin: address,
            qos: 1,
            passing: Some(passing),
            certificate: None,
        };
        let plain = text(Setup::default(), &settings);
        assert!(!plain.contains("validation") && !plain.contains("stage") && !plain.contains("tls"), "{plain}");
        let full = text(Setup { stages: 2, validation: true, tls: false }, &settings);
        assert_eq!(full.matches("component = \"/tmp/passing.wasm\"").count(), 2, "{full}");
        assert!(full.contains("[validation]\nmode = \"both\"\n"), "{full}");
    }
}
