//! `[ocpp.deflate]`: compression of messages (permessage-deflate, RFC 7692).

use ocpp_gateway_deflate::Settings;
use serde::{Deserialize, Serialize};

/// Compression of messages of charge points that ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeflateConfig {
    pub enabled: bool,
    /// 1 (fastest) to 9 (smallest).
    pub level: u8,
    /// Bytes. Messages of fewer are sent as they are.
    pub threshold: usize,
    /// Whether a message may refer to earlier ones: smaller, but each connection keeps a window in both directions.
    pub context_takeover: bool,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        let Settings { level, threshold, server_takeover, .. } = Settings::default();
        DeflateConfig { enabled: true, level, threshold, context_takeover: server_takeover }
    }
}

impl DeflateConfig {
    /// `None`: it is switched off.
    pub fn settings(&self) -> Option<Settings> {
        let &DeflateConfig { enabled, level, threshold, context_takeover } = self;
        let (server_takeover, client_takeover) = (context_takeover, context_takeover);
        enabled.then(|| Settings { level, threshold, server_takeover, client_takeover, ..Settings::default() })
    }
}
