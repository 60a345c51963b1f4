//! What a step sends, put together, and how much that may be. No I/O.

use bedcheck_sdk::Failure;

use crate::host::Fragment;
use crate::settings::{Action, Piece, Step};
use crate::template::Matched;

/// The most that a step sends, in bytes: far over what a dialogue has, and less than the host takes in one call.
const MAX_SENT: usize = 1024 * 1024;
/// The longest base64 text with a secret in it, in bytes: the longest line of authentication (RFC 4954 section 4), and
/// the host sends no longer one.
const MAX_ENCODED: usize = 12_288;

/// The pieces with the places of their texts filled.
pub(crate) fn fragments(pieces: &[Piece], matched: &Matched) -> Vec<Fragment> {
    let fragment = |piece: &Piece| match piece {
        Piece::Text(template) => Fragment::Bytes(template.fill(matched).into_bytes()),
        Piece::Bytes(bytes) => Fragment::Bytes(bytes.clone()),
        Piece::Secret(name) => Fragment::Secret(name.as_str().to_owned()),
        Piece::Base64(pieces) => Fragment::Base64(fragments(pieces, matched)),
    };
    pieces.iter().map(fragment).collect()
}

/// Refuses steps that send too much whatever the server says.
pub(crate) fn check_steps(steps: &[Step], secret_length: impl Fn(&str) -> usize) -> Result<(), Failure> {
    let nothing = Matched::default();
    for step in steps {
        if let Action::Send(pieces) = &step.action
            && let Some(excess) = excess(&fragments(pieces, &nothing), &secret_length)
        {
            return Err(Failure::settings_invalid(format!(
                "step `{}`: {excess}",
                step.label
            )));
        }
    }
    Ok(())
}

/// What is too long in a message, if anything is.
pub(crate) fn excess(message: &[Fragment], secret_length: impl Fn(&str) -> usize) -> Option<String> {
    let plain = |fragment: &Fragment| match fragment {
        Fragment::Bytes(bytes) => bytes.len(),
        Fragment::Secret(name) => secret_length(name),
        Fragment::Base64(_) => 0,
    };
    let mut length = 0;
    for fragment in message {
        let Fragment::Base64(inner) = fragment else {
            length += plain(fragment);
            continue;
        };
        let encoded = inner.iter().map(plain).sum::<usize>().div_ceil(3) * 4;
        let has_secret = inner
            .iter()
            .any(|fragment| matches!(fragment, Fragment::Secret(_)));
        if has_secret && encoded > MAX_ENCODED {
            return Some(format!(
                "a `base64` with a secret in it comes to {encoded} bytes: at most {MAX_ENCODED} can be sent"
            ));
        }
        length += encoded;
    }
    (length > MAX_SENT)
        .then(|| format!("a `send` comes to {length} bytes: at most {MAX_SENT} can be sent in one step"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excess_of(message: &[Fragment]) -> Option<String> {
        excess(message, str::len)
    }

    fn secret(length: usize) -> Fragment {
        Fragment::Secret("s".repeat(length))
    }

    #[test]
    fn base64_with_a_secret_is_as_long_as_a_line_of_authentication_at_most() {
        let encoded =
            |bytes: usize, of: Fragment| [Fragment::Base64(vec![Fragment::Bytes(vec![0; bytes]), of])];
        assert_eq!(excess_of(&encoded(16, secret(9200))), None);
        assert_eq!(
            excess_of(&encoded(17, secret(9200))).as_deref(),
            Some("a `base64` with a secret in it comes to 12292 bytes: at most 12288 can be sent")
        );
        assert_eq!(excess_of(&encoded(17, Fragment::Bytes(vec![0; 9200]))), None);
    }

    #[test]
    fn a_step_sends_so_much_and_no_more() {
        let secrets: Vec<Fragment> = (0..16).map(|_| secret(64 * 1024)).collect();
        assert_eq!(excess_of(&secrets), None);
        for more in [
            Fragment::Bytes(vec![0]),
            secret(1),
            Fragment::Base64(vec![Fragment::Bytes(vec![0])]),
        ] {
            let excess = excess_of(&[secrets.as_slice(), &[more]].concat());
            assert!(excess.is_some_and(|excess| excess.ends_with("at most 1048576 can be sent in one step")));
        }
    }
}
