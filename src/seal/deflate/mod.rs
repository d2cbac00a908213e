//! Raw deflate with a shipped dictionary: a resource shrinks to a fifth, because most of it is the same in all.
//!
//! In: bytes. Out: the number of a form, and the bytes in that form. Kept: forms are never re-used and never removed, since
//! what was sealed in one is opened in it. A short value goes by a preset, dictionary and codes, which costs a fifth of what
//! a general compressor takes to begin (ADR 0019); a long one by the compressor, whose own codes fit it better.

mod codes;
mod preset;
mod preset_reader;

use std::cell::RefCell;
use std::sync::LazyLock;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use preset::{PLAIN_MAX, Preset, Workspace};

/// Made-up resources of the usual shape; the most frequent text stands last. A referral goes with the first, a person's record
/// with the second.
const DICTIONARIES: [&[u8]; 2] = [
    include_bytes!("dictionary-1.json"),
    include_bytes!("dictionary-2.json"),
];
/// How a Patient begins.
const PATIENT: &[u8] = b"{\"resourceType\":\"Patient\"";

/// Form 1 and 2: by a compressor that knows the dictionary of this number.
const COMPRESSED: u8 = 1;
/// Form 3 and 4: by the preset of the same dictionaries.
const PRESET: u8 = 3;

static PRESETS: LazyLock<[Preset; 2]> = LazyLock::new(|| {
    [
        Preset::new(DICTIONARIES[0], codes::REFERRALS),
        Preset::new(DICTIONARIES[1], codes::PEOPLE),
    ]
});

/// More than any resource, row or file that limits let in.
const UNPACKED_BYTES_MAX: usize = 256 * 1024 * 1024;

thread_local! {
    /// A compressor's tables take 300 kB to set up, so each thread keeps its own.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// Number of the form that suits a value.
pub(super) fn form_of(plain: &[u8]) -> u8 {
    let first = if plain.len() > PLAIN_MAX {
        COMPRESSED
    } else {
        PRESET
    };
    first + u8::from(plain.starts_with(PATIENT))
}

/// Packs a value in the form of [`form_of`], behind what `to` holds already.
pub(super) fn pack(plain: &[u8], to: Vec<u8>) -> Vec<u8> {
    let of_people = usize::from(plain.starts_with(PATIENT));
    if plain.len() > PLAIN_MAX {
        return compress(plain, DICTIONARIES[of_people], to);
    }
    WORKSPACE.with_borrow_mut(|with| PRESETS[of_people].pack(plain, with, to))
}

fn compress(plain: &[u8], dictionary: &[u8], mut to: Vec<u8>) -> Vec<u8> {
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        compress
            .set_dictionary(dictionary)
            .expect("a fresh stream takes a dictionary");
        to.reserve(plain.len() / 3 + 64);
        loop {
            let read = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
            let status = compress
                .compress_vec(&plain[read..], &mut to, FlushCompress::Finish)
                .expect("deflate has no bad input");
            if status == Status::StreamEnd {
                return to;
            }
            to.reserve(to.len().max(256));
        }
    })
}

/// Unpacks what was packed in the form of this number; `None` of damaged input or an unknown form.
pub(super) fn unpack(packed: &[u8], form: u8) -> Option<Vec<u8>> {
    if let Some(place) = form.checked_sub(PRESET) {
        let preset = PRESETS.get(usize::from(place))?;
        return WORKSPACE.with_borrow_mut(|with| preset.unpack(packed, with));
    }
    let place = form.checked_sub(COMPRESSED)?;
    inflate(packed, DICTIONARIES.get(usize::from(place)).copied()?)
}

