//! Boundaries of WebSocket frames in incoming data (RFC 6455 section 5.2).
//!
//! tungstenite parses frames, but reports a message only when it is complete. Its size has to be known earlier, to
//! reserve memory for it.

/// Bytes of the longest header: opcode, length and extended length. The mask counts as part of the payload.
const MAX_HEADER: usize = 10;
const MASK: u32 = 4;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTROL: u8 = 0x08;

/// Parses the headers of a stream of frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; MAX_HEADER],
    /// Bytes of the next frame's header that have arrived. 0 once it is complete.
    header_length: u8,
    /// Of the frame with the latest complete header.
    is_final: bool,
    is_control: bool,
    /// Bytes of its payload that have not arrived.
    missing: u32,
    /// Payload bytes of the current message, including all of the current frame. 0 between messages.
    message: u32,
    /// The message has more than one frame.
    is_fragmented: bool,
    /// Complete messages and control frames that were not taken out.
    complete: u16,
}

impl Frames {
    /// Processes bytes that have arrived.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.missing == 0 {
                let (&first, rest) = bytes.split_first().unwrap_or((&0, &[]));
                bytes = rest;
                self.add_to_header(first);
            } else {
                let here = usize::try_from(self.missing).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[here..];
                self.missing = self.missing.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
                self.end_frame();
            }
        }
    }

    fn add_to_header(&mut self, byte: u8) {
        // Never full: a header of ten bytes is complete.
        if let Some(next) = self.header.get_mut(usize::from(self.header_length)) {
            *next = byte;
        }
        self.header_length += 1;
        let [first, second, length @ ..] = &self.header;
        let (head, short) = (usize::from(self.header_length), u64::from(second & !MASKED));
        let long = match short {
            126 if head == 4 => u64::from(u16::from_be_bytes([length[0], length[1]])),
            127 if head == 10 => u64::from_be_bytes(*length),
            0..=125 if head == 2 => short,
            _ => return,
        };
        // Frames of more than 4 GiB are never accepted, so the length may saturate.
        let long = u32::try_from(long).unwrap_or(u32::MAX);
        let mask = if second & MASKED == 0 { 0 } else { MASK };
        (self.is_final, self.is_control) = (first & FINAL != 0, first & CONTROL != 0);
        (self.header_length, self.missing) = (0, long.saturating_add(mask));
        if !self.is_control {
            self.message = self.message.saturating_add(long);
            self.is_fragmented |= !self.is_final;
        }
        self.end_frame();
    }

    fn end_frame(&mut self) {
        if self.missing > 0 {
            return;
        }
        if self.is_control {
            self.complete = self.complete.saturating_add(1);
        } else if self.is_final {
            self.complete = self.complete.saturating_add(1);
            (self.message, self.is_fragmented) = (0, false);
        }
    }

    /// Size in bytes of the arriving message. `longest` for a message in several frames that exceeds `small`, because
    /// its final size is unknown. 0 between messages.
    pub(super) fn message_size(&self, small: usize, longest: usize) -> usize {
        let size = usize::try_from(self.message).unwrap_or(usize::MAX).min(longest);
        if self.is_fragmented && size > small { longest } else { size }
    }

    /// Bytes of the current frame that have not arrived. 0 if its header is incomplete.
    pub(super) fn missing(&self) -> usize {
        usize::try_from(self.missing).unwrap_or(usize::MAX)
    }

    /// Counts that a complete message or control frame was taken out.
    pub(super) fn take(&mut self) {
        self.complete = self.complete.saturating_sub(1);
    }

    /// Whether everything that arrived was taken out.
    pub(super) fn is_empty(&self) -> bool {
        self.complete == 0 && self.missing == 0 && self.header_length == 0 && self.message == 0 && !self.is_fragmented
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: usize = 100;
    const MAX_SIZE: usize = 100_000;

    /// A masked frame.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(MASKED | length as u8),
            126..65_536 => frame.extend([&[MASKED | 126][..], &(length as u16).to_be_bytes()].concat()),
            _ => frame.extend([&[MASKED | 127][..], &(length as u64).to_be_bytes()].concat()),
        }
        frame.extend([0; MASK as usize]);
        frame.extend(vec![b'x'; length]);
        frame
    }

    const TEXT: u8 = FINAL | 1;
    const FIRST: u8 = 1;
    const MORE: u8 = 0;
    const LAST: u8 = FINAL;
    const PING: u8 = FINAL | 9;

    fn size(frames: &Frames) -> usize {
        frames.message_size(SMALL, MAX_SIZE)
    }

    #[test]
    fn frames_are_parsed_wherever_the_stream_is_split() {
        let lengths = [0, 1, 125, 126, 200, 65_535, 65_536, 70_000];
        let stream: Vec<u8> = lengths.iter().flat_map(|length| frame(TEXT, *length)).collect();
        for cut in [1, 2, 3, 7, 1000, stream.len()] {
            let mut frames = Frames::default();
            for bytes in stream.chunks(cut) {
                frames.advance(bytes);
            }
            assert_eq!((frames.complete, frames.missing, frames.header_length), (8, 0, 0), "{cut}");
            assert!(!frames.is_empty());
            lengths.iter().for_each(|_| frames.take());
            assert!(frames.is_empty());
        }
    }

    #[test]
    fn message_size_is_known_from_the_header() {
        let mut frames = Frames::default();
        let text = frame(TEXT, 5000);
        frames.advance(&text[..3]);
        assert_eq!((size(&frames), frames.missing()), (0, 0));
        assert!(!frames.is_empty());
        frames.advance(&text[3..4]);
        assert_eq!((size(&frames), frames.missing()), (5000, 5004));
        frames.advance(&text[4..]);
        assert_eq!((size(&frames), frames.missing()), (0, 0));
    }

    #[test]
    fn fragmented_message_counts_as_the_largest_once_it_is_not_small() {
        let mut frames = Frames::default();
        frames.advance(&frame(FIRST, 60));
        assert_eq!(size(&frames), 60);
        frames.advance(&frame(PING, 100));
        assert_eq!((size(&frames), frames.complete), (60, 1), "a ping in between is no part of it");
        frames.advance(&frame(MORE, 41));
        assert_eq!(size(&frames), MAX_SIZE);
        frames.take();
        assert!(!frames.is_empty(), "the message is not complete");
        frames.advance(&frame(LAST, 0));
        assert_eq!((size(&frames), frames.complete), (0, 1));
        frames.advance(&frame(FIRST, 1000)[..8]);
        assert_eq!(size(&frames), MAX_SIZE, "known from the first frame");
    }

    #[test]
    fn oversized_frame_length_saturates() {
        let mut frames = Frames::default();
        frames.advance(&[TEXT, MASKED | 127, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3]);
        assert_eq!(size(&frames), MAX_SIZE);
        frames.advance(&[0; 1000]);
        assert!(!frames.is_empty());
    }
}
