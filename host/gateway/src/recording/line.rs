//! One line.

use serde::{Deserialize, Serialize};

/// The version of the format. Members may be added under the same number; what exists keeps its name and meaning.
pub const FORMAT: u32 = 1;

/// What every line has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineHead {
    /// [`FORMAT`].
    #[serde(rename = "v")]
    pub format: u32,
    /// `message`, or the name of another event, without which a message can be replayed.
    pub event: String,
}
