//! Raw deflate with a shipped dictionary: a resource shrinks to a fifth, because most of it is the same in all.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Made-up resources of the usual shape, by number from 1; the most frequent text stands last, where deflate finds it
/// cheapest. Numbers are never re-used and dictionaries never removed. Small ones, because each is hashed anew for each
/// value: a referral is packed with the first, a person's record with the second.
const DICTIONARIES: [&[u8]; 2] = [
    include_bytes!("dictionary-1.json"),
    include_bytes!("dictionary-2.json"),
];
/// How a Patient begins.
const PATIENT: &[u8] = b"{\"resourceType\":\"Patient\"";

/// Number of the dictionary that suits a value.
pub(super) fn dictionary_of(plain: &[u8]) -> u8 {
    if plain.starts_with(PATIENT) { 2 } else { 1 }
}

fn dictionary(number: u8) -> Option<&'static [u8]> {
    DICTIONARIES
        .get(usize::from(number).checked_sub(1)?)
        .copied()
}

/// More than any resource, frame or row that limits let in.
const UNPACKED_BYTES_MAX: usize = 64 * 1024 * 1024;

thread_local! {
    /// A compressor's tables take 300 kB to set up, so each thread keeps its own.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// Deflates with the dictionary of [`dictionary_of`].
pub(super) fn pack(plain: &[u8]) -> Vec<u8> {
    let dictionary = dictionary(dictionary_of(plain)).unwrap_or_default();
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        compress
            .set_dictionary(dictionary)
            .expect("a fresh stream takes a dictionary");
        let mut packed = Vec::with_capacity(plain.len() / 3 + 64);
        loop {
            let read = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
            let status = compress
                .compress_vec(&plain[read..], &mut packed, FlushCompress::Finish)
                .expect("deflate has no bad input");
            if status == Status::StreamEnd {
                return packed;
            }
            packed.reserve(packed.len().max(256));
        }
    })
}

/// Inflates with the dictionary of this number; `None` of damaged input or an unknown dictionary.
pub(super) fn unpack(packed: &[u8], number: u8) -> Option<Vec<u8>> {
    let dictionary = dictionary(number)?;
    let mut inflate = Decompress::new(false);
    inflate.set_dictionary(dictionary).ok()?;
    let mut plain = Vec::with_capacity(packed.len() * 6 + 64);
    loop {
        let before = (inflate.total_in(), inflate.total_out());
        let read = usize::try_from(inflate.total_in()).ok()?;
        let status = inflate
            .decompress_vec(packed.get(read..)?, &mut plain, FlushDecompress::Finish)
            .ok()?;
        if status == Status::StreamEnd {
            return Some(plain);
        }
        let stuck =
            before == (inflate.total_in(), inflate.total_out()) && plain.capacity() > plain.len();
        if stuck || plain.len() > UNPACKED_BYTES_MAX {
            return None;
        }
        plain.reserve(plain.len().max(1024));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        let long = vec![b'a'; 100_000];
        for plain in [&b""[..], b"x", DICTIONARIES[0], DICTIONARIES[1], &long] {
            let packed = pack(plain);
            assert_eq!(
                unpack(&packed, dictionary_of(plain)).as_deref(),
                Some(plain)
            );
        }
        let resource =
            br#"{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order"}"#;
        assert!(
            pack(resource).len() < resource.len() / 2,
            "the dictionary is not used"
        );
    }

    #[test]
    fn damage_is_no_panic() {
        let packed = pack(b"some text that is long enough to be cut");
        assert_eq!(unpack(&packed[..packed.len() / 2], 1), None);
        assert_eq!(unpack(&packed, 9), None);
    }
}
