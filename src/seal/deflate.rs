//! Raw deflate with a shipped dictionary: a resource shrinks to a fifth, because most of it is the same in all.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Number of the dictionary in use; numbers are never re-used and old dictionaries never removed.
pub(super) const DICTIONARY: u8 = 1;
/// Made-up resources of the usual shape; the most frequent text stands last, where deflate finds it cheapest.
const DICTIONARY_1: &[u8] = include_bytes!("dictionary-1.json");
/// More than any resource, frame or row that limits let in.
const UNPACKED_BYTES_MAX: usize = 64 * 1024 * 1024;

thread_local! {
    /// A compressor's tables take 300 kB to set up, so each thread keeps its own.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// Deflates with the dictionary in use.
pub(super) fn pack(plain: &[u8]) -> Vec<u8> {
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        compress
            .set_dictionary(DICTIONARY_1)
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
pub(super) fn unpack(packed: &[u8], dictionary: u8) -> Option<Vec<u8>> {
    if dictionary != DICTIONARY {
        return None;
    }
    let mut inflate = Decompress::new(false);
    inflate.set_dictionary(DICTIONARY_1).ok()?;
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
        for plain in [&b""[..], b"x", DICTIONARY_1, &[b'a'; 100_000]] {
            let packed = pack(plain);
            assert_eq!(unpack(&packed, DICTIONARY).as_deref(), Some(plain));
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
        assert_eq!(unpack(&packed[..packed.len() / 2], DICTIONARY), None);
        assert_eq!(unpack(&packed, 9), None);
    }
}
