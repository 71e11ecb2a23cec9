//! The gateway's configuration for a run.

use crate::tls::Certificate;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// What a run asks of the gateway beyond its ordinary work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Setup {
    /// Transforms before the mapping, each of which is called for every uplink frame and passes it on.
    pub(crate) stages: usize,
    /// Every payload is checked against the schemas of OCPP, both ways.
    pub(crate) validation: bool,
    /// Charge points connect with wss.
    pub(crate) tls: bool,
}

pub(crate) struct BrokerSettings<'a> {
    pub(crate) listen: SocketAddr,
    pub(crate) broker: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) qos: u8,
    /// For each of the stages.
    pub(crate) passing: Option<&'a Path>,
    pub(crate) certificate: Option<&'a Certificate>,
}

/// TOML.
pub(crate) fn text(setup: Setup, around: &BrokerSettings<'_>) -> String {
    let BrokerSettings { listen, broker, admin, qos, .. } = around;
    let mut text = format!("[ocpp]\nlisten = \"{listen}\"\n");
    if let Some(Certificate { certificate, key, .. }) = around.certificate {
        let _ = writeln!(text, "[ocpp.tls]\ncert = {:?}\nkey = {:?}", certificate.display(), key.display());
    }
    let _ = writeln!(text, "[mqtt]\nurl = \"mqtt://{broker}\"\n[admin]\nlisten = \"{admin}\"");
    if setup.validation {
        text += "[validation]\nmode = \"both\"\n";
    }
    for stage in 0..setup.stages {
        let component = around.passing.map(Path::display).map_or_else(String::new, |path| path.to_string());
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
    fn only_what_is_asked_for_is_in_it() {
        let address: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        let passing = Path::new("/tmp/passing.wasm");
        let around = BrokerSettings {
            listen: address,
            broker: address,
            admin: address,
            qos: 1,
            passing: Some(passing),
            certificate: None,
        };
        let plain = text(Setup::default(), &around);
        assert!(!plain.contains("validation") && !plain.contains("stage") && !plain.contains("tls"), "{plain}");
        let full = text(Setup { stages: 2, validation: true, tls: false }, &around);
        assert_eq!(full.matches("component = \"/tmp/passing.wasm\"").count(), 2, "{full}");
        assert!(full.contains("[validation]\nmode = \"both\"\n"), "{full}");
    }
}
