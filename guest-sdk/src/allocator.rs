//! Memory for components: a list of free blocks per power of two.
//!
//! Each call of a hook allocates a dozen short strings and frees them again; the standard library's allocator spends
//! more time on that than the hook on its work. It still serves blocks above 4 KiB, and rare alignments.

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};

#[global_allocator]
static ALLOCATOR: Blocks = Blocks(UnsafeCell::new(Lists { free: [None; CLASSES], fresh: ptr::null_mut(), left: 0 }));

/// Blocks of 16, 32, … 4096 bytes.
const CLASSES: usize = 9;
const SMALLEST: usize = 16;
const LARGEST: usize = SMALLEST << (CLASSES - 1);
/// What is taken from the standard library's allocator at a time, in bytes.
const CHUNK: usize = 16 << 10;

struct Blocks(UnsafeCell<Lists>);

// SAFETY: a component has one thread.
unsafe impl Sync for Blocks {}

struct Lists {
    free: [Option<NonNull<Free>>; CLASSES],
    /// The part of the newest chunk from which no block was cut yet, always a multiple of `SMALLEST`.
    fresh: *mut u8,
    left: usize,
}

struct Free {
    next: Option<NonNull<Free>>,
}

/// The list that a layout belongs to. `None`: the standard library's allocator serves it.
#[inline(always)]
fn class(layout: &Layout) -> Option<usize> {
    if layout.size() > LARGEST || layout.align() > SMALLEST {
        return None;
    }
    let shift = usize::BITS - (layout.size().max(SMALLEST) - 1).leading_zeros();
    Some(shift as usize - SMALLEST.trailing_zeros() as usize)
}

impl Lists {
    #[cold]
    fn cut(&mut self, class: usize) -> *mut u8 {
        let size = SMALLEST << class;
        if self.left < size {
            // SAFETY: the layout is valid and not empty.
            let chunk = unsafe { System.alloc(Layout::from_size_align_unchecked(CHUNK, SMALLEST)) };
            if chunk.is_null() {
                return chunk;
            }
            (self.fresh, self.left) = (chunk, CHUNK);
        }
        let block = self.fresh;
        // SAFETY: `left` bytes from `fresh` on belong to the chunk, and `size` is no more than that.
        self.fresh = unsafe { block.add(size) };
        self.left -= size;
        block
    }
}

// SAFETY: a block is either in use or in the list of its class, and as large and aligned as its class says.
unsafe impl GlobalAlloc for Blocks {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(&layout) else {
            return unsafe { System.alloc(layout) };
        };
        let lists = unsafe { &mut *self.0.get() };
        match lists.free[class] {
            Some(block) => {
                lists.free[class] = unsafe { block.as_ref().next };
                block.as_ptr().cast()
            }
            None => lists.cut(class),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class(&layout) else {
            return unsafe { System.dealloc(block, layout) };
        };
        let lists = unsafe { &mut *self.0.get() };
        let block = block.cast::<Free>();
        unsafe { block.write(Free { next: lists.free[class] }) };
        lists.free[class] = NonNull::new(block);
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(&layout), class(&wanted)) {
            (Some(old), Some(new)) if old == new => block,
            (None, None) => unsafe { System.realloc(block, layout, size) },
            _ => {
                let moved = unsafe { self.alloc(wanted) };
                if !moved.is_null() {
                    unsafe {
                        ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                }
                moved
            }
        }
    }
}

/// Allocates memory for the values that the gateway passes to a hook (canonical ABI, `realloc`). Called once per
/// string: the function that wit-bindgen provides takes three times as long.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    // SAFETY: the canonical ABI asks for alignments that are powers of two, and for sizes that a memory can have.
    let layout = |size| unsafe { Layout::from_size_align_unchecked(size, align) };
    let block = match (old_size, size) {
        (0, 0) => return ptr::without_provenance_mut(align),
        // SAFETY: the size is not zero.
        (0, _) => unsafe { ALLOCATOR.alloc(layout(size)) },
        // SAFETY: `old` was allocated here, with this size.
        _ => unsafe { ALLOCATOR.realloc(old, layout(old_size), size) },
    };
    if block.is_null() {
        handle_alloc_error(layout(size));
    }
    block
}
