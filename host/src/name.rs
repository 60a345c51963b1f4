//! Names of checks and secrets. Pure.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::words::quoted;

/// The longest name, in characters: it stands in every line of output.
pub const MAX_NAME: usize = 100;

/// A text that can be no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {}, wanted a name of 1 to 100 letters (a-z, A-Z), digits, `-`, `_` and `.`", quoted(.0))]
pub struct NameError(String);

fn checked(text: &str) -> Result<String, NameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(NameError(text.to_owned()))
    }
}

macro_rules! name {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                checked(text).map(Self)
            }
        }

        impl Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a check: 1 to 100 ASCII letters, digits, `-`, `_` and `.`.
    CheckName
}
name! {
    /// The name of a secret: 1 to 100 ASCII letters, digits, `-`, `_` and `.`.
    SecretName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for (text, accepted) in [
            ("mail-login", true),
            ("a", true),
            ("A_1.b", true),
            (&*"x".repeat(100), true),
            ("", false),
            ("a b", false),
            ("münchen", false),
            (&*"x".repeat(101), false),
        ] {
            assert_eq!(text.parse::<CheckName>().is_ok(), accepted, "{text}");
        }
    }
}
