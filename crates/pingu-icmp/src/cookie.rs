//! The cookie in every payload: which in-flight slot sent it, in which of the
//! slot's lives, and a keyed tag nobody without the key can make.
//!
//! Promises: a cookie of another process, or of this one with a bit changed, is
//! not verified. Leaves out: secrecy of slot and generation (they are on the
//! wire), and replay, which the ledger sees by the generation.

use std::hash::{BuildHasher, RandomState};

/// 16 bytes on the wire: slot, generation (big-endian `u32` each), tag (`u64`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie {
    pub slot: u32,
    pub generation: u32,
    tag: u64,
}

impl Cookie {
    pub const BYTES: usize = 16;

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.slot.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.generation.to_be_bytes());
        bytes[8..].copy_from_slice(&self.tag.to_be_bytes());
        bytes
    }

    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let word = u128::from_be_bytes(*bytes);
        Self {
            slot: (word >> 96) as u32,
            generation: (word >> 64) as u32,
            tag: word as u64,
        }
    }
}

/// The secret of one engine. `RandomState` is SipHash-1-3 keyed from the
/// operating system's randomness: a keyed function whose 64-bit tags cannot be
/// guessed, at about 15 ns each and without a dependency.
#[derive(Debug, Default)]
pub struct Secret(RandomState);

impl Secret {
    pub fn cookie(&self, slot: u32, generation: u32) -> Cookie {
        let tag = self.0.hash_one((slot, generation));
        Cookie {
            slot,
            generation,
            tag,
        }
    }

    pub fn made(&self, cookie: Cookie) -> bool {
        self.cookie(cookie.slot, cookie.generation).tag == cookie.tag
    }

    /// A number an outsider cannot guess, for the identifier of a raw socket.
    pub fn identifier(&self) -> u16 {
        self.0.hash_one("identifier") as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cookie_survives_the_wire(slot in any::<u32>(), generation in any::<u32>()) {
            let secret = Secret::default();
            let cookie = secret.cookie(slot, generation);
            let read = Cookie::from_bytes(&cookie.to_bytes());
            prop_assert_eq!(read, cookie);
            prop_assert!(secret.made(read));
        }

        #[test]
        fn a_flipped_bit_is_noticed(slot in any::<u32>(), generation in any::<u32>(), bit in 0usize..128) {
            let secret = Secret::default();
            let mut bytes = secret.cookie(slot, generation).to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!secret.made(Cookie::from_bytes(&bytes)));
        }
    }

    #[test]
    fn another_engine_s_cookie_is_not_ours() {
        assert!(!Secret::default().made(Secret::default().cookie(1, 1)));
    }
}
