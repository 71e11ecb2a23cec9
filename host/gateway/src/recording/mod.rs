//! What passes the gateway, as JSON: one object a line. A recording is a file of such lines, and what an operator
//! watches is the same.
//!
//! - `line`: a line, of any event; `message`: a message that passed the transforms.
//! - `trace`: what each transform made of a message.

mod line;
mod message;
mod trace;

pub use line::{FORMAT, LineHead};
pub use message::{MqttMessage, RecordedMessage};
pub use trace::{LogLine, Step, StepAction, StepInput, StepVersion};
