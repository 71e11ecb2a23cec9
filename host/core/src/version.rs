//! OCPP versions and their negotiation.

use std::str::FromStr;
use strum::{Display, IntoStaticStr};

/// An OCPP version, named in WebSocket as a subprotocol (OCPP-J 1.6 section 3.2; OCPP 2.0.1 part 4 section 3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, IntoStaticStr)]
pub enum Version {
    #[strum(serialize = "ocpp1.6")]
    V1_6,
    #[strum(serialize = "ocpp2.0.1")]
    V2_0_1,
    #[strum(serialize = "ocpp2.1")]
    V2_1,
}

impl Version {
    pub const ALL: [Version; 3] = [Version::V1_6, Version::V2_0_1, Version::V2_1];

    /// The registered subprotocol name: `ocpp1.6`, `ocpp2.0.1` or `ocpp2.1`.
    pub fn subprotocol(self) -> &'static str {
        self.into()
    }

    /// Whether message types 5 (CALLRESULTERROR) and 6 (SEND) exist (OCPP 2.1 part 4 section 4.2).
    pub fn has_send(self) -> bool {
        self == Version::V2_1
    }
}

/// The text is not the name of a known OCPP version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown OCPP version {0:?}: expected \"ocpp1.6\", \"ocpp2.0.1\" or \"ocpp2.1\"")]
pub struct UnknownVersion(pub String);

impl FromStr for Version {
    type Err = UnknownVersion;

    /// Reads a subprotocol name. Case and surrounding spaces are ignored: both vary in the field.
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let name = text.trim();
        Version::ALL
            .into_iter()
            .find(|version| version.subprotocol().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownVersion(name.to_owned()))
    }
}

/// The result of subprotocol negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negotiated<'a> {
    /// The client's first choice that is enabled, and its name as it was offered, without surrounding spaces: strict
    /// clients compare the answer with their offer byte by byte (RFC 6455 section 4.1).
    Agreed(Version, &'a str),
    /// The client offered no subprotocol.
    NothingOffered,
    /// The client offered subprotocols, none of which is enabled.
    NoMatch,
}

/// Picks the client's first choice that is `enabled`. `offers` are the values of all `Sec-WebSocket-Protocol` header
/// lines, each a comma-separated list.
pub fn negotiate<'a>(offers: impl IntoIterator<Item = &'a str>, enabled: &[Version]) -> Negotiated<'a> {
    let mut offered_any = false;
    for name in offers.into_iter().flat_map(|line| line.split(',')).map(str::trim) {
        if name.is_empty() {
            continue;
        }
        offered_any = true;
        if let Ok(version) = name.parse::<Version>()
            && enabled.contains(&version)
        {
            return Negotiated::Agreed(version, name);
        }
    }
    if offered_any { Negotiated::NoMatch } else { Negotiated::NothingOffered }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_first_enabled_choice_wins() {
        let enabled = [Version::V2_0_1, Version::V1_6];
        let negotiated = negotiate(["ocpp2.1, ocpp1.6,ocpp2.0.1"], &enabled);
        assert_eq!(negotiated, Negotiated::Agreed(Version::V1_6, "ocpp1.6"));
    }

    #[test]
    fn spaces_case_and_several_header_lines_are_accepted() {
        let negotiated = negotiate(["soap , ", "\tOCPP2.0.1 "], &Version::ALL);
        assert_eq!(negotiated, Negotiated::Agreed(Version::V2_0_1, "OCPP2.0.1"));
    }

    #[test]
    fn no_offer_and_no_match_are_different_results() {
        assert_eq!(negotiate([], &Version::ALL), Negotiated::NothingOffered);
        for nothing in ["", " , ", ",,"] {
            assert_eq!(negotiate([nothing], &Version::ALL), Negotiated::NothingOffered, "{nothing}");
        }
        assert_eq!(negotiate(["ocpp1.5"], &Version::ALL), Negotiated::NoMatch);
    }
}
