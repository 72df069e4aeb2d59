//! Sixteen octets at a time: the sets of octets that the scans of `grammar.rs` stop at, as
//! operations on vectors.
//!
//! Each set is a function from a block to its marks: one bit an octet, the first octet lowest.
//! `docs/decisions/016-blocks-of-sixteen.md` says why a library for vectors is worth it here.

use wide::{i8x16, u8x16};

const BLOCK_BYTES: usize = 16;

/// What begins with the first octet that `marks` marks: nothing, if none is. NUL is always marked.
#[inline(always)]
pub(crate) fn from_first(bytes: &[u8], marks: impl Fn(u8x16) -> u32) -> &[u8] {
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<BLOCK_BYTES>() {
        let marked = marks(u8x16::new(*block));
        if marked != 0 {
            return &rest[marked.trailing_zeros() as usize..];
        }
        rest = after;
    }
    let mut block = [0; BLOCK_BYTES];
    block[..rest.len()].copy_from_slice(rest);
    let marked = marks(u8x16::new(block));
    &rest[marked.trailing_zeros() as usize..]
}

/// Marks `CTL = %x00-1F / %x7F`.
#[inline(always)]
pub(crate) fn controls(block: u8x16) -> u32 {
    bits(is_below(block, 0x20) | is(block, 0x7f))
}

/// Marks everything but `VCHAR = %x21-7E`.
#[inline(always)]
pub(crate) fn not_visible(block: u8x16) -> u32 {
    bits(!is_visible(block))
}

/// Marks everything but `VCHAR`, and `?`.
#[inline(always)]
pub(crate) fn not_path(block: u8x16) -> u32 {
    bits(!is_visible(block) | is(block, b'?'))
}

/// Marks everything but `ALPHA / "-"`.
#[inline(always)]
pub(crate) fn not_letters(block: u8x16) -> u32 {
    let small = block | u8x16::splat(0x20);
    bits(!(is_below(small - u8x16::splat(b'a'), 26) | is(block, b'-')))
}

#[inline(always)]
fn is_visible(block: u8x16) -> u8x16 {
    is_below(block - u8x16::splat(0x21), 0x7f - 0x21)
}

#[inline(always)]
fn is(block: u8x16, octet: u8) -> u8x16 {
    block.cmp_eq(u8x16::splat(octet))
}

/// Octets below a bound that is not 0: those that are the smaller one of themselves and the last
/// octet below it.
#[inline(always)]
fn is_below(block: u8x16, bound: u8) -> u8x16 {
    block.min(u8x16::splat(bound - 1)).cmp_eq(block)
}

/// The highest bit of each octet.
#[inline(always)]
fn bits(block: u8x16) -> u32 {
    i8x16::new(block.to_array().map(|octet| octet as i8)).move_mask() as u32
}
