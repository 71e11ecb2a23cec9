//! Whether the files of the drop-in directory are used, and if not, why.

use std::time::SystemTime;

/// The files of one drop-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropInStatus {
    /// Their names in the directory.
    pub files: Vec<String>,
    /// The name of the transform, unless the files have no valid name.
    pub transform: Option<String>,
    /// Why they are not used. The version before runs on, if there was one.
    pub fault: Option<DropInFault>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropInFault {
    pub text: String,
    pub since: SystemTime,
}
