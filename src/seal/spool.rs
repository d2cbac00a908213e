//! A key for what waits on disk for minutes: it lives in memory, is never stored, and dies with the process.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{NONCE, SealError};

/// What is authenticated beside the bytes: a value of a spool is nothing else.
const SPOOL: &[u8] = b"kith 1 spool";

/// A key of one spool. A place may be sealed once only: it is the nonce.
pub(crate) struct SpoolKey(LessSafeKey);

impl std::fmt::Debug for SpoolKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpoolKey(masked)")
    }
}

impl SpoolKey {
    /// Bytes that sealing adds.
    pub(crate) const TAG: usize = 16;

    /// A key of random bytes that nothing else was made of.
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        let key = UnboundKey::new(&aead::AES_256_GCM, &bytes);
        Self(LessSafeKey::new(key.expect("an AES-256 key has 32 bytes")))
    }

    /// Seals bytes in their buffer, for a place at which nothing was sealed before.
    pub(crate) fn seal(&self, place: u64, bytes: &mut Vec<u8>) {
        self.0
            .seal_in_place_append_tag(nonce(place), Aad::from(SPOOL), bytes)
            .expect("AES-GCM seals anything below 64 GiB");
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// It was changed, moved, or sealed with another key.
    pub(crate) fn open(&self, place: u64, mut sealed: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let opened = self
            .0
            .open_in_place(nonce(place), Aad::from(SPOOL), &mut sealed);
        let length = opened.map_err(|_| SealError::Mismatch)?.len();
        sealed.truncate(length);
        Ok(sealed)
    }
}

fn nonce(place: u64) -> Nonce {
    let mut nonce = [0; NONCE];
    nonce[4..].copy_from_slice(&place.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spooled_opens_only_at_its_place_with_its_key() {
        let key = SpoolKey::new([7; 32]);
        let mut sealed = b"{\"resourceType\":\"Patient\"}".to_vec();
        key.seal(40, &mut sealed);
        assert!(!sealed.windows(7).any(|part| part == b"Patient"));
        let opened = key.open(40, sealed.clone());
        assert_eq!(
            opened.as_deref(),
            Ok(&b"{\"resourceType\":\"Patient\"}"[..])
        );
        assert_eq!(key.open(41, sealed.clone()), Err(SealError::Mismatch));
        assert_eq!(
            SpoolKey::new([8; 32]).open(40, sealed.clone()),
            Err(SealError::Mismatch)
        );
        sealed[3] ^= 1;
        assert_eq!(key.open(40, sealed), Err(SealError::Mismatch));
    }
}
