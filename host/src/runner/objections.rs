//! What plugins have against their settings that no schema says: each check is run once with nobody to talk to, in
//! virtual time. Nothing of these runs is counted, exported or kept.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Course, Preparation, Prepared, Runner};
use crate::config::{Check, Location, Problem};
use crate::connection::Network;
use crate::connection::script::{Names, Script};
use crate::fault::FaultPlan;
use crate::hostcalls::Access;
use crate::outcome::ErrorType;

/// What the SDK puts before an error in the settings.
const OF_THE_SDK: &str = "the settings cannot be used: ";

impl Preparation {
    /// What plugins do not take of the settings of their checks and modules, at their places. Nobody is contacted: no
    /// name leads anywhere, and every connection is refused.
    pub async fn objections(&self) -> Vec<Problem> {
        let runner = Runner::new(Arc::clone(&self.sandbox), 1);
        let checks = self.config.checks.iter().zip(self.checks.iter().map(Arc::as_ref));
        let modules = self.config.modules.iter().filter_map(|module| {
            let prepared = self.modules.get(module.name().as_str())?;
            Some((&module.template, prepared.base()))
        });
        let nobody = Arc::new(Script::new(Names::default(), Vec::new()));
        let mut objections = Vec::new();
        for (check, prepared) in checks.chain(modules) {
            let alone = prepared.alone(&nobody);
            let (report, _) = runner.take(&alone, &Course::rehearsed(SystemTime::now())).await;
            let refused = report
                .error
                .filter(|error| error.error_type == ErrorType::SettingsInvalid);
            objections.extend(refused.map(|error| objection(check, &error.message)));
        }
        objections
    }
}

impl Prepared {
    /// The same check with nobody to talk to, and one attempt.
    fn alone(&self, nobody: &Arc<Script>) -> Self {
        let access = Access {
            network: Network::Scripted(Arc::clone(nobody)),
            ..Access::clone(&self.access)
        };
        Self {
            retry: None,
            retry_budget: None,
            faults: FaultPlan::default(),
            access: Arc::new(access),
            ..self.again()
        }
    }
}

fn objection(check: &Check, message: &str) -> Problem {
    let plugin = &check.plugin;
    let message = message.strip_prefix(OF_THE_SDK).unwrap_or(message);
    Problem::new(
        place(check, message),
        format!("the plugin `{plugin}` does not take the settings: {message}"),
    )
}

/// The key that a sentence begins with, as those of settings do (`query.type: found …`), or else all settings.
fn place(check: &Check, message: &str) -> Location {
    let key = message.split_once(": ").map_or("", |(key, _)| key);
    let is_key = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let pointer = match key.chars().all(is_key) && !key.is_empty() {
        true => format!("/{}", key.replace('.', "/")),
        false => String::new(),
    };
    check.settings.key_location(&pointer).clone()
}
