//! The hash chain of a strand and the leaves of its evidence, the same for every engine.

use super::rows::{DropRow, EventRow, LedgerRow, Place, ReturnFile, ReturnRow};
use crate::domain::{RawId, Reason};
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

/// The leaf of a drop's row: every column.
pub(crate) fn drop_leaf(row: &DropRow) -> Digest {
    let Place { strand, seq } = row.prev;
    let mut numbers = vec![
        row.drop_id.number(),
        row.row,
        row.leg.number(),
        row.rev,
        strand.number(),
        seq,
        row.action.number(),
    ];
    numbers.extend(row.raws.to_array().map(RawId::number));
    leaf(&numbers, &[row.changed.as_bytes(), &row.digest])
}

/// The leaf of a return itself, with its sealed bytes: every column but the root, which it is part of, and the state.
pub(crate) fn return_file_leaf(file: &ReturnFile, sealed_bytes: &[u8]) -> Digest {
    leaf(
        &[
            file.id.number(),
            file.sender.number(),
            file.holder.number(),
            file.rows,
            file.written,
        ],
        &[
            &file.lookup,
            &sealed_digest(&file.sealed_name),
            &sealed_digest(&file.sealed_frame),
            &sealed_digest(sealed_bytes),
        ],
    )
}

/// The leaf of a return's row: every column, the sealed one as its digest.
pub(crate) fn return_leaf(row: &ReturnRow) -> Digest {
    leaf(
        &[
            row.return_id.number(),
            row.row,
            row.leg.number(),
            row.holder.number(),
            row.disposition.number(),
            row.reason.map_or(0, Reason::number),
        ],
        &[&row.digest, &sealed_digest(&row.sealed)],
    )
}

/// The leaf of an event: every column but the look-up, the sealed one as its digest.
pub(crate) fn event_leaf(row: &EventRow) -> Digest {
    leaf(
        &[
            row.id.number(),
            row.leg.number(),
            row.rev,
            row.kind.number(),
            row.return_id.number(),
            row.row,
            row.holder.number(),
        ],
        &[&sealed_digest(&row.sealed)],
    )
}

fn leaf(numbers: &[i64], blobs: &[&[u8]]) -> Digest {
    let of_blobs: usize = blobs.iter().map(|blob| size_of::<u32>() + blob.len()).sum();
    let mut bytes = Vec::with_capacity(1 + size_of_val(numbers) + of_blobs);
    bytes.push(0);
    for number in numbers {
        bytes.extend(number.to_be_bytes());
    }
    for blob in blobs {
        bytes.extend(u32::try_from(blob.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(*blob);
    }
    sha256(&[&bytes])
}
