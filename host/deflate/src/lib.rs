//! permessage-deflate (RFC 7692) for the server side of a WebSocket, as a layer between the stream and tungstenite.
//!
//! [`negotiate`] answers the client's offers in the handshake. [`DeflateStream`] is the stream from then on: it reads
//! frames from the client and shows compressed messages to tungstenite as uncompressed ones, and compresses the
//! messages that tungstenite writes. tungstenite needs no knowledge of the extension.
//!
//! ```
//! use ocpp_gateway_deflate::{Settings, negotiate};
//!
//! let offers = ["permessage-deflate; client_max_window_bits"];
//! let agreed = negotiate(offers, &Settings::default()).expect("an acceptable offer");
//! let response = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
//! assert_eq!(agreed.to_string(), response);
//! ```
//!
//! # What passes unchanged
//!
//! Uncompressed messages and control frames. They are read into the buffer of the caller and not copied again; of their
//! bytes, only the headers are looked at. So are frames that break the protocol: RSV1 on a control frame or on a
//! continuation, RSV2, RSV3, unknown opcodes. tungstenite refuses them, with close code 1002. The layer itself
//! refuses what it would hide from tungstenite: a message that begins inside a compressed one, and compressed
//! frames without a mask.
//!
//! # How a compressed message is shown
//!
//! The length of a frame comes before its payload, but the length of a compressed message is known when it is
//! inflated. So a message that inflates to at most [`SMALL`] bytes is shown as one frame, and a larger one as
//! fragments of about as many bytes, each inflated when tungstenite reads it. Control frames that arrive within a
//! message are shown before it or between its fragments.
//!
//! # Memory
//!
//! Without context takeover, a connection holds no (de)compressor between messages: each thread has a few, and a
//! message borrows one. Buffers are freed when they are empty. A message that is not small, compressed or inflated, is
//! held back until the owner of the stream has reserved memory for it, if [`Limits::waits_for_memory`] is set:
//! [`DeflateStream::wanted`] tells how much, [`DeflateStream::allow`] lets the message arrive. Until then, the layer
//! holds at most [`SMALL`] bytes of it and what one read brought, and no decompressor.
//!
//! With context takeover, a connection keeps a decompressor of 48 KiB and a compressor of 250 to 380 KiB, depending on
//! its window, from its first compressed message in that direction on.
//!
//! # Errors
//!
//! An error of the layer is an [`std::io::Error`] that contains a [`DeflateError`] ([`DeflateError::find`]), which
//! names the close code. Frames can still be written after it. Whatever is read after it, or after the stream was shut
//! down, are the bytes of the client as they arrive, so that they can be read to the end.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod codec;
mod error;
mod frame;
mod incoming;
mod message;
mod negotiate;
mod outgoing;
mod queue;
mod settings;
mod stream;

pub use error::DeflateError;
pub use message::SMALL;
pub use negotiate::negotiate;
pub use settings::{Agreed, Limits, Settings, WindowBits};
pub use stream::DeflateStream;
