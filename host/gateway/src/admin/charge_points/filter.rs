//! Which charge points a list selects.

use super::listed::Listed;
use ocpp_gateway_core::Version;
use std::fmt::Write as _;

/// A charge point is selected if all that is set holds for it.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) version: Option<Version>,
    /// The name of a listener.
    pub(super) listener: Option<String>,
    /// Part of identity, address, vendor or model.
    pub(super) search: Option<AnyCase>,
    pub(super) vendor: Option<AnyCase>,
    pub(super) model: Option<AnyCase>,
    /// The status of one of its connectors.
    pub(super) status: Option<AnyCase>,
}

impl Filter {
    pub(super) fn is_empty(&self) -> bool {
        let Filter { version, listener, search, vendor, model, status } = self;
        version.is_none() && listener.is_none() && [search, vendor, model, status].into_iter().all(Option::is_none)
    }

    /// `scratch`: memory for the text of an address, reused.
    pub(super) fn selects(&self, listed: &Listed, scratch: &mut String) -> bool {
        let Filter { version, listener, search, vendor, model, status } = self;
        if version.is_some_and(|version| version != listed.version()) {
            return false;
        }
        if listener.as_ref().is_some_and(|listener| **listener != *listed.arrival().listener) {
            return false;
        }
        let mut search = search.as_ref();
        search.take_if(|search| search.is_in(listed.id()) || search.is_in_address(listed, scratch));
        if search.is_none() && [vendor, model, status].into_iter().all(Option::is_none) {
            return true;
        }
        listed.facts().with(|known| {
            let boot = known.boot.as_deref();
            let (its_vendor, its_model) =
                (boot.and_then(|it| it.vendor.as_deref()), boot.and_then(|it| it.model.as_deref()));
            let equals = |wanted: &Option<AnyCase>, text: Option<&str>| {
                wanted.as_ref().is_none_or(|wanted| text.is_some_and(|text| wanted.equals(text)))
            };
            equals(vendor, its_vendor)
                && equals(model, its_model)
                && search.is_none_or(|search| [its_vendor, its_model].into_iter().flatten().any(|it| search.is_in(it)))
                && status.as_ref().is_none_or(|status| known.connectors.iter().any(|it| status.equals(&it.status)))
        })
    }
}

/// A text that is compared without regard to case, and not empty.
#[derive(Debug)]
pub(super) struct AnyCase(String);

impl AnyCase {
    /// `None`: the text is empty, and selects all.
    pub(super) fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| AnyCase(text.to_lowercase()))
    }

    fn equals(&self, text: &str) -> bool {
        self.0.eq_ignore_ascii_case(text) || !text.is_ascii() && self.0 == text.to_lowercase()
    }

    fn is_in(&self, text: &str) -> bool {
        if !text.is_ascii() {
            return text.to_lowercase().contains(&self.0);
        }
        text.as_bytes().windows(self.0.len()).any(|part| part.eq_ignore_ascii_case(self.0.as_bytes()))
    }

    fn is_in_address(&self, listed: &Listed, scratch: &mut String) -> bool {
        let is_possible = self.0.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'));
        if !is_possible {
            return false;
        }
        scratch.clear();
        // Without its port, a number like many identities. A text takes everything.
        let _ = write!(scratch, "{}", listed.arrival().address.ip);
        self.is_in(scratch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_without_regard_to_case() {
        let any_case = |text| AnyCase::new(text).expect("not empty");
        for (wanted, text, equals, is_in) in [
            ("acme", "ACME", true, true),
            ("CM", "acme", false, true),
            ("säule", "SÄULE", true, true),
            ("SÄU", "Die Säule", false, true),
            ("acme", "acm", false, false),
            ("acme", "", false, false),
            ("é", "e", false, false),
        ] {
            assert_eq!(
                (any_case(wanted).equals(text), any_case(wanted).is_in(text)),
                (equals, is_in),
                "{wanted} {text}"
            );
        }
        assert!(AnyCase::new("").is_none());
    }
}
