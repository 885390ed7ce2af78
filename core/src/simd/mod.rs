//! What a processor can do with 64 bytes at once, and which of its ways to do it is taken.
//!
//! A backend is a token type that implements [`Simd`]. Holding a token proves that the processor has the
//! instructions, which is what makes the trait's methods safe to call. Algorithms are written once over the trait
//! ([`Kernel`]) and instantiated for each backend by [`Backend::run`]; this module knows bytes, not logs.
//!
//! # To add a backend
//! One file beside `avx2.rs` and one row in the table of [`backends!`] below; the property tests, the benches, the
//! environment variable and `nasalogs doctor` follow from the table. NEON belongs in a file `neon.rs` with
//! `cfg(target_arch = "aarch64")`; until it is there, aarch64 runs the scalar backend.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod sse42;

use std::str::FromStr;
use std::sync::OnceLock;

use crate::error::{Error, ErrorKind};

/// How many bytes a block has.
pub(crate) const BLOCK: usize = 64;

/// The operations on 64 bytes. Bit `i` of a mask stands for byte `i`.
pub(crate) trait Simd: Copy {
    /// The bytes in registers.
    type Block: Copy;

    /// Loads a block.
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block;

    /// Where a byte stands.
    fn eq(self, block: Self::Block, byte: u8) -> u64;

    /// Whether a byte above 127 is there.
    fn has_high(self, block: Self::Block) -> bool;

    /// Bit `i` of the result is the parity of bits `0..=i`: between an odd and an even quote it is set.
    fn prefix_xor(self, mask: u64) -> u64;

    /// Appends the place (`base` plus its index) and the value of each byte of the mask.
    /// Backends without a compress instruction go through the bits one by one.
    #[inline(always)]
    fn push(self, hits: &mut Hits, bytes: &[u8; BLOCK], block: Self::Block, mask: u64, base: u32) {
        let _ = block;
        hits.push_bits(bytes, mask, base);
    }

    /// Runs a kernel compiled for this backend's instructions.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;
}

/// An algorithm over any backend. Implementations mark `run` `#[inline(always)]`, so that it is compiled inside a
/// function that has the backend's instructions.
pub(crate) trait Kernel {
    /// What it gives.
    type Output;
    /// Does it.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Places of bytes, and the bytes: two arrays of the same length.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    at: Vec<u32>,
    byte: Vec<u8>,
}

impl Hits {
    /// Forgets all, keeps the memory, and begins with a newline before the first byte.
    pub(crate) fn restart(&mut self) {
        self.at.clear();
        self.byte.clear();
        self.at.push(u32::MAX);
        self.byte.push(b'\n');
    }

    /// Where they stand.
    pub(crate) fn at(&self) -> &[u32] {
        &self.at
    }

    /// The places, for adding some that no block had. The bytes do not follow.
    pub(crate) fn at_mut(&mut self) -> &mut Vec<u32> {
        &mut self.at
    }

    /// Which bytes they are.
    #[cfg(test)]
    pub(crate) fn byte(&self) -> &[u8] {
        &self.byte
    }

    /// The places, for adding some, beside the bytes.
    pub(crate) fn parts_mut(&mut self) -> (&mut Vec<u32>, &[u8]) {
        (&mut self.at, &self.byte)
    }

