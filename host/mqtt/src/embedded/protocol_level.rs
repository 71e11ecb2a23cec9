//! Finds the protocol level of a CONNECT without parsing the rest.

/// Bytes at the start of a CONNECT that always include its protocol level: packet type, up to four bytes of size, name
/// and level.
pub(super) const PEEK_LENGTH: usize = 1 + 4 + NAME.len() + 1;

/// The protocol's name with its length (MQTT 3.1.1 section 3.1.2.1).
const NAME: [u8; 6] = *b"\x00\x04MQTT";

/// Set in the protocol level by a mosquitto that connects as a bridge: `try_private` in its configuration.
pub(super) const BRIDGE: u8 = 0x80;

const CONNECT: u8 = 0x10;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum LevelSearch {
    Level(u8),
    /// The packet is not a CONNECT of MQTT 3.1.1 or 5.
    NoConnect,
    /// More bytes are needed.
    TooShort,
}

pub(super) fn find(bytes: &[u8]) -> LevelSearch {
    let Some((&first, rest)) = bytes.split_first() else { return LevelSearch::TooShort };
    if first != CONNECT {
        return LevelSearch::NoConnect;
    }
    let size_length = rest.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    let Some(rest) = rest.get(size_length..) else {
        return if size_length > 4 { LevelSearch::NoConnect } else { LevelSearch::TooShort };
    };
    match rest.get(..NAME.len() + 1) {
        _ if size_length > 4 => LevelSearch::NoConnect,
        Some(header) if header[..NAME.len()] == NAME => LevelSearch::Level(header[NAME.len()]),
        None if NAME.starts_with(&rest[..rest.len().min(NAME.len())]) => LevelSearch::TooShort,
        _ => LevelSearch::NoConnect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_is_found_after_a_size_of_any_length() {
        for (connect, level) in [
            (&b"\x10\x0c\x00\x04MQTT\x04\x02"[..], 4),
            (b"\x10\xff\x01\x00\x04MQTT\x05\x02", 5),
            (b"\x10\x80\x80\x01\x00\x04MQTT\x84\x02", 0x84),
            (b"\x10\x80\x80\x80\x01\x00\x04MQTT\x85", 0x85),
        ] {
            assert_eq!(find(connect), LevelSearch::Level(level));
            let place = connect.iter().rposition(|byte| *byte == level).expect("it is there");
            assert!(place < PEEK_LENGTH);
            for length in 0..place {
                assert_eq!(find(&connect[..length]), LevelSearch::TooShort, "{length} bytes of {connect:?}");
            }
        }
    }

    #[test]
    fn other_packets_are_rejected_without_waiting_for_more_bytes() {
        for bytes in [
            &b"GET / HTTP/1.1"[..],
            b"\x30",
            b"\x10\x80\x80\x80\x80\x01\x00\x04MQTT\x04",
            b"\x10\x80\x80\x80\x80",
            b"\x10\x0c\x00\x06MQIsdp\x03",
            b"\x10\x0c\x00\x06",
            b"\x16\x03\x01",
        ] {
            assert_eq!(find(bytes), LevelSearch::NoConnect, "{bytes:?}");
        }
    }
}
