//! A compressed message that arrives.

use crate::codec::{Decompressor, TAIL};
use crate::error::DeflateError;
use crate::frame::{self, CONTINUATION, FINAL, Header, HeaderBuffer, OPCODE, SHOWN_HEADER};
use crate::queue::Queue;

/// Bytes. A message of at most this size, compressed and inflated, is shown as one frame and never held back. Larger
/// ones are shown in fragments of about this size.
pub const SMALL: usize = 4 << 10;

/// Behind the tail: a message that ends in the middle of a block does not end with it.
const EMPTY_FINAL_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// A compressed message, from the first byte of its first frame until all of it is shown.
pub(crate) struct Message {
    /// Text or binary; [`CONTINUATION`] once the first frame is shown.
    opcode: u8,
    frame: Frame,
    /// Compressed bytes without mask that are not inflated yet.
    packed: Queue,
    /// Compressed bytes, including all of the current frame.
    packed_size: u64,
    /// Bytes that were inflated and shown.
    shown: usize,
    /// All frames have arrived.
    is_complete: bool,
    /// Bytes of the tail at the end of `packed`.
    tail: u8,
    /// `packed` may be empty, and the decompressor have output that found no room.
    is_output_full: bool,
    /// A final block ended with the latest byte that was inflated.
    is_after_end: bool,
    /// The decompressor has a history, so it cannot begin again.
    is_takeover: bool,
    /// Memory is reserved for the message, or does not have to be.
    is_allowed: bool,
    /// It does not go on before it is allowed.
    is_waiting: bool,
    decompressor: Option<Decompressor>,
}

/// The frame that arrives.
#[derive(Debug, Default)]
struct Frame {
    header: HeaderBuffer,
    /// Bytes of the payload that are still to come.
    left: u64,
    is_final: bool,
    /// For the next byte.
    mask: [u8; 4],
}

/// What comes next of a message.
pub(crate) enum Next {
    /// A frame to show.
    Frame(Queue),
    /// The last one, and the decompressor if it stays with the connection.
    Last(Queue, Option<Decompressor>),
    NeedsBytes,
    NeedsMemory,
}

impl Message {
    /// `kept`: the decompressor of the connection. `is_takeover`: see [`Next::Last`].
    pub(crate) fn new(opcode: u8, is_takeover: bool, is_allowed: bool, kept: Option<Decompressor>) -> Self {
        Message {
            opcode,
            frame: Frame::default(),
            packed: Queue::default(),
            packed_size: 0,
            shown: 0,
            is_complete: false,
            tail: 0,
            is_output_full: false,
            is_after_end: false,
            is_takeover,
            is_allowed,
            is_waiting: false,
            decompressor: kept,
        }
    }

