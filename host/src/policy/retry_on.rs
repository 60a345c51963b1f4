//! Which errors are worth another attempt (`retry.on`): the names of types, and groups of them. Pure.

use std::fmt::{self, Display};

use crate::outcome::{Blame, ErrorType, Outcome};
use crate::words::{nearest, quoted};

/// An error type, or all of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorPattern {
    /// This type, such as `connection_refused` or `imap.over_quota`.
    Type(String),
    /// The types below this word, which stands before the `.*`: `dns` of `dns.*`.
    Group(String),
}

/// A text that names no error type which could be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is no such type.
    #[error("found {}, wanted {wanted}", quoted(.found))]
    Unknown {
        /// What was found.
        found: String,
        /// What there is.
        wanted: String,
    },
    /// Somebody else is to blame than the target and the way to it.
    #[error(
        "found `{found}`, wanted an error of the target or the network: it blames the {blame}, so another attempt would end the same way"
    )]
    Blames {
        /// The type.
        found: ErrorType,
        /// Who is to blame.
        blame: Blame,
    },
    /// `deadline_exceeded`.
    #[error(
        "found `deadline_exceeded`, wanted an error that leaves time: all attempts of a run share one deadline"
    )]
    Deadline,
}

/// The type that no attempt can follow.
const DEADLINE: &str = "deadline_exceeded";

impl ErrorPattern {
    /// Reads a type or a group, as a check of this plugin may name them.
    ///
    /// # Errors
    ///
    /// When there is no such type, or it is never tried again.
    pub fn parse(text: &str, plugin: &str) -> Result<Self, PatternError> {
        if let Some(group) = text.strip_suffix(".*") {
            let is_group = group == plugin || groups().any(|known| known == group);
            return match is_group {
                true => Ok(Self::Group(group.to_owned())),
                false => Err(unknown(text, plugin)),
            };
        }
        if text == DEADLINE {
            return Err(PatternError::Deadline);
        }
        match ErrorType::NAMED.iter().find(|known| known.as_str() == text) {
            Some(found) if found.outcome() == Outcome::Fail => Ok(Self::Type(text.to_owned())),
            Some(found) => Err(PatternError::Blames {
                found: found.clone(),
                blame: found.blame(),
            }),
            None if ErrorType::is_own(plugin, text) => Ok(Self::Type(text.to_owned())),
            None => Err(unknown(text, plugin)),
        }
    }

    /// Whether an error is of the type, or in the group.
    pub fn matches(&self, error: &ErrorType) -> bool {
        match self {
            Self::Type(name) => error.as_str() == name,
            Self::Group(group) => is_below(error.as_str(), group),
        }
    }
}

impl Display for ErrorPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(name) => formatter.write_str(name),
            Self::Group(group) => write!(formatter, "{group}.*"),
        }
    }
}

fn is_below(name: &str, group: &str) -> bool {
    name.strip_prefix(group).is_some_and(|rest| rest.starts_with('.'))
}

/// The types that can be tried again.
fn candidates() -> impl Iterator<Item = &'static str> {
    ErrorType::NAMED
        .iter()
        .filter(|known| known.outcome() == Outcome::Fail)
        .map(ErrorType::as_str)
}

/// What their groups are called; some more than once.
fn groups() -> impl Iterator<Item = &'static str> {
    candidates().filter_map(|name| Some(name.split_once('.')?.0))
}

fn unknown(found: &str, plugin: &str) -> PatternError {
    let groups: Vec<String> = groups().map(|group| format!("{group}.*")).collect();
    let mut known: Vec<&str> = candidates().collect();
    known.extend(groups.iter().map(String::as_str));
    let wanted = match nearest(found, known) {
        Some(near) => format!("an error type, did you mean `{near}`?"),
        None => format!(
            "an error type, such as `connection_refused`, a group of them, such as `dns.*`, or a type of the plugin's \
             own, such as `{plugin}.word`"
        ),
    };
    PatternError::Unknown {
        found: found.to_owned(),
        wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        ErrorPattern::parse(text, "imap").unwrap_err().to_string()
    }

    #[test]
    fn types_groups_and_a_plugins_own_are_read_and_written_alike() {
        for text in [
            "connection_refused",
            "tls.handshake",
            "auth.rejected",
            "dns.*",
            "tls.*",
            "protocol.*",
            "imap.over_quota",
            "imap.*",
        ] {
            let pattern = ErrorPattern::parse(text, "imap").unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn a_group_has_what_is_below_it_only() {
        let dns = ErrorPattern::parse("dns.*", "imap").unwrap();
        assert!(dns.matches(&ErrorType::DnsNotFound) && !dns.matches(&ErrorType::ConnectionRefused));
        let own = ErrorPattern::parse("imap.*", "imap").unwrap();
        assert!(own.matches(&ErrorType::Own("imap.over_quota".into())));
        assert!(!own.matches(&ErrorType::Own("imapx.over_quota".into())));
    }

    #[test]
    fn a_name_that_is_nearly_one_is_told_which() {
        assert_eq!(
            refused("conection_refused"),
            "found `conection_refused`, wanted an error type, did you mean `connection_refused`?"
        );
        assert_eq!(
            refused("dsn.*"),
            "found `dsn.*`, wanted an error type, did you mean `dns.*`?"
        );
        assert!(refused("http.broken").ends_with("such as `imap.word`"));
        assert!(refused("*").starts_with("found `*`, wanted an error type"));
    }

    #[test]
    fn what_another_attempt_cannot_mend_is_refused() {
        assert_eq!(
            refused("plugin_trap"),
            "found `plugin_trap`, wanted an error of the target or the network: it blames the plugin, so another \
             attempt would end the same way"
        );
        assert!(refused("circuit_open").contains("it blames the runner"));
        assert!(refused("deadline_exceeded").ends_with("all attempts of a run share one deadline"));
    }
}
