//! Limits on attributes, which are open-ended and passed to each stage that follows.

use crate::error::IllegalOutput;
use ocpp_gateway_core::Attributes;

/// The most attributes in one list.
const MAX_COUNT: usize = 128;
/// The memory of one attribute beside its characters, in bytes: two strings with separate allocations.
const OVERHEAD: usize = 64;
/// The most bytes of attributes kept with a connection or a transform. Those of a connection are copied into each call.
const MAX_KEPT: usize = 16 << 10;

/// Size in bytes, overhead included.
pub(crate) fn size(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, value)| OVERHEAD + name.len() + value.len()).sum()
}

/// Refuses a list that is too long.
pub(crate) fn check(attributes: &Attributes) -> Result<(), IllegalOutput> {
    let count = attributes.len();
    if count > MAX_COUNT { Err(IllegalOutput::TooManyAttributes { count, limit: MAX_COUNT }) } else { Ok(()) }
}

/// Refuses a list that is too long or too large to be kept with a connection or a transform.
pub(crate) fn check_kept(attributes: &Attributes) -> Result<(), IllegalOutput> {
    check(attributes)?;
    let bytes = size(attributes);
    if bytes > MAX_KEPT { Err(IllegalOutput::TooLarge { bytes, limit: MAX_KEPT }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_lists_are_limited_in_entries_and_in_bytes() {
        let of = |count: usize, length: usize| vec![(String::new(), "x".repeat(length)); count];
        assert_eq!(check(&of(128, 1000)), Ok(()));
        assert_eq!(check(&of(129, 0)), Err(IllegalOutput::TooManyAttributes { count: 129, limit: 128 }));
        assert_eq!(check_kept(&of(128, 64)), Ok(()));
        assert_eq!(check_kept(&of(128, 65)), Err(IllegalOutput::TooLarge { bytes: 16_512, limit: 16_384 }));
    }
}
