//! The seal key, the keys made of it, and the key file's rules.

use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::{aead, hkdf, hmac};
use zeroize::Zeroizing;

use super::{Digest, HolderKey, LookupKey, SealError, Spot, first_half, mac, mac_key};

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// There is none.
    #[error("the seal key file does not exist")]
    Missing,
    /// It cannot be read.
    #[error("the seal key file cannot be read: {0}")]
    Io(std::io::ErrorKind),
    /// Others may read it.
    #[error("the seal key file can be read by others, mode {0:o}")]
    TooOpen(u32),
    /// It belongs to somebody else.
    #[error("the seal key file belongs to user {owner}, and Kith runs as user {runs_as}")]
    Owner {
        /// Number of the user that has it.
        owner: u32,
        /// Number of the user that Kith runs as.
        runs_as: u32,
    },
    /// Not 32 bytes.
    #[error("the seal key has {0} bytes, 32 are needed")]
    Length(usize),
}

/// Reads the 32 bytes of `seal.key`; `guarded`: systemd shows it to this service alone, whatever its mode and owner.
///
/// # Errors
/// Missing, unreadable, open to others, or of another length.
pub(crate) fn read_seal_key(
    path: &Path,
    guarded: bool,
) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path);
    let file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => KeyFileError::Missing,
        kind => KeyFileError::Io(kind),
    })?;
    let metadata = file
        .metadata()
        .map_err(|error| KeyFileError::Io(error.kind()))?;
    if metadata.mode() & 0o077 != 0 && !guarded {
        return Err(KeyFileError::TooOpen(metadata.mode() & 0o777));
    }
    let (owner, runs_as) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != runs_as && !guarded {
        return Err(KeyFileError::Owner { owner, runs_as });
    }
    // Room for all of it from the beginning: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    std::io::Read::read_to_end(&mut std::io::Read::take(file, 4096), &mut bytes)
        .map_err(|error| KeyFileError::Io(error.kind()))?;
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(KeyFileError::Length(bytes.len()));
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

/// The keys of an open installation: they live in memory only.
///
/// Those of look-ups and digests are kept as they are used: each is asked some times a referral, and wipes itself.
pub(crate) struct Keys {
    wrap: HolderKey,
    lookup: hmac::Key,
    digest: hmac::Key,
    token: hmac::Key,
    seal: hmac::Key,
    anchor: hmac::Key,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(masked)")
    }
}

impl Keys {
    /// The wrapping key of a seal key for one installation.
    pub(crate) fn wrapping(
        seal_key: &[u8; 32],
        installation: &LookupKey,
        generation: u32,
    ) -> HolderKey {
        let mut info = b"kith 1 wrap".to_vec();
        info.extend(generation.to_be_bytes());
        HolderKey::new(derive(seal_key, installation, &info))
    }

    /// The keys of an installation whose secret has been unwrapped.
    pub(crate) fn new(wrap: HolderKey, installation: &LookupKey, secret: &HolderKey) -> Self {
        let sub = |name: &[u8]| {
            let key = Zeroizing::new(derive(&secret.0, installation, name));
            mac_key(&key)
        };
        Self {
            wrap,
            lookup: sub(b"kith 1 look"),
            digest: sub(b"kith 1 digest"),
            token: sub(b"kith 1 token"),
            seal: sub(b"kith 1 seal"),
            anchor: sub(b"kith 1 anchor"),
        }
    }

    /// Wraps a holder's key for its row of `keyring`.
    pub(crate) fn wrap(&self, id: impl Into<i64>, nonce: [u8; 12], key: &HolderKey) -> Vec<u8> {
        wrap(&self.wrap, id, nonce, key)
    }

    /// Unwraps the key of a row of `keyring`.
    ///
    /// # Errors
    /// The row was changed, or belongs to another installation.
    pub(crate) fn unwrap(
        &self,
        id: impl Into<i64>,
        wrapped: &[u8],
    ) -> Result<HolderKey, SealError> {
        unwrap(&self.wrap, id, wrapped)
    }

    /// Keyed look-up of fields.
    pub(crate) fn lookup(&self, fields: &[&[u8]]) -> LookupKey {
        first_half(&mac(&self.lookup, fields))
    }

    /// Keyed digest of a file's SHA-256.
    pub(crate) fn file_digest(&self, sha256: &Digest) -> Digest {
        mac(&self.digest, &[sha256])
    }

