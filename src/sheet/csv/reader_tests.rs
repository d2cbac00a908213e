//! Tests of the reader: small files, and what a spreadsheet would show of them.

use proptest::prelude::*;

use super::*;
use crate::domain::limits::{self, DIAGNOSTICS};
use crate::sheet::read;

fn read_default(bytes: &[u8]) -> Result<Sheet, UnreadableSheet> {
    read(bytes, &ReadLimits::default())
}

/// The decoded text that spans are of.
fn text_of(bytes: &[u8]) -> String {
    CsvText::decode(bytes, &ReadLimits::default()).unwrap().text
}

fn cells(table: &Sheet) -> Vec<(u64, Vec<&str>)> {
    let columns = table.header.len();
    table
        .rows()
        .map(|row| (row.line(), row.cells(columns.max(row.len())).collect()))
        .collect()
}

#[test]
fn rows_bear_the_numbers_that_excel_shows() {
    let table =
        read_default(b"\n;;\nOur  ref ; Note;When;;\nA;\"two\nlines\"\n;;;\n\nB;;3;x\n").unwrap();
    assert_eq!(table.header, ["Our ref", "Note", "When"]);
    assert_eq!((table.header_line, table.preamble_rows), (3, 2));
    assert_eq!(
        cells(&table),
        [
            (4, vec!["A", "two\nlines", ""]),
            (7, vec!["B", "", "3", "x"])
        ]
    );
    assert!(table.notes.is_empty());
    assert_eq!(table.dialect.delimiter, b';');
}

#[test]
fn a_stated_delimiter_is_believed_and_its_line_not_numbered() {
    for (text, delimiter) in [
        ("sep=;\r\nA;B\r\n1,5;2\r\n", b';'),
        ("\"sep=|\"\nA|B\n1|2\n", b'|'),
        ("SEP=\t\nA\tB\n1\t2", b'\t'),
    ] {
        let table = read_default(text.as_bytes()).unwrap();
        assert_eq!(
            (table.dialect.delimiter, table.dialect.delimiter_stated),
            (delimiter, true)
        );
        assert_eq!(
            (table.header_line, table.row(0).unwrap().line()),
            (1, 2),
            "{text:?}"
        );
    }
    assert!(
        !read_default(b"sep=x\nA\n")
            .unwrap()
            .dialect
            .delimiter_stated
    );
}

#[test]
fn repeated_and_missing_names_keep_their_places() {
    let table = read_default(b"Ref,,Score,ref,,\nA,1,2,3\n").unwrap();
    assert_eq!(table.header, ["Ref", "", "Score", "ref"]);
    assert_eq!(table.header_written, 6);
}

#[test]
fn excels_text_wrapper_comes_off_and_is_said() {
    let table = read_default(
        b"=\"Ref\",Phone,Note\nA,=\"0770\"\"0\",\"=\"\"a\"\"&\"\"b\"\"\"\nB,\"=\"\"\"\"\",x\n",
    )
    .unwrap();
    assert_eq!(table.header[0], "Ref");
    assert_eq!(
        cells(&table),
        [
            (2, vec!["A", "0770\"0", "=\"a\"&\"b\""]),
            (3, vec!["B", "", "x"])
        ]
    );
    assert_eq!(table.notes.len(), 2);
}