    /// Makes room for a block and gives the ends to write at. A backend may write up to 64 entries behind each end
    /// and then has to say by [`Hits::advance`] how many of them count.
    #[inline(always)]
    fn room(&mut self) -> (*mut u32, *mut u8) {
        let length = self.at.len();
        debug_assert_eq!(length, self.byte.len());
        if self.at.capacity() - length < BLOCK || self.byte.capacity() - length < BLOCK {
            self.grow();
        }
        // SAFETY: both arrays have room for BLOCK more entries behind `length`.
        unsafe { (self.at.as_mut_ptr().add(length), self.byte.as_mut_ptr().add(length)) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let more = self.at.len().max(64 * BLOCK);
        self.at.reserve(more);
        self.byte.reserve(more);
    }

    /// Counts entries in that were written behind the ends.
    ///
    /// # Safety
    /// `count` is at most [`BLOCK`], [`Hits::room`] was called before, and that many entries of both arrays have been
    /// written since.
    #[inline(always)]
    unsafe fn advance(&mut self, count: usize) {
        // SAFETY: by the contract the entries exist, and `room` made the capacity.
        unsafe {
            self.at.set_len(self.at.len() + count);
            self.byte.set_len(self.byte.len() + count);
        }
    }

    /// What backends without a compress instruction do: eight at a time, so that the usual block takes no
    /// unpredictable branch.
    #[inline(always)]
    fn push_bits(&mut self, bytes: &[u8; BLOCK], mut mask: u64, base: u32) {
        let count = mask.count_ones() as usize;
        let (at, byte) = self.room();
        let mut written = 0;
        while written < count {
            for step in written..written + 8 {
                // An empty mask gives 64, which wraps to 0; what is written for it does not count.
                let index = mask.trailing_zeros() as usize % BLOCK;
                // SAFETY: `step` is below BLOCK, and `room` gave space for as many.
                unsafe {
                    *at.add(step) = base + index as u32;
                    *byte.add(step) = bytes[index];
                }
                mask &= mask.wrapping_sub(1);
            }
            written += 8;
        }
        // SAFETY: at least `count` entries were written; a mask has at most BLOCK bits.
        unsafe { self.advance(count) }
    }
}

/// The table of backends, the fastest last: name, variant, token, `cfg`.
macro_rules! backends {
    ($($(#[$cfg:meta])* $name:literal $variant:ident $token:ty, $doc:literal;)+) => {
        /// A way to do the vector operations.
        ///
        /// ```
        /// use nasalogs::Backend;
        /// assert!(Backend::Scalar.is_available());
        /// assert!(Backend::available().any(|backend| backend == Backend::best()));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Backend {
            $($(#[$cfg])* #[doc = $doc] $variant,)+
        }

        impl Backend {
            /// Those that were compiled in, the fastest last.
            pub const ALL: &'static [Backend] = &[$($(#[$cfg])* Backend::$variant,)+];

            /// The name, as in `NASALOGS_SIMD`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($(#[$cfg])* Backend::$variant => $name,)+ }
            }

            /// Whether this processor has the instructions.
            #[must_use]
            pub fn is_available(self) -> bool {
                match self { $($(#[$cfg])* Backend::$variant => <$token>::detect().is_some(),)+ }
            }

            /// Runs a kernel with this backend; with the scalar one where the processor lacks the instructions.
            pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
                match self {
                    $($(#[$cfg])* Backend::$variant => match <$token>::detect() {
                        Some(token) => token.run(kernel),
                        None => scalar::Scalar.run(kernel),
                    },)+
                }
            }
        }
    };
}

backends! {
    "scalar" Scalar scalar::Scalar, "Eight bytes at a time in general registers: runs everywhere.";
    #[cfg(target_arch = "x86_64")]
    "sse42" Sse42 sse42::Sse42, "SSE4.2, POPCNT and PCLMULQDQ: x86-64 since 2010.";
    #[cfg(target_arch = "x86_64")]
    "avx2" Avx2 avx2::Avx2, "AVX2, BMI and PCLMULQDQ: x86-64 since 2013.";
    #[cfg(target_arch = "x86_64")]
    "avx512" Avx512 avx512::Avx512, "AVX-512 F, BW, VBMI2 and PCLMULQDQ: Ice Lake, Zen 4 and later.";
}

impl Backend {
    /// Those that this processor can run, the fastest last.
    pub fn available() -> impl Iterator<Item = Backend> {
        Self::ALL.iter().copied().filter(|backend| backend.is_available())
    }

    /// The fastest that this processor can run.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Backend::Scalar)
    }

    /// The one that is used unless another is asked for: what `NASALOGS_SIMD` names, else the fastest. Looked up once.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when `NASALOGS_SIMD` names no backend, or one that this processor cannot run.
    pub fn chosen() -> Result<Self, Error> {
        static CHOSEN: OnceLock<Result<Backend, String>> = OnceLock::new();
        CHOSEN
            .get_or_init(|| match std::env::var_os("NASALOGS_SIMD") {
                None => Ok(Self::best()),
                Some(name) if name.is_empty() => Ok(Self::best()),
                Some(name) => {
                    let backend: Self =
                        name.to_string_lossy().parse().map_err(|error: Error| error.message().to_owned())?;
                    match backend.is_available() {
                        true => Ok(backend),
                        false => Err(format!("this processor cannot run the backend {}", backend.name())),
                    }
                }
            })
            .clone()
            .map_err(|message| {
                let names: Vec<&str> = Self::available().map(Self::name).collect();
                Error::new(ErrorKind::Options, message)
                    .with_hint(format!("set NASALOGS_SIMD to one of {}, or unset it", names.join(", ")))
            })
    }
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|backend| backend.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|backend| backend.name()).collect();
            Error::new(ErrorKind::Options, format!("there is no backend {name:?}"))
                .with_hint(format!("expected one of {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests;