    /// The next byte is the first of a frame.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.frame.left == 0 && self.frame.header.is_empty()
    }

    /// Takes bytes of the current frame, or of the one that begins: how many.
    pub(crate) fn take(&mut self, bytes: &[u8], max_message_size: usize) -> Result<usize, DeflateError> {
        let mut head = 0;
        if self.frame.left == 0 {
            let (taken, Some(header)) = self.frame.header.add(bytes) else { return Ok(bytes.len()) };
            head = taken;
            self.begin_frame(&header, max_message_size)?;
        }
        let payload = usize::try_from(self.frame.left).unwrap_or(usize::MAX).min(bytes.len() - head);
        self.frame.left -= payload as u64;
        frame::unmask(self.packed.buffer(), &bytes[head..head + payload], &mut self.frame.mask);
        if self.frame.left == 0 && self.frame.is_final {
            self.complete();
        }
        Ok(head + payload)
    }

    fn begin_frame(&mut self, header: &Header, max_message_size: usize) -> Result<(), DeflateError> {
        let Some(mask) = header.mask else {
            return Err(DeflateError::Protocol("a frame of a client without a mask"));
        };
        self.packed_size = self.packed_size.saturating_add(header.length);
        // Flushing often makes a message longer, but not twice as long. This limits the time for empty blocks.
        let longest = max_message_size.saturating_mul(2).saturating_add(1024);
        if self.packed_size > u64::try_from(longest).unwrap_or(u64::MAX) {
            return Err(DeflateError::TooLarge(max_message_size));
        }
        (self.frame.left, self.frame.mask, self.frame.is_final) = (header.length, mask, header.is_final());
        Ok(())
    }

    /// All frames have arrived.
    fn complete(&mut self) {
        self.is_complete = true;
        let packed = self.packed.buffer();
        // A sender leaves the tail out. The data of one that does not ends with a byte that no other data ends with.
        let has_tail = packed.ends_with(&TAIL);
        let end = if self.is_takeover || self.packed_size == 0 { &[][..] } else { &EMPTY_FINAL_BLOCK };
        let tail = [if has_tail { &[][..] } else { &TAIL }, end].concat();
        packed.extend_from_slice(&tail);
        self.tail = tail.len() as u8;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(crate) fn allow(&mut self) {
        (self.is_allowed, self.is_waiting) = (true, false);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    pub(crate) fn next(&mut self, max_message_size: usize) -> Result<Next, DeflateError> {
        if !self.is_allowed {
            self.is_waiting |= self.packed_size > SMALL as u64;
            if self.is_waiting {
                return Ok(Next::NeedsMemory);
            }
        }
        if !self.is_complete && !self.is_output_full && self.packed.len() < SMALL {
            return Ok(Next::NeedsBytes);
        }
        // One byte more shows whether the message is small.
        let longest = if self.shown == 0 { SMALL + 1 } else { SMALL };
        let room = longest.min(max_message_size.saturating_sub(self.shown).saturating_add(1));
        let mut frame = vec![0; SHOWN_HEADER + room];
        let mut decompressor = self.decompressor.take().unwrap_or_else(Decompressor::borrow);
        let (read, written, is_done) = self.inflate(&mut decompressor, &mut frame[SHOWN_HEADER..])?;
        if !is_done && !self.is_allowed {
            // It begins again once there is memory.
            decompressor.give_back();
            self.is_waiting = true;
            return Ok(Next::NeedsMemory);
        }
        self.packed.take(read);
        self.shown += written;
        if self.shown > max_message_size {
            decompressor.give_back();
            return Err(DeflateError::TooLarge(max_message_size));
        }
        frame.truncate(SHOWN_HEADER + written);
        if is_done {
            let kept = if self.is_takeover {
                Some(decompressor)
            } else {
                decompressor.give_back();
                None
            };
            return Ok(Next::Last(self.show(frame, FINAL), kept));
        }
        self.is_output_full = written == room;
        self.decompressor = Some(decompressor);
        Ok(if written == 0 { Next::NeedsBytes } else { Next::Frame(self.show(frame, 0)) })
    }

    /// Fills `room` from `packed`: the bytes read and written, and whether the message ends with them.
    fn inflate(
        &mut self,
        decompressor: &mut Decompressor,
        room: &mut [u8],
    ) -> Result<(usize, usize, bool), DeflateError> {
        // The last bytes may be a tail.
        let kept = if self.is_complete { 0 } else { TAIL.len() };
        let packed = self.packed.as_slice();
        let packed = &packed[..packed.len().saturating_sub(kept)];
        let (mut read, mut written) = (0, 0);
        let mut is_after_end = self.is_after_end;
        loop {
            let left = packed.len() - read;
            // A final block needs no tail behind it, and nothing follows the one in the checked tail.
            if is_after_end && self.is_complete && (left == 0 || left == usize::from(self.tail)) {
                return Ok((packed.len(), written, true));
            }
            let done = decompressor.run(&packed[read..], &mut room[written..])?;
            (read, written) = (read + done.read, written + done.written);
            if done.is_end {
                decompressor.reset();
            }
            is_after_end = done.is_end || is_after_end && done.read == 0;
            let is_full = written == room.len();
            if is_full || read == packed.len() && !done.is_end {
                // Cut off in a block, if the final one of the tail has not ended.
                let is_done = self.is_complete && !is_full && (self.is_takeover || self.packed_size == 0);
                if self.is_complete && !is_full && !is_done {
                    return Err(DeflateError::Invalid("it ends within a block"));
                }
                self.is_after_end = is_after_end && self.is_allowed;
                return Ok((read, written, is_done));
            }
            if done.read == 0 && done.written == 0 && !done.is_end {
                return Err(DeflateError::Invalid("it ends within a block"));
            }
        }
    }

    fn show(&mut self, mut frame: Vec<u8>, last: u8) -> Queue {
        let start = frame::show(&mut frame, last | self.opcode & OPCODE);
        self.opcode = CONTINUATION;
        Queue::from_vec(frame, start)
    }
}
