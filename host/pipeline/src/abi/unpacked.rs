//! Answers that are read from the guest's memory a record at a time.
//!
//! What `derive(Lift)` generates passes through a cursor for each string, option and list, empty ones too. As in
//! `packed`, these traits of wasmtime's can be relied on because `Cargo.toml` names its exact version.

use super::{ErrorHead, Frame, FrameType, Publish};
use ocpp_gateway_core::Attributes;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, bad_type_info};
use wasmtime::component::{ComponentType, Lift};
use wasmtime::{Result, bail};

// SAFETY: `ComponentType` has checked that the guest's record is this one, of which every field is read where the
// canonical ABI puts it.
unsafe impl Lift for Publish {
    fn linear_lift_from_flat(_cx: &mut LiftContext<'_>, _ty: InterfaceType, _src: &Self::Lower) -> Result<Self> {
        // It only ever stands in a list.
        bad_type_info()
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let mut record = Record { cx, ty, bytes };
        Ok(Publish {
            topic: record.text(0)?,
            payload: record.bytes(8)?,
            qos: record.byte(16),
            retain: record.byte(17) != 0,
            properties: record.attributes(20, 4)?,
            attributes: record.attributes(28, 5)?,
        })
    }
}

// SAFETY: as above.
unsafe impl Lift for Frame {
    fn linear_lift_from_flat(_cx: &mut LiftContext<'_>, _ty: InterfaceType, _src: &Self::Lower) -> Result<Self> {
        // It only ever stands in a list.
        bad_type_info()
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let mut record = Record { cx, ty, bytes };
        let kind = FrameType::linear_lift_from_memory(record.cx, record.field(0), &bytes[..1])?;
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

/// What a guest wants kept. Its copy takes nothing from the allowance for copying: there is one of it in a call, and it is
/// no larger than the guest's memory. So one that is too large can be told from a guest that is up to something.
pub(crate) struct Value(pub(crate) Vec<u8>);

// SAFETY: in every respect but the code that reads it, this is the list.
unsafe impl ComponentType for Value {
    type Lower = <Vec<u8> as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = Vec::<u8>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        Vec::<u8>::typecheck(ty, types)
    }
}

// SAFETY: what is read lies in the guest's memory, or is not read.
unsafe impl Lift for Value {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        _ty: InterfaceType,
        [start, length]: &Self::Lower,
    ) -> Result<Self> {
        slice(cx, start.get_u32() as usize, length.get_u32() as usize).map(|value| Value(value.to_vec()))
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let record = Record { cx, ty, bytes };
        slice(record.cx, record.number(0), record.number(4)).map(|value| Value(value.to_vec()))
    }
}

fn slice<'m>(cx: &LiftContext<'m>, start: usize, length: usize) -> Result<&'m [u8]> {
    let slice = cx.memory().get(start..).and_then(|rest| rest.get(..length));
    slice.ok_or_else(|| wasmtime::format_err!("a string or list reaches outside the memory"))
}

const _: () = assert!(Publish::SIZE32 == 36 && Frame::SIZE32 == 60);

/// A record in the guest's memory. Places are in bytes from its beginning.
struct Record<'r, 'm> {
    cx: &'r mut LiftContext<'m>,
    ty: InterfaceType,
    bytes: &'r [u8],
}

impl<'m> Record<'_, 'm> {
    fn byte(&self, place: usize) -> u8 {
        self.bytes[place]
    }

    fn number(&self, place: usize) -> usize {
        let bytes = &self.bytes[place..][..4];
        bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte))
    }

    fn is_some(&self, place: usize) -> Result<bool> {
        match self.byte(place) {
            0 => Ok(false),
            1 => Ok(true),
            other => bail!("{other} is neither none nor some"),
        }
    }

    fn text(&mut self, place: usize) -> Result<String> {
        if self.cx.options().string_encoding != StringEncoding::Utf8 {
            return String::linear_lift_from_memory(self.cx, InterfaceType::String, &self.bytes[place..][..8]);
        }
        let text = self.slice(place)?;
        Ok(str::from_utf8(text)?.to_owned())
    }

    fn bytes(&mut self, place: usize) -> Result<Vec<u8>> {
        self.slice(place).map(<[u8]>::to_vec)
    }

    fn slice(&mut self, place: usize) -> Result<&'m [u8]> {
        let (start, length) = (self.number(place), self.number(place + 4));
        // What the host copies for a guest is limited before it is copied.
        self.cx.consume_fuel(length)?;
        slice(self.cx, start, length)
    }

    /// `field`: which field of the record it is.
    fn attributes(&mut self, place: usize, field: usize) -> Result<Attributes> {
        if self.number(place + 4) == 0 {
            return Ok(Attributes::new());
        }
        let ty = self.field(field);
        Attributes::linear_lift_from_memory(self.cx, ty, &self.bytes[place..][..8])
    }

    fn field(&self, field: usize) -> InterfaceType {
        let InterfaceType::Record(record) = self.ty else { bad_type_info() };
        self.cx.types[record].fields[field].ty
    }
}
