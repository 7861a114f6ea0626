//! Sixteen messages at once: each state word of all of them is one 512-bit register, a 32-bit lane per message.
//!
//! A step reads 64 bytes of each message, turns the 16 rows into 16 columns (one register per message word) and runs
//! the rounds once for all. `vpternlog` computes Ch, Maj and the three-fold exclusive or, `vprord` rotates.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi32, _mm512_loadu_si512, _mm512_ror_epi32, _mm512_set1_epi32,
    _mm512_set4_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32,
    _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::lanes::{BLOCK, Job, Kernel, run};
use super::{AVX512_LANES_MIN, K, Parts, shani};

const LANES: usize = 16;
/// How far ahead of the hash each lane's bytes are called from memory: the loads of sixteen streams are more than the
/// processor's own prefetcher follows.
const PREFETCH_BYTES: usize = 512;

/// Whether the processor has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// Hashes messages sixteen at a time; when few are left, the SHA extensions finish them.
pub(super) fn many(messages: &[Parts<'_>], digests: &mut [[u8; 32]]) {
    assert!(is_available(), "the caller chose this back end because the processor has it");
    let mut jobs = messages.iter().enumerate().map(|(index, &message)| Job::new(index, message));
    let rest = run(&mut Avx512 { states: [[0; LANES]; 8] }, &mut jobs, AVX512_LANES_MIN, digests);
    shani::finish(&mut rest.into_iter(), digests);
}

/// State words by message. Made only where [`is_available`] is true.
struct Avx512 {
    states: [[u32; LANES]; 8],
}

impl Kernel<LANES> for Avx512 {
    fn load(&mut self, lane: usize, state: [u32; 8]) {
        for (row, word) in self.states.iter_mut().zip(state) {
            row[lane] = word;
        }
    }

    fn state(&self, lane: usize) -> [u32; 8] {
        self.states.map(|row| row[lane])
    }

    fn compress(&mut self, runs: &[&[u8]; LANES], blocks: usize) {
        assert!(runs.iter().all(|run| run.len() >= blocks * BLOCK));
        // SAFETY: the processor has the instructions, because `many`, the only maker of this type, asserts it; each
        // run has at least `blocks` blocks, asserted above.
        unsafe { compress(&mut self.states, runs.map(<[u8]>::as_ptr), blocks) }
    }
}

/// # Safety
/// Needs `avx512f` and `avx512bw`; each pointer must be good for reading `blocks` times 64 bytes.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn compress(states: &mut [[u32; LANES]; 8], mut data: [*const u8; LANES], blocks: usize) {
    let mut state = [_mm512_setzero_si512(); 8];
    for (register, row) in state.iter_mut().zip(&*states) {
        // SAFETY: a row of `states` has the 64 bytes that are read; the load needs no alignment.
        *register = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
    }
    for _ in 0..blocks {
        let before = state;
        // SAFETY: `blocks` times 64 bytes are readable, and each turn of this loop reads the next 64 of them.
        let mut message = unsafe { load_block(&data) };
        rounds(&mut state, &mut message);
        for word in 0..8 {
            state[word] = _mm512_add_epi32(state[word], before[word]);
        }
        for pointer in &mut data {
            *pointer = pointer.wrapping_add(BLOCK);
        }
    }
    for (row, register) in states.iter_mut().zip(state) {
        // SAFETY: a row of `states` has the 64 bytes that are written; the store needs no alignment.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), register) };
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}

/// The same value, computed as written: sums that need not wait for the round before must not be regrouped with ones
/// that do, or every round gets longer.
#[inline]
#[target_feature(enable = "avx512f")]
fn kept(mut value: __m512i) -> __m512i {
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {0} */", inout(zmm_reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}

/// The 64 rounds of one block of every lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn rounds(state: &mut [__m512i; 8], message: &mut [__m512i; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    macro_rules! round {
        ($t:literal: $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
            let now = message[$t % 16];
            let sum_e = xor3(_mm512_ror_epi32::<6>($e), _mm512_ror_epi32::<11>($e), _mm512_ror_epi32::<25>($e));
            // Ch: where a bit of e is set the bit of f, else of g.
            let choice = _mm512_ternarylogic_epi32::<0xca>($e, $f, $g);
            let with_key = kept(_mm512_add_epi32(_mm512_add_epi32($h, now), _mm512_set1_epi32(K[$t] as i32)));
            let first = _mm512_add_epi32(with_key, _mm512_add_epi32(sum_e, choice));
            let sum_a = xor3(_mm512_ror_epi32::<2>($a), _mm512_ror_epi32::<13>($a), _mm512_ror_epi32::<22>($a));
            let majority = _mm512_ternarylogic_epi32::<0xe8>($a, $b, $c);
            $d = _mm512_add_epi32($d, first);
            $h = _mm512_add_epi32(first, _mm512_add_epi32(sum_a, majority));
            if $t < 48 {
                message[$t % 16] = next_word(message, $t);
            }
        };
    }
    macro_rules! eight_rounds {
        ($($t0:literal $t1:literal $t2:literal $t3:literal $t4:literal $t5:literal $t6:literal $t7:literal,)*) => {$(
            round!($t0: a b c d e f g h);
            round!($t1: h a b c d e f g);
            round!($t2: g h a b c d e f);
            round!($t3: f g h a b c d e);
            round!($t4: e f g h a b c d);
            round!($t5: d e f g h a b c);
            round!($t6: c d e f g h a b);
            round!($t7: b c d e f g h a);
        )*};
    }
    eight_rounds!(
        0 1 2 3 4 5 6 7,
        8 9 10 11 12 13 14 15,
        16 17 18 19 20 21 22 23,
        24 25 26 27 28 29 30 31,
        32 33 34 35 36 37 38 39,
        40 41 42 43 44 45 46 47,
        48 49 50 51 52 53 54 55,
        56 57 58 59 60 61 62 63,
    );
    *state = [a, b, c, d, e, f, g, h];
}