#[test]
fn each_limit_has_its_own_error_just_above_it() {
    let limits = ReadLimits {
        file_size_bytes_max: 40,
        rows_max: 2,
        columns_max: 3,
        cell_characters_max: 6,
        header_characters_max: 4,
        notes_max: 9,
    };
    let cases: [(&str, Option<UnreadableSheet>); 10] = [
        ("A,B,C,,,,,\n1,2,3,,,,\n\n\n4\n", None),
        (
            "A\n1\n2\n3\n",
            Some(UnreadableSheet::TooManyRows { rows_max: 2 }),
        ),
        (
            "A\n1,2,3,4\n",
            Some(UnreadableSheet::TooManyColumns {
                line: 2,
                columns_max: 3,
            }),
        ),
        ("A\néééééé\n", None),
        (
            "A,B\n\n1,ééééééé\n",
            Some(UnreadableSheet::CellTooLong {
                line: 3,
                column: 2,
                characters_max: 6,
            }),
        ),
        (
            "A,ABCDE\n",
            Some(UnreadableSheet::HeaderTooLong {
                column: 2,
                characters_max: 4,
            }),
        ),
        (
            "A\n1\n\"2\n3\n",
            Some(UnreadableSheet::UnclosedQuote { line: 3 }),
        ),
        ("", Some(UnreadableSheet::Empty)),
        ("\n ,,\n", Some(UnreadableSheet::Empty)),
        ("A\nx\0\n", Some(UnreadableSheet::Binary)),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text.as_bytes(), &limits).err(), expected, "{text:?}");
    }
    let file = |bytes: usize| format!("A{}", "\n".repeat(bytes - 1));
    assert!(read(file(40).as_bytes(), &limits).is_ok());
    assert_eq!(
        read(file(41).as_bytes(), &limits).err(),
        Some(UnreadableSheet::FileTooLarge {
            bytes: 41,
            bytes_max: 40
        })
    );
}

#[test]
fn notes_are_bounded() {
    for notes_max in [1, DIAGNOSTICS.usual, DIAGNOSTICS.most] {
        let notes_max = usize::try_from(notes_max).unwrap();
        let limits = ReadLimits {
            notes_max,
            ..ReadLimits::default()
        };
        limits::holds_at(DIAGNOSTICS.most.min(notes_max as u64), |notes| {
            let notes = usize::try_from(notes).unwrap();
            let text = format!("A\n{}", "=\"1\"\n".repeat(notes));
            let table = read(text.as_bytes(), &limits).unwrap();
            let more = table.notes.last() == Some(&SheetNote::MoreNotes);
            assert_eq!(table.notes.len(), notes.min(notes_max) + usize::from(more));
            !more
        });
    }
}

#[test]
fn header_rows_and_the_rest_make_up_the_file_again() {
    for bytes in [
        b"\xEF\xBB\xBF\nA,B\r\n\n1,\"x\r\ny\"\r\n,,\n2,\xC3\xAB".as_slice(),
        b"sep=;\nA;B\n1;Zo\xEB\n",
        b"\xFF\xFEA\0\n\0\xEB\0\n\0",
    ] {
        let table = read_default(bytes).unwrap();
        let text = text_of(bytes);
        let mut rest = text.clone();
        let mut parts = Vec::new();
        for span in table
            .rows()
            .map(SheetRow::span)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .chain([table.header_span.clone()])
        {
            parts.push((span.start, text.get(span.clone()).unwrap().to_owned()));
            rest.replace_range(span, "");
        }
        for (start, part) in parts.into_iter().rev() {
            rest.insert_str(start, &part);
        }
        let encoding = table.dialect.encoding;
        assert_eq!(
            [encoding.byte_order_mark(), &encoding.encode(&rest)].concat(),
            bytes
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_are_read_outside_their_file(
        start in proptest::sample::select(vec!["".as_bytes(), b"\xEF\xBB\xBF", b"\xFF\xFE", b"sep=;\n"]),
        bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'='), Just(b','), Just(b';'), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..60),
    ) {
        let file = [start, &bytes].concat();
        if let Ok(table) = read_default(&file) {
            let mut at = table.header_span.end;
            let text = text_of(&file);
            for row in table.rows() {
                prop_assert!(row.span().start >= at);
                prop_assert!(text.get(row.span()).is_some());
                at = row.span().end;
            }
            let encoding = table.dialect.encoding;
            prop_assert_eq!([encoding.byte_order_mark(), &encoding.encode(&text)].concat(), file);
        }
    }
}
