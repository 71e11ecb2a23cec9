//! How much of an event is written.

/// The longest message, in characters; the rest is cut off.
pub(super) const MAX_MESSAGE: usize = 4096;
/// The longest value of a field, in characters: ids, actions, addresses and errors are shorter.
pub(super) const MAX_VALUE: usize = 512;
/// The name that `tracing` gives the text of an event.
pub(super) const MESSAGE: &str = "message";

pub(super) fn longest(field: &str) -> usize {
    if field == MESSAGE { MAX_MESSAGE } else { MAX_VALUE }
}
