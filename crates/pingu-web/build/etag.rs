//! The validator of a representation: a strong `ETag` (RFC 9110, section 8.8.3) made of its bytes alone.
//!
//! FNV-1a with 128 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): four lines, no dependency to build before the first
//! crate, and the same on every toolchain, which std's `DefaultHasher` does not promise. It resists no forger, and need not:
//! it only tells our own builds of a page apart.

const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = (1 << 88) + 0x13b;

/// The `ETag` of `bytes` as it stands in a header: 32 hexadecimal digits in double quotes.
pub fn of(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(OFFSET_BASIS, |hash, &byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    format!("\"{hash:032x}\"")
}
