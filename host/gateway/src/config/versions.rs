//! A list of subprotocol names.

use ocpp_gateway_core::Version;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

pub(super) fn serialize<S: Serializer>(versions: &[Version], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(versions.iter().map(|version| version.subprotocol()))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Version>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.iter().map(|name| name.parse().map_err(D::Error::custom)).collect()
}

/// The same for a list that may be absent.
pub(super) mod optional {
    use ocpp_gateway_core::Version;
    use serde::{Deserializer, Serializer};

    pub(in crate::config) fn serialize<S: Serializer>(
        versions: &Option<Vec<Version>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match versions {
            Some(versions) => super::serialize(versions, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<Version>>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
