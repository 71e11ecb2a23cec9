//! Access rules of a listener: which addresses may connect.

use super::network::Network;
use super::values::written_as_text;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `allow` or `deny`, and an address, a network or `all`: `"deny 10.1.0.0/16"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessRule {
    allows: bool,
    /// `None`: every address.
    network: Option<Network>,
}

/// The text is no access rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rule such as \"allow 10.0.0.0/8\" or \"deny all\"")]
pub struct BadAccessRule(String);

/// Whether a client with this address may connect: the first rule that names it decides. An address that no rule names may.
pub fn may_connect(rules: &[AccessRule], address: IpAddr) -> bool {
    let address = address.to_canonical();
    let first = rules.iter().find(|rule| rule.network.is_none_or(|network| network.contains(address)));
    first.is_none_or(|rule| rule.allows)
}

/// The rules that decide about no address, because an earlier one names all of theirs: the places of both. Those behind
/// a rule for all addresses are not among them.
pub(super) fn covered(rules: &[AccessRule]) -> Vec<(usize, usize)> {
    let covering = |place: usize| rules[..place].iter().position(|earlier| earlier.covers(rules[place]));
    (0..rules.len()).filter_map(|place| Some((place, covering(place)?))).collect()
}

impl AccessRule {
    /// Whether this rule is for a network that has all addresses of the other one.
    fn covers(self, other: AccessRule) -> bool {
        self.network.zip(other.network).is_some_and(|(own, other)| own.covers(&other))
    }

    /// Whether the rule names every address, so that those behind it have no effect.
    pub fn is_last(self) -> bool {
        self.network.is_none()
    }

    pub fn allows(self) -> bool {
        self.allows
    }
}

impl FromStr for AccessRule {
    type Err = BadAccessRule;
    fn from_str(text: &str) -> Result<Self, BadAccessRule> {
        let bad = || BadAccessRule(text.to_owned());
        let (word, who) = text.trim().split_once(char::is_whitespace).ok_or_else(bad)?;
        let allows = match word {
            "allow" => true,
            "deny" => false,
            _ => return Err(bad()),
        };
        let network = match who.trim() {
            "all" => None,
            network => Some(network.parse().map_err(|_| bad())?),
        };
        Ok(AccessRule { allows, network })
    }
}

impl fmt::Display for AccessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.allows { "allow " } else { "deny " })?;
        match &self.network {
            Some(network) => network.fmt(f),
            None => f.write_str("all"),
        }
    }
}

written_as_text!(AccessRule, "a rule such as \"allow 10.0.0.0/8\"");

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<AccessRule> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    #[test]
    fn first_rule_that_names_an_address_decides() {
        let rules = rules(&["deny 10.1.0.0/16", "allow 10.0.0.0/8", "allow fd00::/8", "deny all"]);
        for (address, may) in [
            ("10.1.2.3", false),
            ("10.2.0.1", true),
            ("::ffff:10.2.0.1", true),
            ("fd00::1", true),
            ("192.168.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(may_connect(&rules, address.parse().expect("an address")), may, "{address}");
        }
    }

    #[test]
    fn address_that_no_rule_names_may_connect() {
        let address = "10.0.0.1".parse().expect("an address");
        assert!(may_connect(&[], address));
        assert!(may_connect(&rules(&["deny 10.0.0.2"]), address));
    }

    #[test]
    fn rule_whose_addresses_an_earlier_one_names_is_covered() {
        for (texts, expected) in [
            (&["allow 10.0.0.0/8", "deny 10.1.0.0/16", "deny all"][..], &[(1, 0)][..]),
            (&["allow fd00::/8", "deny 192.168.0.0/16", "deny fd12::1", "allow fd00::/9"], &[(2, 0), (3, 0)]),
            (&["deny 10.1.0.0/16", "allow 10.0.0.0/8", "deny 10.1.0.0/16"], &[(2, 0)]),
            (&["deny 10.1.0.0/16", "allow 10.0.0.0/8", "allow fd00::/8", "deny all"], &[]),
            // A fault of its own.
            (&["allow all", "deny 10.0.0.0/8"], &[]),
        ] {
            assert_eq!(covered(&rules(texts)), expected, "{texts:?}");
        }
    }

    #[test]
    fn rules_are_read_and_written() {
        for text in ["allow all", "deny 10.0.0.0/8", "allow fd00::/8", "deny 10.0.0.1"] {
            assert_eq!(text.parse::<AccessRule>().expect(text).to_string(), text);
        }
        assert_eq!(" deny   all ".parse::<AccessRule>().expect("a rule").to_string(), "deny all");
        for text in ["", "allow", "deny 10.0.0.0/33", "permit all", "Allow all", "deny all of them", "10.0.0.0/8"] {
            assert_eq!(text.parse::<AccessRule>(), Err(BadAccessRule(text.into())));
        }
    }
}
