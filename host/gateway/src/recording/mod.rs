//! What passes the gateway, as JSON: one object a line. A recording is a file of such lines, and what an operator
//! watches is the same.
//!
//! - `line`: a line, of any event; `message`: a message that passed the transforms.
//! - `mqtt_message`, `trace`: what it was, and what each transform made of a message.

mod line;
mod message;
mod mqtt_message;
mod trace;

pub use line::{FORMAT, LineHead};
pub use message::RecordedMessage;
pub use mqtt_message::MqttMessage;
pub use trace::{LogLine, Step, StepAction, StepInput, StepVersion};