/// The message word of sixteen rounds after round `t`.
#[inline]
#[target_feature(enable = "avx512f")]
fn next_word(message: &[__m512i; 16], t: usize) -> __m512i {
    let (early, late) = (message[(t + 1) % 16], message[(t + 14) % 16]);
    let sigma0 = xor3(_mm512_ror_epi32::<7>(early), _mm512_ror_epi32::<18>(early), _mm512_srli_epi32::<3>(early));
    let sigma1 = xor3(_mm512_ror_epi32::<17>(late), _mm512_ror_epi32::<19>(late), _mm512_srli_epi32::<10>(late));
    let plain = _mm512_add_epi32(message[t % 16], message[(t + 9) % 16]);
    _mm512_add_epi32(plain, _mm512_add_epi32(sigma0, sigma1))
}

/// The next 16 words of every lane: register `w` of the answer holds word `w` of all messages.
///
/// # Safety
/// Each pointer must be good for reading 64 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn load_block(data: &[*const u8; LANES]) -> [__m512i; 16] {
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    macro_rules! rows {
        ($($lane:literal)*) => {[$({
            let pointer = data[$lane];
            _mm_prefetch::<_MM_HINT_T0>(pointer.wrapping_add(PREFETCH_BYTES).cast());
            // SAFETY: the caller vouches for these 64 bytes; the load needs no alignment, the prefetch no valid address.
            _mm512_shuffle_epi8(unsafe { _mm512_loadu_si512(pointer.cast()) }, swap)
        }),*]};
    }
    let rows = rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    transpose(rows)
}

/// Turns 16 rows of 16 words into columns, in four steps that each exchange neighbours twice as far apart.
///
/// Loops instead of `array::from_fn` here and above: a closure in it is compiled without these instructions' registers
/// and everything goes through memory, at half the speed.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    // Words of pairs of rows, then of fours: in each 128-bit quarter, register 4r + w holds word w of rows 4r…4r+3.
    let mut pairs = rows;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    let mut fours = rows;
    for row in [0, 4, 8, 12] {
        fours[row] = _mm512_unpacklo_epi64(pairs[row], pairs[row + 2]);
        fours[row + 1] = _mm512_unpackhi_epi64(pairs[row], pairs[row + 2]);
        fours[row + 2] = _mm512_unpacklo_epi64(pairs[row + 1], pairs[row + 3]);
        fours[row + 3] = _mm512_unpackhi_epi64(pairs[row + 1], pairs[row + 3]);
    }
    // Quarter q of register 4r + w holds word 4q + w of rows 4r…4r+3; exchange whole quarters between the registers.
    let mut columns = rows;
    for word in 0..4 {
        let (first, second, third, fourth) = (fours[word], fours[4 + word], fours[8 + word], fours[12 + word]);
        let (low, high) = (_mm512_shuffle_i32x4::<0x88>(first, second), _mm512_shuffle_i32x4::<0x88>(third, fourth));
        columns[word] = _mm512_shuffle_i32x4::<0x88>(low, high);
        columns[8 + word] = _mm512_shuffle_i32x4::<0xdd>(low, high);
        let (low, high) = (_mm512_shuffle_i32x4::<0xdd>(first, second), _mm512_shuffle_i32x4::<0xdd>(third, fourth));
        columns[4 + word] = _mm512_shuffle_i32x4::<0x88>(low, high);
        columns[12 + word] = _mm512_shuffle_i32x4::<0xdd>(low, high);
    }
    columns
}
