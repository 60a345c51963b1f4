//! The URLs of a heartbeat, and what pairs a start with its end. Pure but for chance.

use std::fmt;

use http::Uri;

use crate::http_url;
use crate::outcome::hexadecimal;

const WANTED: &str = "wanted an `http` or `https` URL";

/// Pairs a start with its end: a random UUID (RFC 9562 section 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunMark([u8; 16]);

/// A URL in parts, so that something can be put below its path. Never shown.
pub(super) struct Url {
    /// Scheme, host, port and path, without a slash at the end.
    base: String,
    host: String,
    query: Option<String>,
}

impl Url {
    /// # Errors
    ///
    /// What was wanted instead.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let uri = http_url::parse(text).map_err(|_| WANTED)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(WANTED);
        };
        if authority.as_str().contains('@') {
            return Err("found a user before the host, which would not be sent; wanted a URL without one");
        }
        let path = uri.path().trim_end_matches('/');
        Ok(Self {
            base: format!("{scheme}://{authority}{path}"),
            host: match authority.port() {
                Some(port) => format!("{}:{port}", authority.host()),
                None => authority.host().to_owned(),
            },
            query: uri.query().map(str::to_owned),
        })
    }

    /// The host and its port, if it says one.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The URL below this one, for a run.
    pub(super) fn below(&self, below: &str, rid: Option<RunMark>) -> Uri {
        let rid = rid.map(|rid| format!("rid={rid}"));
        let query: Vec<&str> = self.query.as_deref().into_iter().chain(rid.as_deref()).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let text = format!("{}{below}{mark}{}", self.base, query.join("&"));
        // The parts of a URL put together in the same order are one.
        text.parse().unwrap_or_default()
    }
}

impl RunMark {
    pub(super) fn random() -> Self {
        let mut bytes: [u8; 16] = rand::random();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for RunMark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hexadecimal(&self.0);
        let parts = [
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..],
        ];
        formatter.write_str(&parts.join("-"))
    }
}
