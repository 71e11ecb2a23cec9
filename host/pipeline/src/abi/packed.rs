//! Arguments that are assembled on the host's side and stored in the component's memory at once.
//!
//! The code of `derive(Lower)` looks up the component's memory for each field, and allocates memory even for empty
//! texts. The traits of `__internal` are those that the derive itself implements.

use super::{Attribute, FrameIn, PeerIn, PublishIn};
use std::mem::MaybeUninit;
use wasmtime::Result;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext, bad_type_info};
use wasmtime::component::{ComponentNamedList, ComponentType, Lower};

/// The arguments of a hook: the charge point, and the frame or message in question. To the component, two records.
pub(crate) struct Packed<'a, Subject>(pub(crate) PeerIn<'a>, pub(crate) Subject);

// SAFETY: every item is that of the tuple.
unsafe impl<'a, Subject: ComponentType> ComponentType for Packed<'a, Subject> {
    type Lower = <(PeerIn<'a>, Subject) as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <(PeerIn<'a>, Subject)>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <(PeerIn<'a>, Subject)>::typecheck(ty, types)
    }
}

// SAFETY: the type is checked as a tuple's.
unsafe impl<Subject: ComponentType> ComponentNamedList for Packed<'_, Subject> {}

// SAFETY: all bytes of both records are stored, each field where the canonical ABI has it.
unsafe impl<Subject: Pack + Lower> Lower for Packed<'_, Subject> {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        // Both records together have more fields than a call passes on the stack.
        bad_type_info()
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, offset: usize) -> Result<()> {
        let Packed(peer, subject) = self;
        let mut block = Block { bytes: [0; MAX_SIZE], texts: [(0, &[]); MAX_TEXTS], count: 0, has_attributes: false };
        peer.pack(&mut block, 0);
        subject.pack(&mut block, PeerIn::SIZE32);
        if block.has_attributes || cx.options().string_encoding != StringEncoding::Utf8 {
            return (peer, subject).linear_lower_to_memory(cx, ty, offset);
        }
        block.store(cx, offset, Self::SIZE32)
    }
}

/// A record that can be written into a block, `start` bytes from its beginning.
pub(crate) trait Pack: ComponentType {
    fn pack<'v>(&'v self, block: &mut Block<'v>, start: usize);
}

impl Pack for PeerIn<'_> {
    fn pack<'v>(&'v self, block: &mut Block<'v>, start: usize) {
        block.text(start, self.id);
        block.text(start + 8, self.protocol);
        block.put(start + 16, self.connection);
        block.attributes(start + 20, self.attributes);
    }
}

impl Pack for FrameIn<'_> {
    fn pack<'v>(&'v self, block: &mut Block<'v>, start: usize) {
        block.bytes[start] = self.kind as u8;
        block.text(start + 4, self.id);
        if let Some(action) = self.action {
            block.bytes[start + 12] = 1;
            block.text(start + 16, action);
        }
        block.text(start + 24, self.payload);
        if let Some(error) = &self.error {
            block.bytes[start + 32] = 1;
            block.text(start + 36, error.code);
            block.text(start + 44, error.description);
        }
        block.attributes(start + 52, self.attributes);
    }
}

impl Pack for PublishIn<'_> {
    fn pack<'v>(&'v self, block: &mut Block<'v>, start: usize) {
        block.text(start, self.topic);
        block.list(start + 8, self.payload);
        block.bytes[start + 16] = self.qos;
        block.bytes[start + 17] = self.retain.into();
        block.attributes(start + 20, self.properties);
        block.attributes(start + 28, self.attributes);
    }
}

const _: () = assert!(PeerIn::SIZE32 == 28 && FrameIn::SIZE32 == 60 && PublishIn::SIZE32 == 36);

/// Size of a peer and a frame in bytes.
const MAX_SIZE: usize = 28 + 60;
/// The texts of a peer and a frame: id and protocol; id, action, payload, error code and description.
const MAX_TEXTS: usize = 7;

/// Both records as the canonical ABI lays them out, and the texts that they point to. A `field` is the offset of a
/// field in bytes.
pub(crate) struct Block<'v> {
    bytes: [u8; MAX_SIZE],
    /// Each with the field that points to it.
    texts: [(usize, &'v [u8]); MAX_TEXTS],
    count: usize,
    has_attributes: bool,
}

impl<'v> Block<'v> {
    fn text(&mut self, field: usize, text: &'v str) {
        self.list(field, text.as_bytes());
    }

    fn list(&mut self, field: usize, bytes: &'v [u8]) {
        self.point(field, EMPTY, bytes.len());
        if !bytes.is_empty() {
            self.texts[self.count] = (field, bytes);
            self.count += 1;
        }
    }

    fn attributes(&mut self, field: usize, attributes: &[Attribute]) {
        self.point(field, EMPTY, 0);
        self.has_attributes |= !attributes.is_empty();
    }

    /// Writes the start and the length of a text or list.
    fn point(&mut self, field: usize, start: u32, length: usize) {
        self.put(field, start);
        // A longer text does not fit into a component's memory.
        self.put(field + 4, length as u32);
    }

    fn put(&mut self, field: usize, number: u32) {
        self.bytes[field..][..4].copy_from_slice(&number.to_le_bytes());
    }

    /// Allocation may move the component's memory: the texts are copied after all of them are allocated.
    fn store<T>(mut self, cx: &mut LowerContext<'_, T>, offset: usize, length: usize) -> Result<()> {
        let mut starts = [0; MAX_TEXTS];
        let texts = &self.texts[..self.count];
        for (start, (_, text)) in starts.iter_mut().zip(texts) {
            *start = cx.realloc(0, 0, 1, text.len())?;
        }
        let memory = cx.as_slice_mut();
        for (&start, (field, text)) in starts.iter().zip(texts) {
            self.bytes[*field..][..4].copy_from_slice(&(start as u32).to_le_bytes());
            memory[start..][..text.len()].copy_from_slice(text);
        }
        memory[offset..][..length].copy_from_slice(&self.bytes[..length]);
        Ok(())
    }
}

/// The start of an empty text or list: it is never read, but must be aligned and not null.
const EMPTY: u32 = 4;
