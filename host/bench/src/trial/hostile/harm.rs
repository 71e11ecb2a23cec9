//! The kinds of harm that are tried, and what the neighbours may feel of each.

/// One kind of harm.
pub(super) struct Harm {
    pub(super) what: &'static str,
    pub(super) by: By,
    /// How many charge points it is matched to.
    pub(super) charge_points: usize,
    /// How many times the p50 of the neighbours may be what it is without it.
    pub(super) p50: f64,
    /// And the p99, where there is a limit.
    pub(super) p99: Option<f64>,
}

/// How it is done.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// The transform does it in this hook for the messages of its charge points.
    Message { hook: &'static str },
    /// The transform does it whenever one of its charge points wants to connect: they try all the time.
    Connecting,
    /// A configuration that asks for it is read, over and over.
    Reload { hook: &'static str },
    /// A component that is costly to compile is uploaded, over and over.
    Upload(fn() -> Vec<u8>),
}

impl By {
    /// The hook of the transform.
    pub(super) fn hook(self) -> &'static str {
        match self {
            By::Message { hook } | By::Reload { hook } => hook,
            By::Connecting => "admission",
            By::Upload(_) => "uplink",
        }
    }

    /// Whether the transform does it from the start.
    pub(super) fn is_configured(self) -> bool {
        matches!(self, By::Message { .. } | By::Connecting)
    }
}

const UPLINK: By = By::Message { hook: "uplink" };

const fn of_three(what: &'static str, by: By) -> Harm {
    Harm { what, by, charge_points: 3, p50: 1.5, p99: None }
}

pub(super) const HARMS: [Harm; 10] = [
    Harm { what: "panic", by: UPLINK, charge_points: 1, p50: 1.2, p99: Some(2.0) },
    of_three("panic", UPLINK),
    of_three("loop", UPLINK),
    of_three("take 9 ms", UPLINK),
    of_three("take 18 ms", UPLINK),
    of_three("take memory", UPLINK),
    of_three("count with many labels", UPLINK),
    of_three("accept with 12000 attributes", By::Connecting),
    of_three("double forty times", By::Reload { hook: "validation" }),
    of_three("90,000 functions", By::Upload(many_functions)),
];

/// A component of one module with so many empty functions: nearly as many as `runtime.compile_functions` allows.
fn many_functions() -> Vec<u8> {
    const NUMBER: usize = 90_000;
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, vec![1, 0x60, 0, 0]),
        section(3, [leb128(NUMBER), vec![0; NUMBER]].concat()),
        section(10, [leb128(NUMBER), [2, 0, 0x0b].repeat(NUMBER)].concat()),
    ];
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module.concat())].concat()
}

/// `component` with a custom section more: it does the same and is another version.
pub(super) fn another_version(component: &[u8]) -> Vec<u8> {
    [component, &section(0, vec![1, b'n'])].concat()
}

/// A part of a module or a component.
fn section(id: u8, content: Vec<u8>) -> Vec<u8> {
    [vec![id], leb128(content.len()), content].concat()
}

/// A number of the binary format.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_sevens() {
        assert_eq!(leb128(0), [0]);
        assert_eq!(leb128(127), [127]);
        assert_eq!(leb128(624_485), [0xe5, 0x8e, 0x26]);
    }
}
