//! What attributes cost: they are open-ended, and handed to each stage that follows.

use crate::error::IllegalOutput;
use ocpp_gateway_core::Attributes;

/// So many may stand in one list.
const MOST: usize = 128;
/// What one costs beside its characters, in bytes: two strings, each with a place of its own in memory.
const ENTRY: usize = 64;
/// All that one transform may say of a charge point that it lets in. It is kept as long as the connection, and copied into
/// each call.
const OF_A_PEER: usize = 16 << 10;

/// In bytes, with all that they cost.
pub(crate) fn size(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, value)| ENTRY + name.len() + value.len()).sum()
}

/// Refuses a list that is too long.
pub(crate) fn check(attributes: &Attributes) -> Result<(), IllegalOutput> {
    let count = attributes.len();
    if count > MOST { Err(IllegalOutput::TooManyAttributes { count, limit: MOST }) } else { Ok(()) }
}

/// The same for one that is kept with a connection, or with a transform.
pub(crate) fn check_kept(attributes: &Attributes) -> Result<(), IllegalOutput> {
    check(attributes)?;
    let bytes = size(attributes);
    if bytes > OF_A_PEER { Err(IllegalOutput::TooLarge { bytes, limit: OF_A_PEER }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_count_and_not_their_characters_alone() {
        let of = |count: usize, length: usize| vec![(String::new(), "x".repeat(length)); count];
        assert_eq!(check(&of(128, 1000)), Ok(()));
        assert_eq!(check(&of(129, 0)), Err(IllegalOutput::TooManyAttributes { count: 129, limit: 128 }));
        assert_eq!(check_kept(&of(128, 64)), Ok(()));
        assert_eq!(check_kept(&of(128, 65)), Err(IllegalOutput::TooLarge { bytes: 16_512, limit: 16_384 }));
    }
}
