//! The version of the format.

/// The version of the format, `v` in each line. Members may be added under the same number; what exists keeps its name
/// and meaning.
pub const FORMAT: u32 = 1;
