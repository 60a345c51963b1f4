//! `[[module]]`: the keys of a check but those that belong to a schedule, and `targets`.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::{refuse_twice, refuse_unknown_secrets};
use super::decode_check::{check, list};
use super::module::{Module, PROBE_DEADLINE};
use super::reader::{Table, Value};
use super::settings_reader::Reference;
use crate::budget::Limits;
use crate::grant::Grants;

/// The keys of a check that a module has no use for, and why.
const OF_CHECKS_ONLY: [(&str, &str); 6] = [
    ("every", "whoever asks for a probe decides when it runs"),
    ("jitter", "whoever asks for a probe decides when it runs"),
    ("state", "a probe is judged by itself"),
    ("breaker", "whoever asks for a probe decides when it runs"),
    ("heartbeat", "a probe is reported to whoever asks for it"),
    ("allow", "what a module may reach is its `targets`"),
];

/// The budget of modules where no deadline is set for all runs: a probe has as much time as its scraper gives.
pub(super) fn probe_limits(defaults: Limits) -> Limits {
    Limits {
        deadline: PROBE_DEADLINE,
        ..defaults
    }
}

/// The modules. Their names join those of the checks.
pub(super) fn modules(
    root: &mut Table<'_>,
    defaults: &Limits,
    secrets: &BTreeSet<String>,
    names: &mut BTreeSet<String>,
) -> Vec<Module> {
    let Some(value) = root.get("module") else {
        return Vec::new();
    };
    let elements = value.elements("an array of tables: each module begins with `[[module]]`");
    let mut seen = BTreeMap::new();
    let mut modules = Vec::new();
    for element in elements.unwrap_or_default() {
        let problems_before = element.problem_count();
        let module = element.table(|table| {
            let module = module(table, defaults);
            if let Some(name) = table.get("name").filter(|name| name.as_str().is_some()) {
                refuse_name_of_check(&name, names);
                refuse_twice(&name, &mut seen);
            }
            module
        });
        let is_flawed = element.problem_count() > problems_before;
        modules.extend(module.flatten().map(|(mut module, references)| {
            module.template.is_flawed = is_flawed;
            (module, references)
        }));
    }
    let references = modules.iter().flat_map(|(_, references)| references);
    refuse_unknown_secrets(references, secrets);
    names.extend(seen.into_keys());
    modules.into_iter().map(|(module, _)| module).collect()
}

/// Reports, metrics and faults tell runs apart by this name alone.
fn refuse_name_of_check(name: &Value<'_>, names: &BTreeSet<String>) {
    let text = name.as_str().unwrap_or_default();
    if names.contains(text) {
        name.refuse::<()>(&format!(
            "found `{text}`, which is the name of a check; wanted a name of its own"
        ));
    }
}

fn module<'t>(table: &mut Table<'t>, defaults: &Limits) -> Option<(Module, Vec<Reference<'t>>)> {
    let targets = list(
        table,
        "targets",
        "an array of `host:port`, such as `[\"*.example.org:443\"]`",
    );
    let before = OF_CHECKS_ONLY.map(|(key, why)| (table.get(key), why));
    for (value, why) in before {
        if let Some(value) = value {
            value.refuse_key(&format!("a module has no such key: {why}"));
        }
    }
    let checked = check(table, defaults);
    table.advise("; settings of the plugin stand under `[module.settings]`");
    let (mut template, references) = checked?;
    template.is_module = true;
    let module = Module {
        template,
        targets: Grants::new(targets),
    };
    Some((module, references))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::{Config, Source};

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(&Source::new(Path::new("probes.toml"), text)).map_err(|problems| problems.to_string())
    }

    fn module(keys: &str) -> String {
        format!("[[module]]\nname = \"http_2xx\"\nplugin = \"http\"\n{keys}\n")
    }

    #[test]
    fn a_file_may_have_modules_and_no_check() {
        let config = parse(&module("targets = [\"*.example.org:443\", \"192.0.2.0/24:80\"]")).unwrap();
        assert_eq!(config.checks.len(), 0);
        let read = &config.modules[0];
        assert_eq!(read.name().as_str(), "http_2xx");
        let shown: Vec<_> = read.targets.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["*.example.org:443", "192.0.2.0/24:80"]);
        assert_eq!(read.template.title(), "module `http_2xx`");
        assert!(parse(&module("")).unwrap().modules[0].targets.is_empty());
    }

    #[test]
    fn the_deadline_is_the_modules_then_that_of_all_and_then_the_scrapers() {
        let deadline = |text: String| parse(&text).unwrap().modules[0].template.limits.deadline;
        let seconds = Duration::from_secs;
        assert_eq!(deadline(module("")), seconds(120));
        let defaults = "[defaults]\nbudget.deadline = \"7s\"\n";
        assert_eq!(deadline(format!("{defaults}{}", module(""))), seconds(7));
        let own = module("budget.deadline = \"5s\"");
        assert_eq!(deadline(format!("{defaults}{own}")), seconds(5));
        let fuel = "[defaults]\nbudget.fuel = 1_000_000\n";
        assert_eq!(deadline(format!("{fuel}{}", module(""))), seconds(120));
    }

    #[test]
    fn keys_of_a_schedule_are_refused_with_the_reason() {
        for (keys, problem) in [
            (
                "every = \"5s\"",
                "probes.toml:4:1: `module.every`: a module has no such key: whoever asks for a probe decides when it runs",
            ),
            (
                "allow = [\"a:1\"]",
                "probes.toml:4:1: `module.allow`: a module has no such key: what a module may reach is its `targets`",
            ),
            (
                "targets = [\"self\"]",
                "probes.toml:4:12: `module.targets`: found `self`, wanted a port as well, such as `www.example.org:443`",
            ),
            (
                "targets = [\"*:443\"]",
                "probes.toml:4:12: `module.targets`: found `*:443`, wanted names, and not every host there is: a `*` \
                 stands before a name, such as `*.example.org:443`",
            ),
        ] {
            assert_eq!(parse(&module(keys)).unwrap_err(), problem);
        }
    }

    #[test]
    fn names_are_unique_among_checks_and_modules() {
        let check = "[[check]]\nname = \"http_2xx\"\nplugin = \"http\"\nallow = [\"a.example:80\"]\n";
        assert_eq!(
            parse(&format!("{check}{}", module(""))).unwrap_err(),
            "probes.toml:6:8: `module.name`: found `http_2xx`, which is the name of a check; wanted a name of its own"
        );
        assert_eq!(
            parse(&format!("{}{}", module(""), module(""))).unwrap_err(),
            "probes.toml:6:8: `module.name`: found `http_2xx` twice, the first time in line 2"
        );
    }

    #[test]
    fn secrets_of_modules_are_in_the_list_of_secrets() {
        let problem = parse(&module("settings.bearer = { secret = \"token\" }")).unwrap_err();
        assert!(
            problem.contains("no secret is called `token` in `[secrets]`"),
            "{problem}"
        );
    }
}
