//! The four codings of content, as steps: so much input was used, so much output made. The
//! decompressors are other people's; what counts as the end of a content, and how much memory one
//! may claim, is said here. No I/O; called by `decoding.rs`.
//!
//! | coding | is | memory of one |
//! |---|---|---|
//! | `gzip` | members of RFC 1952, one behind the other | 48 KiB |
//! | `deflate` | a zlib stream, RFC 1950 | 48 KiB |
//! | `br` | RFC 7932, without the large windows of others | up to 16 MiB of window, as it fills |
//! | `zstd` | frames of RFC 8878, windows up to 8 MiB (RFC 9659) | up to 8.5 MiB, as it fills |

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// Windows of zlib and gzip: 2 to the 15th, the largest there is.
const WINDOW_BITS: u8 = 15;
/// RFC 9659: a window of zstd as a content coding is at most 8 MiB, 2 to the 23rd.
const ZSTD_WINDOW_BITS_MAX: u32 = 23;
/// Empty members cost the sender 20 bytes, and the one who reads them 48 KiB to begin with.
const EMPTY_MEMBERS_MAX: u32 = 16;

/// Takes one coding off.
pub(crate) enum Inflater {
    Gzip(Gzip),
    Deflate {
        stream: Decompress,
        stage: Stage,
    },
    Brotli {
        state: Box<Brotli>,
        stage: Stage,
    },
    Zstd {
        context: DCtx<'static>,
        stage: Stage,
    },
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// Where a decompressor is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing has come.
    New,
    /// Something has come, and more has to.
    Midway,
    /// What has come is whole.
    Ended,
}

/// What has come is not what its coding says.
#[derive(Debug)]
pub(crate) struct Invalid;

/// How much input a step has used, and how much output it has made.
pub(crate) type Stepped = Result<(usize, usize), Invalid>;

impl Inflater {
    /// For a coding by its name (RFC 9110, section 8.4.1), whatever its case.
    pub(crate) fn new(coding: &[u8]) -> Option<Self> {
        let stage = Stage::New;
        let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
        Some(if is(b"gzip") || is(b"x-gzip") {
            Self::Gzip(Gzip::default())
        } else if is(b"deflate") {
            let stream = Decompress::new(true);
            Self::Deflate { stream, stage }
        } else if is(b"br") {
            let alloc = StandardAlloc::default;
            let state = Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()));
            Self::Brotli { state, stage }
        } else if is(b"zstd") {
            let mut context = DCtx::try_create()?;
            context
                .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_BITS_MAX))
                .ok()?;
            Self::Zstd { context, stage }
        } else {
            return None;
        })
    }

    /// Takes one step. Without any output it wants more input.
    pub(crate) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Stepped {
        match self {
            Self::Gzip(gzip) => gzip.step(input, output),
            Self::Deflate { stream, stage } => step_zlib(stream, stage, input, output),
            Self::Brotli { state, stage } => step_brotli(state, stage, input, output),
            Self::Zstd { context, stage } => step_zstd(context, stage, input, output),
        }
    }

    /// Whether the content may end here. One that has not begun is empty, whatever its coding:
    /// that is what some clients send.
    pub(crate) fn may_end(&self) -> bool {
        let stage = match self {
            Self::Gzip(gzip) => gzip.stage,
            Self::Deflate { stage, .. } | Self::Brotli { stage, .. } | Self::Zstd { stage, .. } => {
                *stage
            }
        };
        stage != Stage::Midway
    }
}

/// Members of gzip.
pub(crate) struct Gzip {
    member: Option<Decompress>,
    stage: Stage,
    empty_members: u32,
}

impl Default for Gzip {
    fn default() -> Self {
        Self {
            member: None,
            stage: Stage::New,
            empty_members: 0,
        }
    }
}

impl Gzip {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Stepped {
        if self.stage != Stage::Midway {
            if input.is_empty() {
                return Ok((0, 0));
            }
            // RFC 1952, section 2.2: members follow each other, "with no additional information".
            self.member = Some(Decompress::new_gzip(WINDOW_BITS));
            self.stage = Stage::New;
        }
        let Some(member) = &mut self.member else {
            return Err(Invalid);
        };
        let stepped = step_zlib(member, &mut self.stage, input, output)?;
        if self.stage == Stage::Ended {
            if member.total_out() == 0 {
                self.empty_members += 1;
            }
            self.member = None;
        }
        if self.empty_members > EMPTY_MEMBERS_MAX {
            return Err(Invalid);
        }
        Ok(stepped)
    }
}

/// zlib's own stream, or a member of gzip. Nothing may follow its end.
fn step_zlib(
    stream: &mut Decompress,
    stage: &mut Stage,
    input: &[u8],
    output: &mut [u8],
) -> Stepped {
    if let Some(rest) = step_behind_end(*stage, input) {
        return rest;
    }
    let before = (stream.total_in(), stream.total_out());
    let status = stream
        .decompress(input, output, FlushDecompress::None)
        .map_err(|_| Invalid)?;
    // Both fit, since they are no longer than the slices.
    let used = (stream.total_in() - before.0) as usize;
    let made = (stream.total_out() - before.1) as usize;
    match status {
        Status::StreamEnd => *stage = Stage::Ended,
        _ if used > 0 => *stage = Stage::Midway,
        _ => {}
    }
    Ok((used, made))
}

fn step_brotli(state: &mut Brotli, stage: &mut Stage, input: &[u8], output: &mut [u8]) -> Stepped {
    if let Some(rest) = step_behind_end(*stage, input) {
        return rest;
    }
    let (mut input_left, mut used) = (input.len(), 0);
    let (mut output_left, mut made, mut total) = (output.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut input_left,
        &mut used,
        input,
        &mut output_left,
        &mut made,
        output,
        &mut total,
        state,
    );
    match result {
        BrotliResult::ResultFailure => return Err(Invalid),
        BrotliResult::ResultSuccess => *stage = Stage::Ended,
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput if used > 0 => {
            *stage = Stage::Midway;
        }
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
    }
    Ok((used, made))
}

fn step_zstd(
    context: &mut DCtx<'static>,
    stage: &mut Stage,
    input: &[u8],
    output: &mut [u8],
) -> Stepped {
    if *stage != Stage::Midway && input.is_empty() {
        return Ok((0, 0));
    }
    let mut from = InBuffer::around(input);
    let mut to = OutBuffer::around(output);
    let hint = context
        .decompress_stream(&mut to, &mut from)
        .map_err(|_| Invalid)?;
    // RFC 8878, section 3.1: frames may follow each other.
    *stage = if hint == 0 {
        Stage::Ended
    } else {
        Stage::Midway
    };
    Ok((from.pos(), to.pos()))
}

/// Behind the end of the one stream that there may be, anything is too much.
fn step_behind_end(stage: Stage, input: &[u8]) -> Option<Stepped> {
    let nothing = input.is_empty().then_some((0, 0)).ok_or(Invalid);
    (stage == Stage::Ended).then_some(nothing)
}
