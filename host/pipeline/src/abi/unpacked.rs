//! Answers that are read from the component's memory one record at a time.
//!
//! The code of `derive(Lift)` passes through a cursor for each text, option and list, empty ones too.

use super::{ErrorHead, Frame, FrameType, Publish};
use ocpp_gateway_core::Attributes;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{InterfaceType, LiftContext, bad_type_info};
use wasmtime::component::{ComponentType, Lift};
use wasmtime::{Result, bail, format_err};

// SAFETY: wasmtime has checked that the component's record is this one, and `bytes` is all of it; every field is read
// where the canonical ABI has it.
unsafe impl Lift for Publish {
    fn linear_lift_from_flat(_: &mut LiftContext<'_>, _: InterfaceType, _: &Self::Lower) -> Result<Self> {
        // It occurs only in lists.
        bad_type_info()
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let mut record = Record { cx, ty, bytes };
        Ok(Publish {
            topic: record.text(0)?,
            payload: record.list(8)?.to_vec(),
            qos: bytes[16],
            retain: bytes[17] != 0,
            properties: record.attributes(20, 4)?,
            attributes: record.attributes(28, 5)?,
        })
    }
}

// SAFETY: as above.
unsafe impl Lift for Frame {
    fn linear_lift_from_flat(_: &mut LiftContext<'_>, _: InterfaceType, _: &Self::Lower) -> Result<Self> {
        bad_type_info()
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let kind = FrameType::linear_lift_from_memory(cx, field(cx, ty, 0), &bytes[..1])?;
        let mut record = Record { cx, ty, bytes };
        Ok(Frame {
            kind,
            id: record.text(4)?,
            action: if record.is_some(12)? { Some(record.text(16)?) } else { None },
            payload: record.text(24)?,
            error: match record.is_some(32)? {
                true => Some(ErrorHead { code: record.text(36)?, description: record.text(44)? }),
                false => None,
            },
            attributes: record.attributes(52, 5)?,
        })
    }
}

const _: () = assert!(Publish::SIZE32 == 36 && Frame::SIZE32 == 60);

/// The type that the component has for the field with this `index` of a record.
fn field(cx: &LiftContext<'_>, record: InterfaceType, index: usize) -> InterfaceType {
    let InterfaceType::Record(record) = record else { bad_type_info() };
    cx.types[record].fields[index].ty
}

/// A record in the component's memory. Offsets are in bytes from its beginning.
struct Record<'r, 'm> {
    cx: &'r mut LiftContext<'m>,
    ty: InterfaceType,
    bytes: &'r [u8],
}

impl<'m> Record<'_, 'm> {
    fn number(&self, offset: usize) -> usize {
        let bytes = &self.bytes[offset..][..4];
        bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte))
    }

    fn is_some(&self, offset: usize) -> Result<bool> {
        match self.bytes[offset] {
            0 => Ok(false),
            1 => Ok(true),
            other => bail!("{other} is neither none nor some"),
        }
    }

    fn text(&mut self, offset: usize) -> Result<String> {
        if self.cx.options().string_encoding != StringEncoding::Utf8 {
            return String::linear_lift_from_memory(self.cx, InterfaceType::String, &self.bytes[offset..][..8]);
        }
        Ok(str::from_utf8(self.list(offset)?)?.to_owned())
    }

    fn list(&mut self, offset: usize) -> Result<&'m [u8]> {
        let (start, length) = (self.number(offset), self.number(offset + 4));
        // The limit on what the host copies for a component is checked before it is copied.
        self.cx.consume_fuel(length)?;
        let list = self.cx.memory().get(start..).and_then(|rest| rest.get(..length));
        list.ok_or_else(|| format_err!("a text or list reaches outside the memory"))
    }

    /// `index`: which field of the record it is.
    fn attributes(&mut self, offset: usize, index: usize) -> Result<Attributes> {
        if self.number(offset + 4) == 0 {
            return Ok(Attributes::new());
        }
        Attributes::linear_lift_from_memory(self.cx, field(self.cx, self.ty, index), &self.bytes[offset..][..8])
    }
}
