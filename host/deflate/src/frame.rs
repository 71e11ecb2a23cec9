//! Headers of WebSocket frames (RFC 6455 section 5.2).

pub(crate) const FINAL: u8 = 0x80;
/// The message is compressed (RFC 7692 section 6).
pub(crate) const RSV1: u8 = 0x40;
/// RSV1, RSV2 and RSV3.
pub(crate) const RESERVED: u8 = 0x70;
pub(crate) const OPCODE: u8 = 0x0f;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
const MASKED: u8 = 0x80;

/// Bytes of the longest header, with a mask.
const MAX_HEADER: usize = 14;
/// Bytes of the header of a [shown](show) frame, at most.
pub(crate) const SHOWN_HEADER: usize = 8;

/// A parsed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) first: u8,
    /// Of the payload.
    pub(crate) length: u64,
    pub(crate) mask: Option<[u8; 4]>,
    /// Bytes of the header itself.
    pub(crate) size: usize,
}

impl Header {
    /// The header at the beginning of `bytes`. `None`: it is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Header> {
        let &[first, second, ..] = bytes else { return None };
        let (length, size) = match second & !MASKED {
            126 => (u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            short => (short.into(), 2),
        };
        if second & MASKED == 0 {
            return Some(Header { first, length, mask: None, size });
        }
        let mask = bytes.get(size..size + 4)?.try_into().ok()?;
        Some(Header { first, length, mask: Some(mask), size: size + 4 })
    }

    pub(crate) fn is_final(&self) -> bool {
        self.first & FINAL != 0
    }
}

/// A header that arrives in parts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HeaderBuffer {
    bytes: [u8; MAX_HEADER],
    length: u8,
}

impl HeaderBuffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes bytes of the header from the front of `bytes`: how many, and the header once it is complete. The buffer is
    /// empty then.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> (usize, Option<Header>) {
        if self.is_empty()
            && let Some(header) = Header::parse(bytes)
        {
            return (header.size, Some(header));
        }
        for (taken, byte) in bytes.iter().enumerate() {
            let length = usize::from(self.length);
            // Never full: a header of 14 bytes is complete.
            if let Some(next) = self.bytes.get_mut(length) {
                *next = *byte;
                self.length += 1;
            }
            if let Some(header) = Header::parse(&self.bytes[..usize::from(self.length)]) {
                self.length = 0;
                return (taken + 1, Some(header));
            }
        }
        (bytes.len(), None)
    }
}

/// Follows frames that pass unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Follower {
    header: HeaderBuffer,
    /// Bytes of the payload that are still to come.
    left: u64,
}

impl Follower {
    /// The next byte is the first of a frame.
    pub(crate) fn is_between(&self) -> bool {
        self.left == 0 && self.header.is_empty()
    }

    /// How many of the bytes belong to the current frame, or the one that begins with them.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut head = 0;
        if self.left == 0 {
            let (taken, header) = self.header.add(bytes);
            (head, self.left) = (taken, header.map_or(0, |header| header.length));
        }
        let payload = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - head);
        self.left -= payload as u64;
        head + payload
    }
}

/// Makes a frame that tungstenite accepts as one of a client, in place: the payload is `buffer[SHOWN_HEADER..]`, at
/// most 65,535 bytes. Its mask changes nothing. Returns where the frame begins.
pub(crate) fn show(buffer: &mut [u8], first: u8) -> usize {
    let length = buffer.len().saturating_sub(SHOWN_HEADER);
    let Some(header) = buffer.first_chunk_mut::<SHOWN_HEADER>() else { return 0 };
    if length < 126 {
        *header = [0, 0, first, MASKED | length as u8, 0, 0, 0, 0];
        return 2;
    }
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    *header = [first, MASKED | 126, high, low, 0, 0, 0, 0];
    0
}

/// Appends the header of a frame of a server, which has no mask.
pub(crate) fn write_header(to: &mut Vec<u8>, first: u8, length: usize) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => to.extend([first, short]),
        (_, Ok(medium)) => {
            to.extend([first, 126]);
            to.extend(medium.to_be_bytes());
        }
        _ => {
            to.extend([first, 127]);
            to.extend((length as u64).to_be_bytes());
        }
    }
}

/// Appends `payload` without its mask, and turns the mask for what comes next.
pub(crate) fn unmask(to: &mut Vec<u8>, payload: &[u8], mask: &mut [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let start = to.len();
    to.extend_from_slice(payload);
    let (words, rest) = to[start..].as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    mask.rotate_left(payload.len() % 4);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, mask: bool, length: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        write_header(&mut frame, first, length);
        if mask {
            frame[1] |= MASKED;
            frame.extend([1, 2, 3, 4]);
        }
        frame.resize(frame.len() + length, 0xff);
        frame
    }

    #[test]
    fn headers_are_parsed_once_they_are_complete() {
        for (length, size) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            for (is_masked, size) in [(false, size), (true, size + 4)] {
                let frame = frame(FINAL | TEXT, is_masked, length);
                (0..size).for_each(|cut| assert_eq!(Header::parse(&frame[..cut]), None));
                let header = Header::parse(&frame).expect("a header");
                assert_eq!((header.length, header.size, header.is_final()), (length as u64, size, true));
                assert_eq!(header.mask, is_masked.then_some([1, 2, 3, 4]));
                let mut buffer = HeaderBuffer::default();
                let mut parsed = None;
                for (index, byte) in frame[..size].iter().enumerate() {
                    assert_eq!((parsed, buffer.is_empty()), (None, index == 0));
                    parsed = buffer.add(&[*byte]).1;
                }
                assert_eq!((parsed, buffer.is_empty()), (Some(header), true));
            }
        }
    }

    #[test]
    fn frames_are_followed_wherever_they_are_split() {
        let frames: Vec<Vec<u8>> =
            [0, 5, 125, 126, 70_000].into_iter().map(|length| frame(TEXT, length % 2 == 0, length)).collect();
        let bytes = frames.concat();
        for cut in [1, 2, 3, 7, 1000, bytes.len()] {
            let (mut follower, mut lengths, mut length) = (Follower::default(), Vec::new(), 0);
            for mut part in bytes.chunks(cut) {
                while !part.is_empty() {
                    let passed = follower.advance(part);
                    (part, length) = (&part[passed..], length + passed);
                    if follower.is_between() {
                        lengths.push(std::mem::take(&mut length));
                    }
                }
            }
            assert_eq!(lengths, frames.iter().map(Vec::len).collect::<Vec<_>>(), "{cut}");
        }
    }

    #[test]
    fn unmasking_continues_where_it_stopped() {
        let payload: Vec<u8> = (0..100).collect();
        let masked: Vec<u8> =
            payload.iter().zip([7, 8, 9, 10].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        for cut in 1..=100 {
            let (mut mask, mut unmasked) = ([7, 8, 9, 10], Vec::new());
            masked.chunks(cut).for_each(|part| unmask(&mut unmasked, part, &mut mask));
            assert_eq!(unmasked, payload, "{cut}");
        }
    }

    #[test]
    fn shown_frames_have_the_shortest_header() {
        for (length, start) in [(0, 2), (125, 2), (126, 0), (4096, 0), (65_535, 0)] {
            let mut buffer = vec![b'x'; SHOWN_HEADER + length];
            assert_eq!(show(&mut buffer, FINAL | TEXT), start);
            let header = Header::parse(&buffer[start..]).expect("a header");
            let expected = Header { first: FINAL | TEXT, length: length as u64, mask: Some([0; 4]), size: 8 - start };
            assert_eq!(header, expected);
        }
    }
}
