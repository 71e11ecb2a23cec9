//! Pseudonyms of tags.

use data_encoding::BASE32_NOPAD;
use hmac::digest::InvalidLength;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Length in characters: the most that OCPP 1.6 allows (CiString20Type); 2.x allows 36. One length for both gives a
/// card the same pseudonym, whichever version a charge point speaks. At 5 bits a character, a million cards share none.
const LENGTH: usize = 20;
/// The bytes of the hash that are used for that many characters.
const USED: usize = (LENGTH * 5).div_ceil(8);

/// HMAC-SHA-256 (RFC 2104) in base 32 (RFC 4648), cut to 20 characters.
pub(crate) struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    pub(crate) fn new(key: &str) -> Result<Self, InvalidLength> {
        Hmac::new_from_slice(key.as_bytes()).map(Pseudonyms)
    }

    /// The pseudonym of a tag. It is the same whatever the case of the tag: OCPP compares tags without regard to case.
    /// Only the case of A to Z is ignored, which is the same in every language.
    pub(crate) fn of(&self, tag: &str) -> String {
        let mut keyed = self.0.clone();
        keyed.update(tag.to_ascii_uppercase().as_bytes());
        let mut pseudonym = BASE32_NOPAD.encode(&keyed.finalize().into_bytes()[..USED]);
        pseudonym.truncate(LENGTH);
        pseudonym
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn pseudonym(key: &str, tag: &str) -> String {
        Pseudonyms::new(key).expect("any length will do").of(tag)
    }

    /// The same in Python. `tag.upper()` would make `STRASSE` of `straße`.
    const RECIPE: &str = r#"base64.b32encode(hmac.digest(key, tag.encode().upper(), "sha256"))[:20]"#;

    /// The expected texts are the results of [`RECIPE`].
    #[test]
    fn pseudonym_is_the_result_of_the_recipe_in_the_readme() {
        for (tag, computed) in [
            ("04A2B3C4D5E680", "JOYMJUAK3MAPEPAGRGAY"),
            ("04a2b3c4d5e680", "JOYMJUAK3MAPEPAGRGAY"),
            ("straße-é", "RRSAL4B4LML4YA3Y2B63"),
        ] {
            assert_eq!(pseudonym(KEY, tag), computed, "{tag}");
        }
        assert!(include_str!("../README.md").contains(RECIPE), "the README has another recipe");
    }

    #[test]
    fn pseudonym_depends_on_key_and_tag_but_not_on_case() {
        assert_eq!(pseudonym(KEY, "04a2b3c4d5e680"), pseudonym(KEY, "04A2B3C4D5E680"));
        assert_ne!(pseudonym(KEY, "04A2B3C4D5E681"), pseudonym(KEY, "04A2B3C4D5E680"));
        assert_ne!(pseudonym("another key of thirty-two bytes..", "04A2"), pseudonym(KEY, "04A2"));
    }

    #[test]
    fn pseudonym_has_a_legal_form_for_a_tag() {
        for tag in ["1", "04A2B3C4D5E680", &"x".repeat(255), "é"] {
            let pseudonym = pseudonym(KEY, tag);
            assert_eq!(pseudonym.len(), LENGTH);
            assert!(pseudonym.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
        }
    }
}
