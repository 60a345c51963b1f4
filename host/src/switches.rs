//! What is switched off at the moment: capabilities, everywhere, for a plugin or for a check. Every host
//! call asks, so that a switch takes effect with the next call, in runs that are under way too.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::capability::Capability;

/// Where a capability is switched off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// For all checks.
    Everywhere,
    /// For all checks of this plugin.
    Plugin(String),
    /// For this check.
    Check(String),
}

impl Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere => formatter.write_str("everywhere"),
            Self::Plugin(name) => write!(formatter, "for the plugin `{name}`"),
            Self::Check(name) => write!(formatter, "for the check `{name}`"),
        }
    }
}

/// The switches of all scopes. By default everything is on. The scopes are independent of one another: what
/// is off in one of them is off, and is on again when it is on in all of them.
#[derive(Debug, Default)]
pub struct Switches {
    everywhere: Arc<Off>,
    plugins: Mutex<BTreeMap<String, Arc<Off>>>,
    checks: Mutex<BTreeMap<String, Arc<Off>>>,
}

impl Switches {
    /// Switches a capability off. Calls that are made from now on fail with `capability-disabled`; one that
    /// is waiting goes on.
    pub fn disable(&self, scope: &Scope, capability: Capability) {
        self.off(scope).insert(capability);
    }

    /// Switches a capability on again, in this scope.
    pub fn enable(&self, scope: &Scope, capability: Capability) {
        self.off(scope).remove(capability);
    }

    /// The switches as they concern a check and its plugin.
    pub fn of(&self, plugin: &str, check: &str) -> CheckSwitches {
        let scopes = [
            Scope::Everywhere,
            Scope::Plugin(plugin.to_owned()),
            Scope::Check(check.to_owned()),
        ];
        CheckSwitches(scopes.map(|scope| (self.off(&scope), scope)).into())
    }

    /// What is switched off, and where, in order.
    pub fn disabled(&self) -> Vec<(Scope, Capability)> {
        let of_names = |names: &Mutex<BTreeMap<String, Arc<Off>>>, scope: fn(String) -> Scope| {
            let names = names.lock().unwrap_or_else(PoisonError::into_inner);
            let entries = names.iter();
            entries
                .map(|(name, off)| (scope(name.clone()), Arc::clone(off)))
                .collect::<Vec<_>>()
        };
        let everywhere = [(Scope::Everywhere, Arc::clone(&self.everywhere))];
        let scopes = everywhere
            .into_iter()
            .chain(of_names(&self.plugins, Scope::Plugin))
            .chain(of_names(&self.checks, Scope::Check));
        scopes
            .flat_map(|(scope, off)| {
                let disabled = Capability::ALL
                    .into_iter()
                    .filter(move |capability| off.contains(*capability));
                disabled.map(move |capability| (scope.clone(), capability))
            })
            .collect()
    }

    fn off(&self, scope: &Scope) -> Arc<Off> {
        let of_name = |names: &Mutex<BTreeMap<String, Arc<Off>>>, name: &String| {
            // A map of switches is whole at any moment, whoever panicked.
            let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(names.entry(name.clone()).or_default())
        };
        match scope {
            Scope::Everywhere => Arc::clone(&self.everywhere),
            Scope::Plugin(name) => of_name(&self.plugins, name),
            Scope::Check(name) => of_name(&self.checks, name),
        }
    }
}

/// The switches as they concern one check: asked at every call, without a lock. By default everything is on.
#[derive(Debug, Clone, Default)]
pub struct CheckSwitches(Vec<(Arc<Off>, Scope)>);

impl CheckSwitches {
    /// The widest scope in which a capability is switched off at the moment, if it is in any.
    pub fn disabled(&self, capability: Capability) -> Option<&Scope> {
        let (_, scope) = self.0.iter().find(|(off, _)| off.contains(capability))?;
        Some(scope)
    }
}

/// What is off in one scope: a bit for each capability.
#[derive(Debug, Default)]
struct Off(AtomicU8);

impl Off {
    fn insert(&self, capability: Capability) {
        self.0.fetch_or(bit(capability), Ordering::Relaxed);
    }

    fn remove(&self, capability: Capability) {
        self.0.fetch_and(!bit(capability), Ordering::Relaxed);
    }

    fn contains(&self, capability: Capability) -> bool {
        self.0.load(Ordering::Relaxed) & bit(capability) != 0
    }
}

fn bit(capability: Capability) -> u8 {
    1 << capability as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_concerns_its_scope_and_at_once() {
        let switches = Switches::default();
        let (page, other, mail) = (
            switches.of("http", "page"),
            switches.of("http", "other"),
            switches.of("imap", "mail"),
        );
        let tls_is_off = || [&page, &other, &mail].map(|check| check.disabled(Capability::NetTls).is_some());
        assert_eq!(tls_is_off(), [false; 3]);
        for (scope, off) in [
            (Scope::Check("page".into()), [true, false, false]),
            (Scope::Plugin("http".into()), [true, true, false]),
            (Scope::Everywhere, [true; 3]),
            (Scope::Check("page".into()), [true, false, false]),
        ] {
            switches.disable(&scope, Capability::NetTls);
            assert_eq!(tls_is_off(), off, "{scope}");
            assert!(page.disabled(Capability::Secrets).is_none());
            switches.enable(&scope, Capability::NetTls);
            assert_eq!(tls_is_off(), [false; 3], "{scope}");
        }
    }

    #[test]
    fn what_is_off_in_two_scopes_is_on_when_it_is_on_in_both() {
        let switches = Switches::default();
        let page = switches.of("http", "page");
        switches.disable(&Scope::Everywhere, Capability::Secrets);
        switches.disable(&Scope::Check("page".into()), Capability::Secrets);
        assert_eq!(page.disabled(Capability::Secrets), Some(&Scope::Everywhere));
        switches.enable(&Scope::Everywhere, Capability::Secrets);
        assert_eq!(
            page.disabled(Capability::Secrets),
            Some(&Scope::Check("page".into()))
        );
        assert_eq!(
            switches.disabled(),
            [(Scope::Check("page".into()), Capability::Secrets)]
        );
        switches.enable(&Scope::Check("page".into()), Capability::Secrets);
        assert_eq!(page.disabled(Capability::Secrets), None);
    }
}
