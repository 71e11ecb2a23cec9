//! What is wrong with a configuration.

use std::fmt;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file and key, or the environment variable.
    pub place: String,
    pub problem: String,
}

/// Everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, Fault { place, problem }) in self.0.iter().enumerate() {
            let separator = if line == 0 { "" } else { "\n" };
            write!(f, "{separator}{place}: {problem}")?;
        }
        Ok(())
    }
}
