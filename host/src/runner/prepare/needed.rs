//! What the checks of a configuration need together: plugins, room in the sandbox, secrets, a resolver, switches.

use std::collections::BTreeSet;

use crate::capability::Capability;
use crate::config::{Config, Location, Problem, Problems, SecretName};
use crate::connection::Resolver;
use crate::library::LibraryError;
use crate::sandbox::{Compiling, EngineSettings, Guests, Purpose, Sandbox};
use crate::secret::SecretStore;
use crate::switches::Scope;

/// The plugins that checks name.
pub(in crate::runner) fn wanted(config: &Config) -> BTreeSet<&str> {
    let checks = config.checks_and_templates();
    checks.map(|check| check.plugin.as_str()).collect()
}

/// How many runs there can be at once: one more than the slots, for asking plugins what they are.
pub(in crate::runner) fn concurrency(config: &Config) -> u32 {
    u32::try_from(config.concurrency)
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}

/// The most memory that any check may have.
pub(in crate::runner) fn memory(config: &Config) -> u64 {
    let memories = config.checks_and_templates().map(|check| check.limits.memory);
    memories.max().unwrap_or(0)
}

/// The sandbox for one run of a configuration's only check.
pub(in crate::runner) fn sandbox_for_one_run(
    config: &Config,
    compiling: Compiling,
) -> Result<Sandbox, Problems> {
    let guests = match config.plugins_dir {
        Some(_) => Guests::Anybody,
        None => Guests::BuiltIn,
    };
    sandbox_for(config, compiling, Purpose::OneRun { guests })
}

/// The sandbox for as many runs as the configuration has slots.
pub(in crate::runner) fn sandbox(config: &Config, compiling: Compiling) -> Result<Sandbox, Problems> {
    sandbox_for(config, compiling, Purpose::Runs)
}

fn sandbox_for(config: &Config, compiling: Compiling, purpose: Purpose) -> Result<Sandbox, Problems> {
    let settings = EngineSettings {
        concurrency: concurrency(config),
        memory: memory(config),
        compiling,
        purpose,
    };
    Sandbox::new(&settings).map_err(|error| {
        let location = config
            .checks_and_templates()
            .next()
            .map_or_else(|| Location::option("bedcheck"), |check| check.location().clone());
        let problem = Problem::new(location, error.to_string()).that_may_pass(error.may_pass());
        Problems::new(problem, Vec::new())
    })
}

/// What the configuration switches off.
pub(in crate::runner) fn switched_off(config: &Config) -> BTreeSet<(Scope, Capability)> {
    let everywhere = config.disabled.everywhere.iter();
    let everywhere = everywhere.map(|&capability| (Scope::Everywhere, capability));
    let plugins = config.disabled.plugins.iter().flat_map(|disabled| {
        let scope = Scope::Plugin(disabled.plugin.clone());
        let capabilities = disabled.capabilities.iter();
        capabilities.map(move |&capability| (scope.clone(), capability))
    });
    let checks = config.checks_and_templates().flat_map(|check| {
        let scope = Scope::Check(check.name.to_string());
        let capabilities = check.disabled.iter();
        capabilities.map(move |&capability| (scope.clone(), capability))
    });
    everywhere.chain(plugins).chain(checks).collect()
}

pub(in crate::runner) fn resolver(config: &Config) -> Resolver {
    match config.resolver.servers.as_slice() {
        [] => Resolver::system(),
        servers => Resolver::with_servers(servers),
    }
}

pub(in crate::runner) fn library_problem(error: &LibraryError) -> Problem {
    let problem = Problem::new(Location::File(error.origin().into()), error.to_string());
    problem.that_may_pass(error.may_pass())
}

/// The secrets that settings refer to. One that cannot be read is a problem where it is said what it is read from.
pub(in crate::runner) async fn read_secrets(config: &Config, problems: &mut Vec<Problem>) -> SecretStore {
    let names = config
        .checks_and_templates()
        .flat_map(|check| check.settings.secret_names());
    // One that is not in `[secrets]` is a problem of the configuration, found before.
    let needed: BTreeSet<&SecretName> = names.filter(|name| config.secrets.contains_key(*name)).collect();
    let read = needed.into_iter().map(async |name| {
        let store = SecretStore::read(&config.secrets, &BTreeSet::from([name.clone()])).await;
        (name, store)
    });
    let mut secrets = Vec::new();
    for (name, store) in futures_util::future::join_all(read).await {
        match store {
            Ok(store) => secrets.extend(
                store
                    .get(name.as_str())
                    .map(|secret| (name.clone(), secret.clone())),
            ),
            Err(unread) => {
                let problem = Problem::new(config.secret_location(name), unread.to_string());
                problems.push(problem.that_may_pass(unread.may_pass));
            }
        }
    }
    SecretStore::new(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::LoadError;

    #[test]
    fn what_the_system_is_short_of_may_pass_and_what_is_wrong_with_a_file_does_not() {
        let loading = |error| LibraryError::Load {
            origin: "odd.wasm".to_owned(),
            error,
        };
        let reading = |errno: rustix::io::Errno| LibraryError::File {
            file: "odd.wasm".into(),
            error: errno.into(),
        };
        for (error, may_pass) in [
            (loading(LoadError::NoCompiler("no thread".to_owned())), true),
            (loading(LoadError::CompilerKilled(9)), true),
            (loading(LoadError::CompilerFailed), true),
            (loading(LoadError::CompilingTooLong), false),
            (loading(LoadError::NotWebAssembly), false),
            (reading(rustix::io::Errno::MFILE), true),
            (reading(rustix::io::Errno::ACCESS), false),
            (reading(rustix::io::Errno::NOENT), false),
        ] {
            let problems = Problems::from(library_problem(&error));
            assert_eq!(problems.may_pass(), may_pass, "{problems}");
        }
    }
}
