//! Tests of plugins that change while checks run, with the engine, in a folder of files. Time is given: nothing
//! waits for a clock.

mod beside;
mod exchanged;
mod modules;
mod reload;

use std::fs::{self, File};
use std::sync::{Arc, Weak};

use bedcheck_tests::component::Component;

use super::*;
use crate::capability::Capability;
use crate::config::Source;
use crate::library::Origin;
use crate::outcome::{Outcome, PhaseReport, Report};
use crate::phase::PhaseStatus;
use crate::runner::{DefaultGrant, Prepared, Runner};
use crate::sandbox::{Compiler, Compiling, Plugin};
use crate::switches::Scope;

const CHECK: &str = "[[check]]\nname = \"a\"\nplugin = \"odd\"\n";

/// A folder, what is known of it, and the checks that run.
struct Test {
    folder: tempfile::TempDir,
    live: LivePlugins,
    preparation: Preparation,
    now: Duration,
}

fn config(folder: &Path, rest: &str) -> Arc<Config> {
    let text = format!("plugins.dir = {:?}\n{rest}", folder.display().to_string());
    Arc::new(Config::parse(&Source::new(Path::new("checks.toml"), &text)).unwrap())
}

/// A version of the plugin `odd`, whose runs pass.
fn version(summary: &str) -> Component {
    Component::new().summary(summary)
}

impl Test {
    /// With the first version in the file `odd.wasm`.
    async fn new(rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "odd.wasm", version("first").build());
        let config = config(folder.path(), rest);
        let live = LivePlugins::new(&config).unwrap();
        let preparation = Preparation::of(config, Vec::new(), DefaultGrant::Nothing, Compiling::default());
        let mut test = Self {
            preparation: preparation.await.unwrap(),
            folder,
            live,
            now: Duration::ZERO,
        };
        assert_eq!(test.look().await, [""; 0], "nothing has changed since");
        test
    }

    /// Puts a whole file there, as a rename does.
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        put(self.folder.path(), name, bytes);
    }

    fn rename(&self, name: &str, new: &str) {
        let folder = self.folder.path();
        fs::rename(folder.join(name), folder.join(new)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    /// What a look a second later finds; with it the checks go on.
    async fn look(&mut self) -> Vec<String> {
        self.now += LOOK_EVERY;
        let now = self.now;
        self.look_by(&|| now).await
    }

    /// The same by another clock.
    async fn look_by(&mut self, clock: Clock<'_>) -> Vec<String> {
        let refreshed = self.live.refresh(&self.preparation, clock).await;
        self.preparation = refreshed
            .preparation
            .unwrap_or_else(|| self.preparation.clone_for_test());
        let folder = format!("{}/", self.folder.path().display());
        let events = refreshed.events.iter();
        events
            .map(|event| event.to_string().replace(&folder, ""))
            .collect()
    }

    fn summary(&self) -> String {
        let plugin = self.preparation.library.get("odd").unwrap();
        plugin.description().summary.clone()
    }

    /// Whether the check runs, with a plugin from this file.
    fn is_served_by(&self, file: &str) -> bool {
        let held = self.preparation.library.find("odd");
        let file = Origin::File(self.folder.path().join(file));
        let checks = (self.preparation.checks.len(), self.preparation.orphans.len());
        held.is_some_and(|held| held.origin == file) && checks == (1, 0)
    }

    async fn run(&self, prepared: &Prepared) -> Report {
        Runner::new(Arc::clone(&self.preparation.sandbox), 1)
            .run(prepared)
            .await
    }
}

impl Preparation {
    /// The same, as nobody else needs it.
    fn clone_for_test(&self) -> Self {
        Self {
            sandbox: Arc::clone(&self.sandbox),
            checks: self.checks.clone(),
            orphans: self.orphans.clone(),
            modules: self.modules.clone(),
            switches: Arc::clone(&self.switches),
            notices: self.notices.clone(),
            library: self.library.clone(),
            config: Arc::clone(&self.config),
            secrets: self.secrets.clone(),
            network: self.network.clone(),
            default_grant: self.default_grant,
            faults: self.faults.clone(),
            retry_budgets: Arc::clone(&self.retry_budgets),
        }
    }
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let aside = folder.join(".new");
    fs::write(&aside, bytes).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    File::options()
        .write(true)
        .open(&aside)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    fs::rename(aside, folder.join(name)).unwrap();
}

/// The digits in parentheses left out, which depend on the bytes.
fn without_digests(events: &[String]) -> Vec<String> {
    let mut shown = Vec::new();
    for event in events {
        let parts: Vec<&str> = event.split(" (").collect();
        let rest = parts
            .iter()
            .skip(1)
            .map(|part| part.split_once(')').map_or(*part, |(_, rest)| rest));
        shown.push(parts.first().copied().into_iter().chain(rest).collect());
    }
    shown
}
