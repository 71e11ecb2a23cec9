//! The layer under tungstenite, against the frames of a client.

mod limits;
mod properties;
mod reading;
mod rfc;
mod support;
mod windows;
mod writing;
