//! What the gateway may use of the machine.

use super::values::{Bytes, Span};
use serde::{Deserialize, Serialize};

/// What it may use of the machine.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    /// Threads that serve sockets and run transforms.
    pub threads: usize,
    /// How long a busy thread lets messages gather before it is woken for them, if it is the only one: see
    /// `charge_point::coalescing`.
    pub coalesce: Span,
    /// What queued messages of all charge points may take, half of it in each direction.
    pub queue_memory: Bytes,
    /// Of a processor, for one component.
    pub compile_time: Span,
    /// Of the process that compiles one component.
    pub compile_memory: Bytes,
    /// Functions of one component.
    pub compile_functions: usize,
}

impl Default for RuntimeConfig {
    /// Half of the processors. The broker wants some too; and threads that take tasks from each other wake each other
    /// for each message, which costs more than they gain as long as fewer of them are not fully busy.
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
