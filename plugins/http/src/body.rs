//! The content of a response: received under a cap, and decoded under the same cap. No I/O but through
//! the [`Transport`].

use std::fmt;
use std::io::Read;

use bedcheck_sdk::Failure;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use crate::chunks::Chunks;
use crate::exchange::Transport;
use crate::framing::Framing;
use crate::head::Fields;
use crate::quote::quote;

/// The most members that gzip may have: one is usual, and whoever compresses in blocks has one for each 64 KiB. Beginning
/// one costs as much as decoding many bytes.
const MAX_MEMBERS: usize = 1000;

/// How much room is made at least, in bytes: what a read of the host brings.
const READ: usize = 16 * 1024;

/// Receives a body to its end. `pending` is what arrived together with the head.
///
/// # Errors
///
/// Besides errors of the network: more than `limit` bytes; an end before the end, which is a closed
/// connection; and chunks that break their framing.
pub(crate) fn receive(
    framing: Framing,
    transport: &mut impl Transport,
    pending: Vec<u8>,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    match framing {
        Framing::NoBody => Ok(Vec::new()),
        Framing::Length(length) => receive_length(length, transport, pending, limit),
        Framing::Chunked => receive_chunks(transport, pending, limit),
        Framing::UntilClose => receive_to_the_end(transport, pending, limit),
    }
}

/// So many bytes. The room for them is made once: a body that grows is in memory twice each time it is moved.
fn receive_length(
    length: u64,
    transport: &mut impl Transport,
    mut body: Vec<u8>,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= limit) else {
        return Err(too_large(&format!("has {length} bytes"), limit));
    };
    body.reserve_exact(length.saturating_sub(body.len()));
    while body.len() < length {
        if transport.receive(&mut body)? == 0 {
            let received = body.len();
            return Err(Failure::connection_closed(format!(
                "the server closed the connection after {received} of {length} bytes of the body"
            )));
        }
    }
    body.truncate(length);
    Ok(body)
}

fn receive_chunks(
    transport: &mut impl Transport,
    mut pending: Vec<u8>,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    let (mut chunks, mut body) = (Chunks::new(limit), Vec::new());
    loop {
        make_room(&mut body, pending.len(), limit);
        chunks.unwrap(&pending, &mut body)?;
        if chunks.is_ended() {
            return Ok(body);
        }
        pending.clear();
        if transport.receive(&mut pending)? == 0 {
            if chunks.is_whole() {
                return Ok(body);
            }
            let received = body.len();
            return Err(Failure::connection_closed(format!(
                "the server closed the connection after {received} bytes, before the last chunk"
            )));
        }
    }
}

fn receive_to_the_end(
    transport: &mut impl Transport,
    mut body: Vec<u8>,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    loop {
        if body.len() > limit {
            return Err(too_large("is longer", limit));
        }
        make_room(&mut body, READ, limit);
        if transport.receive(&mut body)? > 0 {
            continue;
        }
        // Anybody on the way can end a connection, but nobody else the session (RFC 9112 section 9.8).
        if !transport.is_end_sound()? {
            let received = body.len();
            return Err(Failure::connection_closed(format!(
                "the server closed the connection after {received} bytes of the body without the closing alert of TLS, \
                 and nothing else says that the body is whole"
            )));
        }
        return Ok(body);
    }
}

/// Makes room for `more` bytes: for as many again as there are, but not for more than there may be.
fn make_room(body: &mut Vec<u8>, more: usize, limit: usize) {
    if body.capacity() - body.len() < more {
        let allowed = (limit + READ).saturating_sub(body.len());
        body.reserve_exact(body.len().min(allowed).max(more));
    }
}

/// The body `what`, which is more than allowed.
pub(crate) fn too_large(what: &str, limit: usize) -> Failure {
    Failure::too_large(format!("the body {what}, `max_body` is {limit} bytes"))
}