    /// The digest a row token is made of.
    pub(crate) fn token(&self, fields: &[&[u8]]) -> Digest {
        mac(&self.token, fields)
    }

    /// The mac of the anchor's text.
    pub(crate) fn anchor_mac(&self, text: &[u8]) -> Digest {
        mac(&self.anchor, &[text])
    }

    /// The mac of a day seal.
    pub(crate) fn day_mac(&self, root: &Digest) -> Digest {
        mac(&self.seal, &[root])
    }
}

/// Wraps the 32 bytes of `key` with the wrapping key, bound to its row.
pub(crate) fn wrap(
    with: &HolderKey,
    id: impl Into<i64>,
    nonce: [u8; 12],
    key: &HolderKey,
) -> Vec<u8> {
    let mut body = Zeroizing::new(key.0);
    let aad = aead::Aad::from(super::associated(b"keyring.wrapped", Spot::new("", id, 0)));
    let tag = with
        .cipher()
        .seal_in_place_separate_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aad,
            body.as_mut_slice(),
        )
        .expect("AES-GCM seals anything below 64 GiB");
    let mut wrapped = nonce.to_vec();
    wrapped.extend(body.as_slice());
    wrapped.extend(tag.as_ref());
    wrapped
}

/// Opens what [`wrap`] made.
///
/// # Errors
/// Another wrapping key, another row, or a changed value.
pub(crate) fn unwrap(
    with: &HolderKey,
    id: impl Into<i64>,
    wrapped: &[u8],
) -> Result<HolderKey, SealError> {
    let nonce: [u8; 12] = wrapped
        .get(..12)
        .and_then(|nonce| nonce.try_into().ok())
        .ok_or(SealError::Form)?;
    let mut body = Zeroizing::new(wrapped[12..].to_vec());
    let aad = aead::Aad::from(super::associated(b"keyring.wrapped", Spot::new("", id, 0)));
    let opened =
        with.cipher()
            .open_in_place(aead::Nonce::assume_unique_for_key(nonce), aad, &mut body);
    let opened: &[u8] = opened.map_err(|_| SealError::Mismatch)?;
    Ok(HolderKey::new(
        opened.try_into().map_err(|_| SealError::Form)?,
    ))
}

fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> [u8; 32] {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let info = [info];
    let expanded = extracted
        .expand(&info, hkdf::HKDF_SHA256)
        .expect("32 bytes are within HKDF's length");
    let mut key = [0; 32];
    expanded
        .fill(&mut key)
        .expect("the length asked for is the length given");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_vector_of_rfc_5869() {
        // Test case 1, first 32 of 42 bytes.
        let okm = derive(
            &[0x0b; 22],
            &(0..=12).collect::<Vec<u8>>(),
            &(0xf0..=0xf9).collect::<Vec<u8>>(),
        );
        assert_eq!(okm[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
        assert_eq!(okm[28..], [0xec, 0xc4, 0xc5, 0xbf]);
    }

    #[test]
    fn a_wrapped_key_opens_only_in_its_row() {
        let with = HolderKey::new([1; 32]);
        let wrapped = wrap(&with, 5, [2; 12], &HolderKey::new([3; 32]));
        assert_eq!(unwrap(&with, 5, &wrapped).map(|key| key.0), Ok([3; 32]));
        assert_eq!(
            unwrap(&with, 6, &wrapped).map(|key| key.0),
            Err(SealError::Mismatch)
        );
        assert_eq!(
            unwrap(&HolderKey::new([9; 32]), 5, &wrapped).map(|key| key.0),
            Err(SealError::Mismatch)
        );
    }

    #[test]
    fn a_key_file_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seal.key");
        assert!(matches!(
            read_seal_key(&path, false),
            Err(KeyFileError::Missing)
        ));
        std::io::Write::write_all(
            &mut std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)
                .expect("a file"),
            &[5; 32],
        )
        .expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        assert!(matches!(
            read_seal_key(&path, false),
            Err(KeyFileError::TooOpen(0o644))
        ));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        assert_eq!(*read_seal_key(&path, false).expect("a key"), [5; 32]);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12_345), None).expect("root gives files away");
            assert!(matches!(
                read_seal_key(&path, false),
                Err(KeyFileError::Owner {
                    owner: 12_345,
                    runs_as: 0
                })
            ));
            assert_eq!(*read_seal_key(&path, true).expect("a key"), [5; 32]);
        }
    }
}
