//! Keys, sealing and keyed look-ups: the only place that turns patient data into something the store may keep.
//!
//! In: plain bytes and the key of their holder (a person within one source, a file, a source, the installation).
//! Out: sealed bytes bound to their table, row, column and holder, so that no sealed value can be read, moved or
//! swapped. The layout is `ledger.md` §3, the keys are `security.md` §2.

mod deflate;
mod keys;
mod spool;

use aws_lc_rs::{aead, digest, hmac};
pub(crate) use keys::{KeyFileError, Keys, read_seal_key, unwrap, wrap};
pub(crate) use spool::SpoolKey;
use zeroize::Zeroize;

/// First byte of a sealed value.
const VERSION: u8 = 1;
/// First byte of the stub that stands where something was erased or never kept.
const STUB: u8 = 0;
const NONCE: usize = 12;

/// A 16-byte keyed look-up or content digest.
pub(crate) type LookupKey = [u8; 16];
/// A SHA-256.
pub(crate) type Digest = [u8; 32];

/// Why a sealed value does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// Too short, or of a version this program does not know.
    #[error("a sealed value has an unknown form")]
    Form,
    /// Erased, or never kept.
    #[error("a sealed value was erased")]
    Erased,
    /// Another key, place or content than it was sealed with.
    #[error("a sealed value does not open with its key at its place")]
    Mismatch,
}

/// Where a sealed value stands; part of what is authenticated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    /// Table and column, `raw.sealed`.
    pub(crate) column: &'a str,
    /// Id of the row.
    pub(crate) row: i64,
    /// Id of the key's row in `keyring`.
    pub(crate) holder: i64,
}

impl<'a> Spot<'a> {
    /// A row's value in a column, under the key of its holder.
    pub(crate) fn new(column: &'a str, row: impl Into<i64>, holder: impl Into<i64>) -> Self {
        let (row, holder) = (row.into(), holder.into());
        Self {
            column,
            row,
            holder,
        }
    }
}

/// The key of a holder: 32 bytes that leave no trace.
#[derive(Clone)]
pub(crate) struct HolderKey([u8; 32]);

impl Drop for HolderKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for HolderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HolderKey(masked)")
    }
}

impl HolderKey {
    /// A key of random bytes.
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Deflates, then seals `plain` for its spot.
    pub(crate) fn seal(&self, spot: Spot<'_>, nonce: [u8; NONCE], plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plain.len() / 3 + 96);
        sealed.extend([VERSION, deflate::form_of(plain)]);
        sealed.extend(nonce);
        let mut sealed = deflate::pack(plain, sealed);
        let cipher = self.cipher();
        let aad = aead::Aad::from(associated(&sealed[..2], spot));
        let (_, body) = sealed.split_at_mut(2 + NONCE);
        let tag = cipher
            .seal_in_place_separate_tag(aead::Nonce::assume_unique_for_key(nonce), aad, body)
            .expect("AES-GCM seals anything below 64 GiB");
        sealed.extend(tag.as_ref());
        sealed
    }

    /// Opens what was sealed for this spot.
    ///
    /// # Errors
    /// The value was erased, damaged, moved, or sealed with another key.
    pub(crate) fn open(&self, spot: Spot<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        if sealed.first() == Some(&STUB) {
            return Err(SealError::Erased);
        }
        if sealed.len() < 2 + NONCE + 16 || sealed[0] != VERSION {
            return Err(SealError::Form);
        }
        let aad = aead::Aad::from(associated(&sealed[..2], spot));
        let nonce: [u8; NONCE] = sealed[2..2 + NONCE]
            .try_into()
            .map_err(|_| SealError::Form)?;
        let mut body = sealed[2 + NONCE..].to_vec();
        let packed = self
            .cipher()
            .open_in_place(aead::Nonce::assume_unique_for_key(nonce), aad, &mut body)
            .map_err(|_| SealError::Mismatch)?;
        deflate::unpack(packed, sealed[1]).ok_or(SealError::Form)
    }

    /// A keyed digest of content, useless to anyone once the key is destroyed.
    pub(crate) fn digest(&self, content: &[u8]) -> LookupKey {
        first_half(&mac(&mac_key(&self.0), &[b"kith 1 digest", content]))
    }

    fn cipher(&self) -> aead::LessSafeKey {
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &self.0)
            .expect("an AES-256 key has 32 bytes");
        aead::LessSafeKey::new(key)
    }
}

/// The stub that stands for content that is not kept: its digest, so that roots still verify.
pub(crate) fn stub(content: &[u8]) -> Vec<u8> {
    let mut stub = vec![STUB];
    stub.extend(sha256(&[content]));
    stub
}