/// What a content coding leaves to do (RFC 9110 section 8.4).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Nothing.
    Identity,
    /// Gzip (RFC 1952).
    Gzip,
    /// Deflate, which is the zlib format (RFC 1950).
    Deflate,
    /// A coding, or several, that was not asked for: as the header field says.
    Unknown(String),
}

impl Coding {
    /// The coding of a response with these header fields.
    pub(crate) fn of(fields: &Fields) -> Self {
        let codings: Vec<String> = fields
            .get_all("content-encoding")
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(|coding| String::from_utf8_lossy(coding.trim_ascii()).to_ascii_lowercase())
            .filter(|coding| !coding.is_empty() && coding != "identity")
            .collect();
        match codings.as_slice() {
            [] => Self::Identity,
            // `x-gzip` is the same coding (RFC 9110 section 8.4.1.3).
            [coding] if coding == "gzip" || coding == "x-gzip" => Self::Gzip,
            [coding] if coding == "deflate" => Self::Deflate,
            _ => Self::Unknown(codings.join(", ")),
        }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("`identity`"),
            Self::Gzip => f.write_str("`gzip`"),
            Self::Deflate => f.write_str("`deflate`"),
            Self::Unknown(coding) => f.write_str(&quote(coding.as_bytes())),
        }
    }
}

/// Decodes a body; one in a coding that was not asked for is taken as it is.
///
/// # Errors
///
/// More than `limit` bytes of content; or that it is not what its coding says.
pub(crate) fn decode(coding: &Coding, encoded: Vec<u8>, limit: usize) -> Result<Vec<u8>, Failure> {
    // Servers label empty bodies too.
    if encoded.is_empty() {
        return Ok(encoded);
    }
    match coding {
        Coding::Identity | Coding::Unknown(_) => Ok(encoded),
        Coding::Gzip => gunzip(&encoded, limit),
        // What some servers send by that name is without the frame of zlib (RFC 9110 section 8.4.1.2).
        Coding::Deflate if has_zlib_header(&encoded) => {
            inflate(ZlibDecoder::new(encoded.as_slice()), "deflate", Vec::new(), limit)
        }
        Coding::Deflate => inflate(
            DeflateDecoder::new(encoded.as_slice()),
            "deflate",
            Vec::new(),
            limit,
        ),
    }
}

/// Decodes gzip member by member (RFC 1952 section 2.2). Zeros behind the last fill up a block of whatever it was
/// written to, and are nothing.
fn gunzip(mut encoded: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut decoded = Vec::new();
    for _ in 0..MAX_MEMBERS {
        let mut member = GzDecoder::new(encoded);
        decoded = inflate(&mut member, "gzip", decoded, limit)?;
        encoded = member.into_inner();
        if encoded.iter().all(|&byte| byte == 0) {
            return Ok(decoded);
        }
    }
    Err(Failure::too_large(format!(
        "the body has more than {MAX_MEMBERS} gzip members"
    )))
}

/// Whether data begins as zlib does: the method 8, and a check of the first two bytes (RFC 1950 section 2.2).
fn has_zlib_header(encoded: &[u8]) -> bool {
    match encoded {
        [method, flags, ..] => method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0,
        _ => false,
    }
}

