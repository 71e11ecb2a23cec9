//! What is configured, and what was agreed on with a client.

use std::fmt;

/// The base-2 logarithm of the size of a window: 8 to 15, for 256 bytes to 32 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: WindowBits = WindowBits(8);
    /// 32 KiB: what holds if nothing else is agreed on.
    pub const MAX: WindowBits = WindowBits(15);

    /// `None`: not between 8 and 15.
    pub fn new(bits: u8) -> Option<Self> {
        (8..=15).contains(&bits).then_some(WindowBits(bits))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// The settings of the extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How much time compression may take: 1 (fastest) to 9 (smallest).
    pub level: u8,
    /// Messages of fewer bytes are sent uncompressed.
    pub threshold: usize,
    /// The gateway may refer to earlier messages when it compresses. Each connection then keeps a compressor.
    pub server_takeover: bool,
    /// The client may refer to earlier messages when it compresses. Each connection then keeps a decompressor.
    pub client_takeover: bool,
    /// The largest window for messages of the gateway.
    pub server_window: WindowBits,
    /// The largest window for messages of the client.
    pub client_window: WindowBits,
}

impl Default for Settings {
    /// No context takeover, and no limits on windows. Level 1 makes 30 % of a MeterValues of 1.5 KB, in 5 µs; level 2
    /// makes 26 % of it, in three times that (`examples/deflate_figures.rs`).
    fn default() -> Self {
        Settings {
            level: 1,
            threshold: 256,
            server_takeover: false,
            client_takeover: false,
            server_window: WindowBits::MAX,
            client_window: WindowBits::MAX,
        }
    }
}

/// What was agreed on in the handshake. Displays as the value of the response's `Sec-WebSocket-Extensions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    pub(crate) compression: Compression,
    pub(crate) client_takeover: bool,
    /// Only for the response: a decompressor takes any window.
    pub(crate) client_window: WindowBits,
}

/// How messages of the gateway are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compression {
    pub(crate) threshold: u32,
    pub(crate) level: u8,
    pub(crate) window: WindowBits,
    pub(crate) is_takeover: bool,
}

impl Agreed {
    /// Whether messages of the gateway may refer to earlier ones.
    pub fn server_takeover(&self) -> bool {
        self.compression.is_takeover
    }

    /// Whether messages of the client may refer to earlier ones.
    pub fn client_takeover(&self) -> bool {
        self.client_takeover
    }

    /// The window for messages of the gateway.
    pub fn server_window(&self) -> WindowBits {
        self.compression.window
    }

    /// The window for messages of the client.
    pub fn client_window(&self) -> WindowBits {
        self.client_window
    }
}

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate")?;
        if !self.server_takeover() {
            f.write_str("; server_no_context_takeover")?;
        }
        if !self.client_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if self.server_window() < WindowBits::MAX {
            write!(f, "; server_max_window_bits={}", self.server_window().get())?;
        }
        if self.client_window < WindowBits::MAX {
            write!(f, "; client_max_window_bits={}", self.client_window.get())?;
        }
        Ok(())
    }
}

/// The limits on arriving messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes. A message that inflates to more ends the connection, and so does one of more than twice as many
    /// compressed bytes.
    pub max_message_size: usize,
    /// A message that is not small waits for [`DeflateStream::allow`](crate::DeflateStream::allow).
    pub waits_for_memory: bool,
}
