//! The limit on the names that a run looks up. The questions travel to name servers of the world, so whoever
//! may choose names, below a wildcard for instance, can write into them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::bindings::bedcheck::plugin::types::CallError;

/// How many different names a run may look up, all attempts together: its target, the five redirects that
/// an HTTP check follows by default, each to another name, and two more. A name has 253 characters at most,
/// so no more than 2 KB leave in names in a run.
pub const MAX_NAMES: usize = 8;

/// The names that a run has looked up.
#[derive(Debug, Clone, Default)]
pub struct LookedUp(BTreeSet<String>);

impl LookedUp {
    /// Adds a host before it is looked up. An address is not looked up.
    ///
    /// # Errors
    ///
    /// When it would be one name too many.
    pub(super) fn admit(&mut self, host: &str) -> Result<(), CallError> {
        if host.parse::<IpAddr>().is_ok() || self.0.contains(host) {
            return Ok(());
        }
        if self.0.len() >= MAX_NAMES {
            return Err(CallError::OverQuota("names looked up".into()));
        }
        self.0.insert(host.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_different_names_are_looked_up_and_no_more() {
        let mut names = LookedUp::default();
        for number in 0..MAX_NAMES {
            let name = format!("{number}.example.org");
            assert!(names.admit(&name).is_ok() && names.admit(&name).is_ok());
        }
        assert!(matches!(
            names.admit("more.example.org"),
            Err(CallError::OverQuota(_))
        ));
        assert!(names.admit("0.example.org").is_ok());
        assert!(names.admit("192.0.2.1").is_ok());
    }
}
