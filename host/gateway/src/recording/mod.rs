//! What passes the gateway, as JSON: one object a line. A recording is a file of such lines, and what an operator
//! watches is the same.
//!
//! - `line`: the version of the format; `message`: a message that passed the transforms.
//! - `mqtt_message`, `trace`: what it was, and what each transform made of it.
//! - `replayable`: what of a message a replay needs; `reader`: reads the messages of a recording; `skipped`: the lines
//!   that are none.

mod line;
mod message;
mod mqtt_message;
mod reader;
mod replayable;
mod skipped;
mod trace;

pub use line::FORMAT;
pub use message::RecordedMessage;
pub(crate) use mqtt_message::MessageText;
pub use mqtt_message::MqttMessage;
pub use reader::{MAX_LINE, NextLine, ReadError, Reader};
pub use replayable::{MessageContent, ReplayMessage};
pub(crate) use skipped::counted;
pub use skipped::{LinesOf, SkippedLines};
pub use trace::{LogLine, Step, StepAction, StepInput, StepVersion};
