//! The merkury program.

fn main() {}
