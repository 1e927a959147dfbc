//! Everything that reads foreign bytes, on the way from the socket to the ledger.
//! `cargo +nightly fuzz run receive` in `crates/pingu-icmp`; see its README.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pingu_icmp::fuzzing::receive(input));