fn inflate(packed: &[u8], dictionary: &[u8]) -> Option<Vec<u8>> {
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
    use proptest::prelude::*;

    use super::*;

    fn packed(plain: &[u8]) -> Vec<u8> {
        pack(plain, Vec::new())
    }

    fn comes_back(plain: &[u8]) -> bool {
        unpack(&packed(plain), form_of(plain)).as_deref() == Some(plain)
    }

    #[test]
    fn packs_and_unpacks() {
        let long = vec![b'a'; 100_000];
        let all: Vec<u8> = (0..=255).collect();
        for plain in [
            &b""[..],
            b"x",
            DICTIONARIES[0],
            DICTIONARIES[1],
            &long,
            &all,
        ] {
            assert!(comes_back(plain));
        }
        let resource =
            br#"{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order"}"#;
        assert!(
            packed(resource).len() < resource.len() / 2,
            "the dictionary is not used"
        );
    }

    #[test]
    fn the_longest_of_a_preset_and_one_byte_more_come_back() {
        for length in [PLAIN_MAX, PLAIN_MAX + 1] {
            let mut plain: Vec<u8> = DICTIONARIES[0]
                .iter()
                .copied()
                .cycle()
                .take(length)
                .collect();
            assert!(comes_back(&plain), "{length}");
            // Without a match, and with the longest ones only.
            let mut state = 1_u32;
            plain.fill_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            });
            assert!(comes_back(&plain), "{length} bytes drawn");
            plain.fill(b'7');
            assert!(comes_back(&plain), "{length} sevens");
            let form = if length == PLAIN_MAX {
                PRESET
            } else {
                COMPRESSED
            };
            assert_eq!(form_of(&plain), form);
        }
    }

    proptest! {
        #[test]
        fn what_is_alike_at_any_length_and_distance_comes_back(
            pieces in prop::collection::vec((0_usize..1_500, 0_usize..600, any::<u8>()), 0..20),
            person in any::<bool>(),
        ) {
            let dictionary = DICTIONARIES[usize::from(person)];
            let mut plain = if person { PATIENT.to_vec() } else { Vec::new() };
            for (from, length, letter) in pieces {
                plain.extend(dictionary.iter().skip(from).take(length));
                plain.push(letter);
                let again: Vec<u8> = plain.iter().skip(from).take(length / 2).copied().collect();
                plain.extend(again);
            }
            prop_assert!(comes_back(&plain));
        }
    }

    /// The head of a block that tells the codes of these lengths: the last block, all symbols, four bits a length.
    fn head(lengths: &str) -> Vec<bool> {
        let mut bits = Vec::new();
        let mut put = |number: u32, count: u32| {
            bits.extend((0..count).map(|place| number >> place & 1 == 1));
        };
        for (number, count) in [(1, 1), (2, 2), (29, 5), (29, 5), (15, 4)] {
            put(number, count);
        }
        // Repetitions (16, 17, 18) stand first, and are not used.
        (0..19).for_each(|place| put(if place < 3 { 0 } else { 4 }, 3));
        for length in lengths.chars().filter_map(|digit| digit.to_digit(16)) {
            put(length.reverse_bits() >> 28, 4);
        }
        bits
    }

    #[test]
    fn with_its_head_any_inflate_reads_a_preset() {
        let person = [PATIENT, b",\"id\":\"1\",\"gender\":\"female\"}"].concat();
        let request =
            br#"{"resourceType":"ServiceRequest","id":"3e24","status":"active","note":"~"}"#;
        for (plain, lengths, dictionary) in [
            (&request[..], codes::REFERRALS, DICTIONARIES[0]),
            (&person, codes::PEOPLE, DICTIONARIES[1]),
        ] {
            let bits_of = |byte: u8| (0..8).map(move |place| byte >> place & 1 == 1);
            let mut bits = head(lengths);
            bits.extend(packed(plain).into_iter().flat_map(bits_of));
            let byte = |bits: &[bool]| {
                bits.iter()
                    .rev()
                    .fold(0, |byte, bit| byte << 1 | u8::from(*bit))
            };
            let stream: Vec<u8> = bits.chunks(8).map(byte).collect();
            assert_eq!(inflate(&stream, dictionary).as_deref(), Some(plain));
        }
    }

    #[test]
    fn damage_is_no_panic() {
        let plain = b"some text that is long enough to be cut";
        let packed = packed(plain);
        assert_eq!(unpack(&packed[..packed.len() / 2], form_of(plain)), None);
        assert_eq!(unpack(&packed, 9), None);
        assert_eq!(unpack(&packed, 0), None);
        for place in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[place] ^= 0x55;
            assert_ne!(
                unpack(&damaged, form_of(plain)).as_deref(),
                Some(&plain[..])
            );
        }
    }
}
