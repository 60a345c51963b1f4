//! Fuzzing the reading of segments: no bytes panic, and what is read is written and read again as the same.

use bedcheck_fuzz::{Bytes, Fuzz};

use super::*;
use crate::render::samples;

/// A segment of three records, bytes of which are changed, left out and added as the input says.
fn segment(mut bytes: Bytes<'_>) -> Vec<u8> {
    let mut segment = Vec::new();
    for (sequence, report) in (1..)
        .map(Sequence)
        .zip([samples::pass(), samples::trap(), samples::hostile()])
    {
        record::encode(&mut segment, sequence, &report).expect("a sample");
    }
    for _ in 0..bytes.below(4) {
        let at = usize::from(bytes.short()) % segment.len().max(1);
        match bytes.below(3) {
            0 => segment[at] ^= 1 << bytes.below(8),
            1 => drop(segment.drain(at..(at + bytes.below(200)).min(segment.len()))),
            _ => segment.insert(at, bytes.byte()),
        }
    }
    segment.extend_from_slice(bytes.rest());
    segment
}

fn property(input: &[u8]) {
    let segment = segment(Bytes::new(input));
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(segments::path(dir.path(), Sequence(1)), segment).expect("written");
    let mut reader = Reader::new(dir.path(), Sequence::NONE);
    let mut before = Sequence::NONE;
    loop {
        match reader.read_next().expect("read") {
            Next::End => break,
            Next::Damaged(place, damage) => assert!(!format!("{place}: {damage}").is_empty()),
            Next::Record(sequence) => {
                assert!(sequence > before);
                before = sequence;
                let Ok(report) = reader.report() else { continue };
                let mut line = Vec::new();
                record::encode(&mut line, sequence, &report).expect("what was read");
                assert_eq!(line.pop(), Some(b'\n'));
                assert_eq!(record::check(&line), Ok(sequence));
                assert_eq!(record::report(&line), Ok(report));
            }
        }
    }
    let scan = store::scan(dir.path()).expect("read");
    assert_eq!(scan.last, before);
    let (_, cut) = store::Store::open(dir.path(), &Settings::default()).expect("opened");
    assert_eq!((cut.last, cut.torn), (scan.last, scan.torn));
    assert_eq!(store::scan(dir.path()).expect("read").torn, 0);
}

#[test]
fn journal() {
    Fuzz::new("journal")
        .seeds([
            "\x00",
            "\x01\x00\x00\x20\x00\x03",
            "\x02\x01\x00\x10\x01\x05{\"crc32\":\"00000000\",\"sequence\":9\n",
        ])
        .dictionary(&[
            b"\n",
            b"{\"crc32\":\"",
            b"\",\"sequence\":",
            b",\"report\":{",
            b"}}",
        ])
        .run(property);
}
