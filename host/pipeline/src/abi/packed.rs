//! Arguments that are put together on this side and stored in the guest's memory at once.
//!
//! What `derive(Lower)` generates stores each field on its own, finds the guest's memory anew for each of them, and asks
//! the guest for room even for lists and strings that are empty: a seventh of the time of a small call. The traits used
//! here are wasmtime's own business; they can be relied on because `Cargo.toml` names its exact version.

use super::{Attribute, FrameIn, PeerIn, PublishIn};
use std::mem::MaybeUninit;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext, bad_type_info};
use wasmtime::component::{ComponentNamedList, ComponentType, Lower};
use wasmtime::{Result, ValRaw};

/// The arguments of a hook: the charge point, and the frame or message in question.
pub(crate) struct Packed<'a, Subject>(pub(crate) PeerIn<'a>, pub(crate) Subject);

// SAFETY: in every respect but the code that stores it, this is the tuple.
unsafe impl<'a, Subject: ComponentType> ComponentType for Packed<'a, Subject> {
    type Lower = <(PeerIn<'a>, Subject) as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <(PeerIn<'a>, Subject)>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <(PeerIn<'a>, Subject)>::typecheck(ty, types)
    }
}

// SAFETY: the type is checked as a tuple's.
unsafe impl<Subject: ComponentType> ComponentNamedList for Packed<'_, Subject> {}

// SAFETY: `pack` fills in all of the record, as the canonical ABI lays it out.
unsafe impl<Subject: Pack + Lower> Lower for Packed<'_, Subject> {
    fn linear_lower_to_flat<T>(
        &self,
        _cx: &mut LowerContext<'_, T>,
        _ty: InterfaceType,
        _dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        // Both records together have more fields than a call passes on the stack.
        bad_type_info()
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, offset: usize) -> Result<()> {
        let Packed(peer, subject) = self;
        let mut room = Room::new(cx, ty);
        let peer = peer.pack(&mut room)?;
        let subject = subject.pack(&mut room)?;
        let memory = room.fill();
        let (place, rest) = memory[offset..][..Self::SIZE32].split_at_mut(PeerIn::SIZE32);
        place.copy_from_slice(peer.as_ref());
        rest.copy_from_slice(subject.as_ref());
        Ok(())
    }
}

/// The type that the guest has for attributes: that of the last field of a peer.
fn attributes_type<T>(cx: &LowerContext<'_, T>, arguments: InterfaceType) -> InterfaceType {
    let InterfaceType::Tuple(arguments) = arguments else { bad_type_info() };
    let InterfaceType::Record(peer) = cx.types[arguments].types[0] else { bad_type_info() };
    cx.types[peer].fields[3].ty
}

/// A record as the bytes that the canonical ABI gives it.
pub(crate) trait Pack: ComponentType {
    type Bytes: AsRef<[u8]>;

    fn pack<'v, T>(&'v self, room: &mut Room<'v, '_, '_, T>) -> Result<Self::Bytes>;
}

impl Pack for PeerIn<'_> {
    type Bytes = [u8; 28];

    fn pack<'v, T>(&'v self, room: &mut Room<'v, '_, '_, T>) -> Result<Self::Bytes> {
        let mut record = [0; 28];
        put(&mut record, 0, room.text(self.id)?);
        put(&mut record, 8, room.text(self.protocol)?);
        put(&mut record, 16, self.connection.to_le_bytes());
        put(&mut record, 20, room.attributes(self.attributes)?);
        Ok(record)
    }
}

impl Pack for FrameIn<'_> {
    type Bytes = [u8; 60];

    fn pack<'v, T>(&'v self, room: &mut Room<'v, '_, '_, T>) -> Result<Self::Bytes> {
        let mut record = [0; 60];
        put(&mut record, 0, [self.kind as u8]);
        put(&mut record, 4, room.text(self.id)?);
        if let Some(action) = self.action {
            put(&mut record, 12, [1]);
            put(&mut record, 16, room.text(action)?);
        }
        put(&mut record, 24, room.text(self.payload)?);
        if let Some(error) = &self.error {
            put(&mut record, 32, [1]);
            put(&mut record, 36, room.text(error.code)?);
            put(&mut record, 44, room.text(error.description)?);
        }
        put(&mut record, 52, room.attributes(self.attributes)?);
        Ok(record)
    }
}

