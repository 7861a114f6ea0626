//! Prints how fast each SHA-256 back end is here, in gigabytes per second of one thread's processor time.
//!
//! `cargo run --release -p merkury-core --example hash_speed`
#![allow(clippy::print_stdout)]

use merkury_core::hash::sha256::{Backend, Parts};

const TOTAL_BYTES: usize = 256 << 20;

fn main() {
    println!("{:>10} {:>9} {:>9} {:>9}", "size", "avx512", "sha-ni", "plain");
    for (name, sizes) in [
        ("1 KiB", vec![1 << 10; 1 << 10]),
        ("4 KiB", vec![4 << 10; 256]),
        ("256 KiB", vec![256 << 10; 32]),
        ("1 MiB", vec![1 << 20; 32]),
        ("mixed", (0..256).map(|i| 100 + 997 * (i * i % 101)).collect()),
    ] {
        let data: Vec<Vec<u8>> = sizes.iter().map(|&size| (0..size).map(|i| (i * 31) as u8).collect()).collect();
        let messages: Vec<Parts<'_>> = data.iter().map(|message| [&message[..], &[], &[]]).collect();
        let speeds = Backend::ALL.map(|backend| speed(backend, &messages));
        println!("{name:>10} {:>9.2} {:>9.2} {:>9.2}", speeds[0], speeds[1], speeds[2]);
    }
}

/// The best of five: other work on the machine only ever makes it slower.
fn speed(backend: Backend, messages: &[Parts<'_>]) -> f64 {
    let bytes: usize = messages.iter().map(|message| message[0].len()).sum();
    let rounds = (TOTAL_BYTES / bytes).max(1);
    let seconds = (0..5).map(|_| {
        let start = seconds_used();
        for _ in 0..rounds {
            std::hint::black_box(backend.digest_many(std::hint::black_box(messages)));
        }
        seconds_used() - start
    });
    (bytes * rounds) as f64 / seconds.fold(f64::INFINITY, f64::min) / 1e9
}

/// Processor time of this thread, so that other work on the machine counts little.
fn seconds_used() -> f64 {
    let used = std::fs::read_to_string("/proc/thread-self/schedstat").expect("needs Linux");
    let nanoseconds: f64 = used.split(' ').next().and_then(|first| first.parse().ok()).expect("a number");
    nanoseconds / 1e9
}