/// The digest that evidence names for a sealed value: of the value itself, or the one its stub keeps.
pub(crate) fn sealed_digest(sealed: &[u8]) -> Digest {
    match sealed.split_first() {
        Some((&STUB, rest)) if rest.len() == 32 => rest.try_into().unwrap_or_default(),
        _ => sha256(&[sealed]),
    }
}

/// SHA-256 over the parts, one after another.
pub(crate) fn sha256(parts: &[&[u8]]) -> Digest {
    if let [part] = parts {
        return of_one_piece(part);
    }
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The same over one part: without a context, which is memory of its own.
fn of_one_piece(part: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, part).as_ref());
    out
}

/// A key of HMAC-SHA256.
fn mac_key(bytes: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

/// HMAC-SHA256 over parts, each with its length in front, so that no two lists of parts look alike.
fn mac(key: &hmac::Key, parts: &[&[u8]]) -> Digest {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

fn first_half(digest: &Digest) -> LookupKey {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

fn associated(form: &[u8], spot: Spot<'_>) -> Vec<u8> {
    let mut aad = Vec::with_capacity(spot.column.len() + 40);
    for part in [
        form,
        spot.column.as_bytes(),
        &spot.row.to_be_bytes(),
        &spot.holder.to_be_bytes(),
    ] {
        aad.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        aad.extend(part);
    }
    aad
}

/// Root of the Merkle tree over leaves, split as RFC 6962 does; `None` of no leaves.
pub(crate) fn merkle_root(leaves: &[Digest]) -> Option<Digest> {
    match leaves {
        [] => None,
        [leaf] => Some(*leaf),
        _ => {
            let split = (leaves.len() - 1)
                .checked_ilog2()
                .map_or(1, |power| 1_usize << power);
            let (left, right) = leaves.split_at(split);
            let mut both = [1; 65];
            both[1..33].copy_from_slice(&merkle_root(left)?);
            both[33..].copy_from_slice(&merkle_root(right)?);
            Some(sha256(&[&both]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOT: Spot<'_> = Spot {
        column: "raw.sealed",
        row: 7,
        holder: 3,
    };

    #[test]
    fn a_sealed_value_opens_only_at_its_place() {
        let key = HolderKey::new([7; 32]);
        let plain = br#"{"resourceType":"Patient","name":[{"family":"X"}]}"#;
        let sealed = key.seal(SPOT, [1; 12], plain);
        assert_eq!(key.open(SPOT, &sealed).as_deref(), Ok(plain.as_slice()));
        let moved = [
            Spot { row: 8, ..SPOT },
            Spot { holder: 4, ..SPOT },
            Spot {
                column: "note.sealed",
                ..SPOT
            },
        ];
        for spot in moved {
            assert_eq!(key.open(spot, &sealed), Err(SealError::Mismatch));
        }
        assert_eq!(
            HolderKey::new([8; 32]).open(SPOT, &sealed),
            Err(SealError::Mismatch)
        );
        for place in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[place] ^= 1;
            assert!(key.open(SPOT, &flipped).is_err(), "bit at byte {place}");
        }
        assert_eq!(key.open(SPOT, &stub(&sealed)), Err(SealError::Erased));
    }

    #[test]
    fn the_tree_splits_as_rfc_6962_does() {
        let leaf = |n: u8| sha256(&[&[0], &[n]]);
        let node = |left: Digest, right: Digest| sha256(&[&[1], &left, &right]);
        let leaves: Vec<Digest> = (0..5).map(leaf).collect();
        let four = node(node(leaf(0), leaf(1)), node(leaf(2), leaf(3)));
        assert_eq!(merkle_root(&leaves[..4]), Some(four));
        assert_eq!(merkle_root(&leaves), Some(node(four, leaf(4))));
        assert_eq!(
            merkle_root(&leaves[..3]),
            Some(node(node(leaf(0), leaf(1)), leaf(2)))
        );
        assert_eq!(merkle_root(&[]), None);
    }

    #[test]
    fn sha256_of_abc() {
        // FIPS 180-2, appendix B.1.
        let wanted = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae,
            0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61,
            0xf2, 0x00, 0x15, 0xad,
        ];
        assert_eq!(sha256(&[b"a", b"bc"]), wanted);
    }

    #[test]
    fn parts_of_a_mac_cannot_be_shifted() {
        let key = mac_key(&[1; 32]);
        assert_ne!(mac(&key, &[b"ab", b"c"]), mac(&key, &[b"a", b"bc"]));
    }
}
