//! From JSON text to values. Numbers keep the form in which they are written, and objects their order. Strings without
//! escapes share the memory of the text.

use bytes::Bytes;
use jaq_json::{Map, Num, Val};
use std::rc::Rc;

/// How deeply values may be nested, here and in what the program gives.
pub(crate) const MAX_DEPTH: usize = 128;

/// A whole number of more digits is kept as text, because reading it would take long.
const MAX_DIGITS: usize = 40;

/// Reads one value, with nothing but white space around it. The error says what is wrong, for the log.
///
/// Stricter than the reader of `jaq-json`, which accepts comments, `NaN`, byte strings and more: what is not JSON must
/// not become JSON on its way through a program.
pub(crate) fn read(text: &Bytes) -> Result<Val, &'static str> {
    if std::str::from_utf8(text).is_err() {
        return Err("it is not UTF-8");
    }
    read_utf8(text)
}

/// [`read`], for text that is known to be UTF-8.
pub(crate) fn read_utf8(text: &Bytes) -> Result<Val, &'static str> {
    let mut reader = Reader { text, bytes: text, at: 0 };
    reader.skip_space();
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() { Err("there is something after the JSON value") } else { Ok(value) }
}

struct Reader<'t> {
    text: &'t Bytes,
    /// The same, for access without a detour.
    bytes: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips `byte` and white space around it, if it is next.
    fn skip(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.skip_space();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Val, &'static str> {
        if depth > MAX_DEPTH {
            return Err("it is nested too deeply");
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Val::Bool(true)),
            Some(b'f') => self.word("false", Val::Bool(false)),
            Some(b'n') => self.word("null", Val::Null),
            _ => Err("it is not JSON: a value is missing"),
        }
    }

    fn word(&mut self, word: &str, value: Val) -> Result<Val, &'static str> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err("it is not JSON: a value is missing");
        }
        self.at += word.len();
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Val, &'static str> {
        self.at += 1;
        let mut array = Vec::new();
        if self.skip(b']') {
            return Ok(Val::Arr(Rc::new(array)));
        }
        loop {
            array.push(self.value(depth + 1)?);
            if self.skip(b']') {
                return Ok(Val::Arr(Rc::new(array)));
            }
            if !self.skip(b',') {
                return Err("it is not JSON: `,` or `]` is missing");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Val, &'static str> {
        self.at += 1;
        if self.skip(b'}') {
            return Ok(Val::obj(Map::default()));
        }
        // Most objects of OCPP have no more members, and do not grow then.
        let mut object = Map::with_capacity_and_hasher(7, Default::default());
        loop {
            if self.peek() != Some(b'"') {
                return Err("it is not JSON: a name is missing");
            }
            let name = self.string()?;
            if !self.skip(b':') {
                return Err("it is not JSON: `:` is missing");
            }
            let value = self.value(depth + 1)?;
            object.insert(name, value);
            if self.skip(b'}') {
                return Ok(Val::obj(object));
            }
            if !self.skip(b',') {
                return Err("it is not JSON: `,` or `}` is missing");
            }
        }
    }

    fn string(&mut self) -> Result<Val, &'static str> {
        self.at += 1;
        let start = self.at;
        let rest = &self.bytes[start..];
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        self.at += length.unwrap_or(rest.len());
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(Val::utf8_str(self.text.slice(start..self.at - 1)))
            }
            Some(b'\\') => self.escaped_string(start),
            _ => Err("it is not JSON: a string has no end, or a control character"),
        }
    }

    /// The rest of a string, from its first escape.
    fn escaped_string(&mut self, start: usize) -> Result<Val, &'static str> {
        let mut string = self.bytes[start..self.at].to_vec();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Val::utf8_str(string));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape().ok_or("it is not JSON: a string has an unknown escape")?;
                    string.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(byte @ 0x20..) => {
                    string.push(byte);
                    self.at += 1;
                }
                _ => return Err("it is not JSON: a string has no end, or a control character"),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                if !(0xD800..0xDC00).contains(&first) {
                    return char::from_u32(first);
                }
                let rest = self.bytes.get(self.at..self.at + 2)?;
                if rest != b"\\u" {
                    return None;
                }
                self.at += 2;
                let second = self.hex().filter(|second| (0xDC00..0xE000).contains(second))?;
                return char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
    }

    fn number(&mut self) -> Result<Val, &'static str> {
        let rest = &self.bytes[self.at..];
        let (length, whole) = number_length(rest).ok_or("it is not JSON: a number is incomplete")?;
        self.at += length;
        let text = std::str::from_utf8(&rest[..length]).map_err(|_| "it is not UTF-8")?;
        if whole
            && length <= MAX_DIGITS
            && text != "-0"
            && let Some(number) = Num::from_str_radix(text, 10)
        {
            return Ok(Val::Num(number));
        }
        Ok(Val::Num(Num::Dec(Rc::new(text.to_owned()))))
    }
}

/// How long the number at the start is, and whether it is written as a whole number; `None`: the text begins with no number.
pub(crate) fn number_length(text: &[u8]) -> Option<(usize, bool)> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(text.first() == Some(&b'-'));
    let mut end = match text.get(sign)? {
        b'0' => sign + 1,
        b'1'..=b'9' => sign + digits(sign),
        _ => return None,
    };
    let mut whole = true;
    if text.get(end) == Some(&b'.') {
        whole = false;
        end += match digits(end + 1) {
            0 => return None,
            count => count + 1,
        };
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        whole = false;
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end += match digits(end + 1 + sign) {
            0 => return None,
            count => count + 1 + sign,
        };
    }
    Some((end, whole))
}
