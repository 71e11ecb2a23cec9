//! The names of the WIT package (`wit/transform.wit`), and the interfaces of it that the gateway offers.

/// The part before `/` in the name of an interface.
pub(crate) const PACKAGE: &str = "ocpp-gateway:transform";
/// The version of the package that this host implements.
pub(crate) const VERSION: &str = "1.0.0";

/// What a component may import.
pub(crate) const IMPORTS: &str = "log, state, metrics and clock of ocpp-gateway:transform, and WASI 0.2";
pub(crate) const OFFERED: [&str; 5] = ["types", "log", "state", "metrics", "clock"];

/// `ocpp-gateway:transform/log@1.0.0`, split into its parts.
pub(crate) struct Interface<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

impl<'a> Interface<'a> {
    /// `None`: it is not of this package.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let name = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
        let (name, version) = name.split_once('@').unwrap_or((name, "(none)"));
        Some(Interface { name, version })
    }

    pub(crate) fn is_called(full: &str, wanted: &str) -> bool {
        Interface::parse(full).is_some_and(|interface| interface.name == wanted)
    }

    /// Each 1.x only adds to 1.0.
    pub(crate) fn is_compatible(&self) -> bool {
        self.version.starts_with("1.") && !self.version.contains('-')
    }
}
