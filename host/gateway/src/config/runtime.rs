//! `[runtime]`: the threads, time and memory that the gateway may use.

use super::values::{Bytes, Span};
use serde::{Deserialize, Serialize};

/// The threads, time and memory that the gateway may use.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    /// Threads that serve sockets and run transforms.
    pub threads: usize,
    /// How long a busy thread sleeps while messages arrive, so that it handles them together, if it is the only thread:
    /// see `charge_point::coalescing`.
    pub coalesce: Span,
    /// The memory for queued messages of all charge points, half of it in each direction.
    pub queue_memory: Bytes,
    /// CPU time for compiling one component.
    pub compile_time: Span,
    /// Address space of the process that compiles one component.
    pub compile_memory: Bytes,
    /// The most functions of one component.
    pub compile_functions: usize,
}

impl Default for RuntimeConfig {
    /// Threads: half of the processors. The broker needs some too. And threads that take tasks from each other wake
    /// each other for each message, which costs more than it gains as long as fewer threads are not fully busy.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        RuntimeConfig {
            threads: (processors / 2).max(1),
            coalesce: Span::microseconds(50),
            queue_memory: Bytes::mebibytes(256),
            compile_time: Span::seconds(60),
            compile_memory: Bytes::mebibytes(2048),
            compile_functions: ocpp_gateway_pipeline::MAX_FUNCTIONS,
        }
    }
}