/// Appends what a decoder makes of its input to `decoded`, which may have `limit` bytes.
fn inflate(decoder: impl Read, coding: &str, mut decoded: Vec<u8>, limit: usize) -> Result<Vec<u8>, Failure> {
    decoder
        .take((limit - decoded.len()) as u64 + 1)
        .read_to_end(&mut decoded)
        .map_err(|error| Failure::unexpected_response(format!("the body is not valid {coding}: {error}")))?;
    if decoded.len() > limit {
        return Err(too_large("is longer when decoded", limit));
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bedcheck_sdk::Reason;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    fn gunzip(encoded: Vec<u8>, limit: usize) -> Result<Vec<u8>, Failure> {
        decode(&Coding::Gzip, encoded, limit)
    }

    fn coding(values: &[&'static str]) -> Coding {
        let fields = values.iter().map(|&value| ("Content-Encoding", value));
        Coding::of(&fields.collect())
    }

    #[test]
    fn codings_are_told_apart() {
        assert_eq!(coding(&[]), Coding::Identity);
        assert_eq!(coding(&["identity"]), Coding::Identity);
        assert_eq!(coding(&["GZip"]), Coding::Gzip);
        assert_eq!(coding(&["x-gzip"]), Coding::Gzip);
        assert_eq!(coding(&["Deflate"]), Coding::Deflate);
        assert_eq!(coding(&["br"]), Coding::Unknown("br".into()));
        assert_eq!(coding(&["br, gzip"]), Coding::Unknown("br, gzip".into()));
        assert_eq!(coding(&["gzip", "gzip"]), Coding::Unknown("gzip, gzip".into()));
    }

    #[test]
    fn gzip_is_decoded() {
        assert_eq!(gunzip(gzip(b"all is well"), 11).expect("gzip"), b"all is well");
        assert_eq!(gunzip(Vec::new(), 11).expect("nothing"), b"");
        let members = [gzip(b"all is "), gzip(b"well")].concat();
        assert_eq!(gunzip(members.clone(), 11).expect("two members"), b"all is well");
        let failure = gunzip(members.clone(), 10).expect_err("too large");
        assert!(matches!(failure.reason(), Reason::TooLarge), "{failure}");
        // What fills up a block is no member.
        let padded = [members, vec![0; 512]].concat();
        assert_eq!(gunzip(padded, 11).expect("padding"), b"all is well");
    }

    #[test]
    fn members_without_end_are_too_many() {
        let failure = gunzip(gzip(b"").repeat(2_000), 11).expect_err("too many");
        assert!(matches!(failure.reason(), Reason::TooLarge), "{failure}");
        assert_eq!(failure.message(), "the body has more than 1000 gzip members");
        let many = gunzip(gzip(b"x").repeat(1_000), 1_000).expect("as many as there may be");
        assert_eq!(many.len(), 1_000);
    }

    #[test]
    fn deflate_is_decoded_with_and_without_its_frame() {
        let mut framed = ZlibEncoder::new(Vec::new(), Compression::default());
        framed.write_all(b"all is well").expect("writing to memory");
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(b"all is well").expect("writing to memory");
        for encoded in [framed.finish(), raw.finish()] {
            let encoded = encoded.expect("writing to memory");
            let decoded = decode(&Coding::Deflate, encoded.clone(), 11).expect("deflate");
            assert_eq!(decoded, b"all is well");
            let failure = decode(&Coding::Deflate, encoded, 10).expect_err("too large");
            assert!(matches!(failure.reason(), Reason::TooLarge), "{failure}");
        }
        let failure = decode(&Coding::Deflate, b"\xff\xff\xff".to_vec(), 11).expect_err("no deflate");
        assert!(
            failure.message().starts_with("the body is not valid deflate"),
            "{failure}"
        );
    }

    #[test]
    fn a_bomb_is_too_large() {
        let bomb = gzip(&vec![0; 8 << 20]);
        assert!(bomb.len() < 16 * 1024, "a bomb is small: {}", bomb.len());
        let failure = gunzip(bomb, 1 << 20).expect_err("a bomb");
        assert!(matches!(failure.reason(), Reason::TooLarge), "{failure}");
        assert_eq!(
            failure.message(),
            "the body is longer when decoded, `max_body` is 1048576 bytes"
        );
    }

    #[test]
    fn what_is_no_gzip_is_unexpected() {
        let whole = gzip(b"all is well");
        let followed = [&whole[..], b"\0\0and more"].concat();
        for broken in [b"all is well".as_slice(), &whole[..whole.len() - 3], &followed] {
            let failure = gunzip(broken.to_vec(), 100).expect_err("broken");
            assert!(
                matches!(failure.reason(), Reason::UnexpectedResponse),
                "{failure}"
            );
        }
    }
}
