//! Two or four messages at once with the SHA extensions of x86.
//!
//! One stream of `sha256rnds2` waits for its own results most of the time; the rounds of other streams fill the gaps.
//! The state of a stream lies in two registers in the order the instructions want: A B E F and C D G H.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_loadu_si128, _mm_set_epi8, _mm_set_epi32, _mm_sha256msg1_epu32,
    _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128,
};

use super::lanes::{BLOCK, Job, Kernel, run};
use super::{K, Parts};

/// Whether the processor has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
}

/// Hashes messages four at a time.
pub(super) fn many(messages: &[Parts<'_>], digests: &mut [[u8; 32]]) {
    finish(&mut messages.iter().enumerate().map(|(index, &message)| Job::new(index, message)), digests);
}

/// Hashes what is left of jobs: four at a time, then two, then one.
pub(super) fn finish<'a>(jobs: &mut impl Iterator<Item = Job<'a>>, digests: &mut [[u8; 32]]) {
    assert!(is_available(), "the caller chose this back end because the processor has it");
    let rest = run(&mut ShaNi::<4>::new(), jobs, 3, digests);
    let rest = run(&mut ShaNi::<2>::new(), &mut rest.into_iter(), 2, digests);
    run(&mut ShaNi::<1>::new(), &mut rest.into_iter(), 1, digests);
}

/// The states of `LANES` messages. Made only where [`is_available`] is true.
struct ShaNi<const LANES: usize> {
    states: [[u32; 8]; LANES],
}

impl<const LANES: usize> ShaNi<LANES> {
    fn new() -> Self {
        Self { states: [[0; 8]; LANES] }
    }
}

impl<const LANES: usize> Kernel<LANES> for ShaNi<LANES> {
    fn load(&mut self, lane: usize, state: [u32; 8]) {
        self.states[lane] = state;
    }

    fn state(&self, lane: usize) -> [u32; 8] {
        self.states[lane]
    }

    fn compress(&mut self, runs: &[&[u8]; LANES], blocks: usize) {
        assert!(runs.iter().all(|run| run.len() >= blocks * BLOCK));
        // SAFETY: the processor has the instructions, because `finish`, the only user of this type, asserts it; each
        // run has at least `blocks` blocks, asserted above.
        unsafe { compress(&mut self.states, runs.map(<[u8]>::as_ptr), blocks) }
    }
}

/// # Safety
/// Needs `sha`, `ssse3` and `sse4.1`; each pointer must be good for reading `blocks` times 64 bytes.
#[target_feature(enable = "sha,ssse3,sse4.1")]
unsafe fn compress<const LANES: usize>(states: &mut [[u32; 8]; LANES], mut data: [*const u8; LANES], blocks: usize) {
    let mut abef: [__m128i; LANES] =
        std::array::from_fn(|i| words(states[i][0], states[i][1], states[i][4], states[i][5]));
    let mut cdgh: [__m128i; LANES] =
        std::array::from_fn(|i| words(states[i][2], states[i][3], states[i][6], states[i][7]));
    for _ in 0..blocks {
        let (abef_before, cdgh_before) = (abef, cdgh);
        // SAFETY: `blocks` times 64 bytes are readable, and each turn of this loop reads the next 64 of them.
        let mut message = unsafe { load_block(&data) };
        rounds(&mut abef, &mut cdgh, &mut message);
        for i in 0..LANES {
            abef[i] = _mm_add_epi32(abef[i], abef_before[i]);
            cdgh[i] = _mm_add_epi32(cdgh[i], cdgh_before[i]);
            data[i] = data[i].wrapping_add(BLOCK);
        }
    }
    for i in 0..LANES {
        let [f, e, b, a] = from_words(abef[i]);
        let [h, g, d, c] = from_words(cdgh[i]);
        states[i] = [a, b, c, d, e, f, g, h];
    }
}

/// The 64 rounds of one block of every lane.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn rounds<const LANES: usize>(
    abef: &mut [__m128i; LANES],
    cdgh: &mut [__m128i; LANES],
    message: &mut [[__m128i; LANES]; 4],
) {
    // Sixteen groups of four rounds. The words of a group are replaced, once used, by those of four groups later.
    macro_rules! groups {
        ($($group:literal)*) => {$(
            let k = words(K[4 * $group + 3], K[4 * $group + 2], K[4 * $group + 1], K[4 * $group]);
            for i in 0..LANES {
                let now = message[$group % 4][i];
                let sum = _mm_add_epi32(now, k);
                cdgh[i] = _mm_sha256rnds2_epu32(cdgh[i], abef[i], sum);
                abef[i] = _mm_sha256rnds2_epu32(abef[i], cdgh[i], _mm_shuffle_epi32::<0x0e>(sum));
                if $group < 12 {
                    let next = message[($group + 1) % 4][i];
                    let (third, last) = (message[($group + 2) % 4][i], message[($group + 3) % 4][i]);
                    let partial = _mm_add_epi32(_mm_sha256msg1_epu32(now, next), _mm_alignr_epi8::<4>(last, third));
                    message[$group % 4][i] = _mm_sha256msg2_epu32(partial, last);
                }
            }
        )*};
    }
    groups!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
}

/// The next 16 words of every lane, in the processor's byte order.
///
/// # Safety
/// Each pointer must be good for reading 64 bytes.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
unsafe fn load_block<const LANES: usize>(data: &[*const u8; LANES]) -> [[__m128i; LANES]; 4] {
    let swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    std::array::from_fn(|quarter| {
        std::array::from_fn(|i| {
            let from = data[i].wrapping_add(16 * quarter).cast();
            // SAFETY: `quarter` is below four, so these 16 bytes are among the 64 that the caller vouches for; the
            // load needs no alignment.
            _mm_shuffle_epi8(unsafe { _mm_loadu_si128(from) }, swap)
        })
    })
}

/// Four words, the most significant first.
#[inline]
#[target_feature(enable = "sse2")]
fn words(high: u32, second: u32, third: u32, low: u32) -> __m128i {
    _mm_set_epi32(high as i32, second as i32, third as i32, low as i32)
}

/// Four words, the least significant first.
#[inline]
#[target_feature(enable = "sse2")]
fn from_words(register: __m128i) -> [u32; 4] {
    let mut out = [0; 4];
    // SAFETY: `out` has the 16 bytes that are written; the store needs no alignment.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), register) };
    out
}