impl Pack for PublishIn<'_> {
    type Bytes = [u8; 36];

    fn pack<'v, T>(&'v self, room: &mut Room<'v, '_, '_, T>) -> Result<Self::Bytes> {
        let mut record = [0; 36];
        put(&mut record, 0, room.text(self.topic)?);
        put(&mut record, 8, room.bytes(self.payload)?);
        put(&mut record, 16, [self.qos, u8::from(self.retain)]);
        put(&mut record, 20, room.attributes(self.properties)?);
        put(&mut record, 28, room.attributes(self.attributes)?);
        Ok(record)
    }
}

const _: () = assert!(PeerIn::SIZE32 == 28 && FrameIn::SIZE32 == 60 && PublishIn::SIZE32 == 36);

fn put<const N: usize>(record: &mut [u8], place: usize, value: [u8; N]) {
    record[place..place + N].copy_from_slice(&value);
}

/// Where strings and lists go: into memory that the guest provides. Asking for room may move that memory, so all that is
/// to be copied is noted, and copied when everything has its place.
pub(crate) struct Room<'v, 'a, 'b, T: 'static> {
    cx: &'a mut LowerContext<'b, T>,
    /// What the guest calls attributes.
    attributes: InterfaceType,
    wants_utf8: bool,
    noted: [(usize, &'v [u8]); MOST_STRINGS],
    count: usize,
}

/// Of a peer and a frame: id and protocol; id, action, payload, error code and description.
const MOST_STRINGS: usize = 7;

impl<'v, 'a, 'b, T> Room<'v, 'a, 'b, T> {
    fn new(cx: &'a mut LowerContext<'b, T>, arguments: InterfaceType) -> Self {
        let attributes = attributes_type(cx, arguments);
        let wants_utf8 = cx.options().string_encoding == StringEncoding::Utf8;
        Room { cx, attributes, wants_utf8, noted: [(0, &[]); MOST_STRINGS], count: 0 }
    }

    fn text(&mut self, text: &'v str) -> Result<[u8; 8]> {
        if self.wants_utf8 {
            self.bytes(text.as_bytes())
        } else {
            self.list(text, text.is_empty(), InterfaceType::String)
        }
    }

    fn bytes(&mut self, bytes: &'v [u8]) -> Result<[u8; 8]> {
        if bytes.is_empty() {
            return Ok(NOWHERE);
        }
        let place = self.cx.realloc(0, 0, 1, bytes.len())?;
        self.noted[self.count] = (place, bytes);
        self.count += 1;
        // A guest's memory is no larger than 32 bits can say.
        Ok(pair(place as u32, bytes.len() as u32))
    }

    fn attributes(&mut self, attributes: &[Attribute]) -> Result<[u8; 8]> {
        self.list(attributes, attributes.is_empty(), self.attributes)
    }

    fn list<L>(&mut self, list: &L, is_empty: bool, ty: InterfaceType) -> Result<[u8; 8]>
    where
        L: Lower<Lower = [ValRaw; 2]> + ?Sized,
    {
        if is_empty {
            return Ok(NOWHERE);
        }
        let mut flat = MaybeUninit::<[ValRaw; 2]>::uninit();
        list.linear_lower_to_flat(self.cx, ty, &mut flat)?;
        // SAFETY: it is initialised when lowering succeeds.
        let [place, length] = unsafe { flat.assume_init() };
        Ok(pair(place.get_u32(), length.get_u32()))
    }

    /// Copies what was noted; the guest's memory.
    fn fill(self) -> &'a mut [u8] {
        let memory = self.cx.as_slice_mut();
        for (place, bytes) in &self.noted[..self.count] {
            memory[*place..][..bytes.len()].copy_from_slice(bytes);
        }
        memory
    }
}

/// Place and length of nothing. The place is never read, but must be aligned and not null.
const NOWHERE: [u8; 8] = [4, 0, 0, 0, 0, 0, 0, 0];

fn pair(place: u32, length: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    put(&mut bytes, 0, place.to_le_bytes());
    put(&mut bytes, 4, length.to_le_bytes());
    bytes
}
