//! Types of values in a configuration: `"30s"`, `"16MiB"`, `"ocpp1.6"`.

use ocpp_gateway_core::Version;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// A length of time, written as `"30s"`, `"10m"` or `"250ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(Duration);

impl Span {
    pub const fn seconds(seconds: u64) -> Self {
        Span(Duration::from_secs(seconds))
    }

    pub const fn milliseconds(milliseconds: u64) -> Self {
        Span(Duration::from_millis(milliseconds))
    }

    pub const fn microseconds(microseconds: u64) -> Self {
        Span(Duration::from_micros(microseconds))
    }

    pub const fn get(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl FromStr for Span {
    type Err = humantime::DurationError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Without a limit, a deadline could be beyond the range of an instant.
        const MAX_SPAN: Duration = Duration::from_secs(365 * 24 * 3600);
        humantime::parse_duration(text).map(|duration| Span(duration.min(MAX_SPAN)))
    }
}

/// A number of bytes, written as a number or as `"16MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(usize);

impl Bytes {
    pub const fn kibibytes(kibibytes: usize) -> Self {
        Bytes(kibibytes << 10)
    }

    pub const fn mebibytes(mebibytes: usize) -> Self {
        Bytes(mebibytes << 20)
    }

    pub const fn get(self) -> usize {
        self.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 30) == 0 => write!(f, "{}GiB", bytes >> 30),
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => write!(f, "{}MiB", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => write!(f, "{}KiB", bytes >> 10),
            bytes => write!(f, "{bytes}"),
        }
    }
}

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match text[digits.len()..].trim() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            other => return Err(format!("unknown unit {other:?}: expected KiB, MiB or GiB")),
        };
        let number = digits.trim().parse::<usize>().map_err(|_| format!("{text:?} is not a size such as \"16MiB\""))?;
        number.checked_mul(unit).map(Bytes).ok_or_else(|| format!("{text:?} is too large"))
    }
}

/// What to do with a client that offers no subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultVersion {
    Use(Version),
    Refuse,
}

impl fmt::Display for DefaultVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DefaultVersion::Use(version) => version.fmt(f),
            DefaultVersion::Refuse => f.write_str("refuse"),
        }
    }
}

impl FromStr for DefaultVersion {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "refuse" => Ok(DefaultVersion::Refuse),
            _ => text.parse().map(DefaultVersion::Use).map_err(|error| format!("{error}, or \"refuse\"")),
        }
    }
}

/// Implements serde for types that are a text in a configuration, by `Display` and `FromStr`. The second text says what
/// is expected, for errors about values of another type. `or number`: a whole number is read as its digits.
macro_rules! written_as_text {
    ($name:ident, $expected:literal $(, or $number:ident)?) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct WrittenVisitor;
                impl serde::de::Visitor<'_> for WrittenVisitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                    $(fn visit_i64<E: serde::de::Error>(self, $number: i64) -> Result<$name, E> {
                        self.visit_str(&$number.to_string())
                    })?
                }
                deserializer.deserialize_any(WrittenVisitor)
            }
        }
    };
}
pub(super) use written_as_text;
written_as_text!(Span, "a length of time such as \"30s\"");
written_as_text!(DefaultVersion, "an OCPP version such as \"ocpp1.6\", or \"refuse\"");
written_as_text!(Bytes, "a size such as \"16MiB\"", or number);

/// Which charge points may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a list of identities, or the path of a file with one on each line")]
pub enum Identities {
    List(Vec<String>),
    File(PathBuf),
}

impl Identities {
    /// All identities, from the list or the file.
    pub fn read(&self) -> io::Result<HashSet<String>> {
        Ok(match self {
            Identities::List(names) => names.iter().cloned().collect(),
            Identities::File(path) => read_to_string(path)?
                .lines()
                .map(|line| line.trim().to_owned())
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .collect(),
        })
    }
}

/// What to do when a connected charge point connects again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDuplicate {
    /// The new connection wins.
    Replace,
    /// The old one stays.
    Refuse,
}

/// Which messages are validated against the published schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidationMode {
    #[default]
    Off,
    /// Those from charge points.
    Uplink,
    /// Those from back ends.
    Downlink,
    Both,
}

/// Reads a file that the configuration names; the error names it too.
pub(super) fn read_to_string(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
