//! The hash chain of a strand and the leaves of its evidence, the same for every engine.

use super::rows::{DropRow, EventRow, LedgerRow, Place, ReturnRow};
use crate::seal::{Digest, LookupKey, sealed_digest, sha256};

/// What the first row of a strand follows.
pub(crate) fn genesis(installation: &LookupKey, strand: &str) -> Digest {
    sha256(&[b"kith ledger 1", installation, strand.as_bytes()])
}

/// The hash of a row that follows `prev`.
pub(crate) fn row_hash(prev: &Digest, row: &LedgerRow) -> Digest {
    sha256(&[
        prev,
        &row.seq.to_be_bytes(),
        &row.at.to_be_bytes(),
        &u16::try_from(row.kind).unwrap_or(0).to_be_bytes(),
        &row.subject.to_be_bytes(),
        &u32::try_from(row.body.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
        &row.body,
    ])
}

/// Lower-case hexadecimal, the form of digests in bodies.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    push_hex(&mut digits, bytes);
    digits.into_iter().map(char::from).collect()
}

/// The same, at the end of what is there.
pub(super) fn push_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.extend(
        bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)])),
    );
}

/// Bytes of hexadecimal.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits?;
    digits.len().is_multiple_of(2).then(|| {
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}

/// The leaf of a drop's row: every column.
pub(crate) fn drop_leaf(row: &DropRow) -> Digest {
    let Place { strand, seq } = row.prev;
    let mut numbers = vec![
        row.drop_id,
        row.row,
        row.leg,
        row.rev,
        strand,
        seq,
        row.action,
    ];
    numbers.extend(row.raws.to_array());
    leaf(&numbers, &[row.changed.as_bytes(), &row.digest])
}

/// The leaf of a return's row: every column, the sealed one as its digest.
pub(crate) fn return_leaf(row: &ReturnRow) -> Digest {
    leaf(
        &[
            row.return_id,
            row.row,
            row.leg,
            row.holder,
            row.disposition,
            row.reason,
        ],
        &[&row.digest, &sealed_digest(&row.sealed)],
    )
}

/// The leaf of an event: every column but the look-up, the sealed one as its digest.
pub(crate) fn event_leaf(row: &EventRow) -> Digest {
    leaf(
        &[
            row.id,
            row.leg,
            row.rev,
            row.kind,
            row.return_id,
            row.row,
            row.holder,
        ],
        &[&sealed_digest(&row.sealed)],
    )
}

fn leaf(numbers: &[i64], blobs: &[&[u8]]) -> Digest {
    let mut bytes = vec![0_u8];
    for number in numbers {
        bytes.extend(number.to_be_bytes());
    }
    for blob in blobs {
        bytes.extend(u32::try_from(blob.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(*blob);
    }
    sha256(&[&bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_there_and_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("abc"), None);
    }
}
