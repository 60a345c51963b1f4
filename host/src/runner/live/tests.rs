//! Tests of plugins that change while checks run, with the engine, in a folder of files. Time is given: nothing
//! waits for a clock.

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
use crate::sandbox::{Compiling, Plugin};
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
        let refreshed = self.live.refresh(&self.preparation, self.now).await;
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

#[tokio::test]
async fn a_file_is_taken_up_exchanged_and_given_up() {
    let mut test = Test::new(CHECK).await;
    test.put("odd.wasm", version("second").build());
    let events = test.look().await;
    assert_eq!(without_digests(&events), ["plugin `odd`: 1.0.0 replaces 1.0.0"]);
    assert_eq!(test.summary(), "second");
    assert_eq!(test.run(&test.preparation.checks[0]).await.outcome, Outcome::Pass);
    // Another file with the same in it, and the first one away: nothing for a check to notice.
    test.rename("odd.wasm", "other.wasm");
    assert_eq!(test.look().await, [""; 0]);
    assert_eq!(test.look().await, [""; 0]);
    test.put("new.wasm", Component::new().name("new").build());
    assert_eq!(without_digests(&test.look().await), ["plugin `new` 1.0.0 is new"]);
    test.remove("new.wasm");
    test.remove("other.wasm");
    assert_eq!(test.look().await, [""; 0], "they may come back");
    assert_eq!(
        without_digests(&test.look().await),
        [
            "plugin `new` 1.0.0 is gone",
            "plugin `odd` 1.0.0 is gone, and these checks cannot run: `a`"
        ]
    );
    assert_eq!(test.preparation.checks.len(), 0);
    let report = Runner::report_orphan(&test.preparation.orphans[0], Duration::ZERO);
    assert_eq!((report.check.as_str(), report.outcome), ("a", Outcome::Error));
    assert!(report.error.unwrap().message.contains("was taken away"));
    test.put("odd.wasm", version("third").build());
    assert_eq!(without_digests(&test.look().await), ["plugin `odd` 1.0.0 is new"]);
    assert_eq!(
        (test.preparation.checks.len(), test.preparation.orphans.len()),
        (1, 0)
    );
    assert_eq!(
        test.preparation.checks[0]
            .runs
            .load(std::sync::atomic::Ordering::Relaxed),
        1
    );
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_once_and_the_old_one_stays() {
    let mut test = Test::new(&format!("{CHECK}settings.a = 1\n")).await;
    let strict = |key: &str| {
        version("strict")
            .schema(format!("{{\"required\": [\"{key}\"]}}"))
            .build()
    };
    let refused = |sentence: &str| {
        vec![format!(
            "`odd.wasm` is not used: {sentence}; `odd` 1.0.0 stays in use"
        )]
    };
    let garbage = "the plugin cannot be loaded: it is not a WebAssembly component";
    for (bytes, expected) in [
        (b"garbage".to_vec(), refused(garbage)),
        (b"garbage".to_vec(), vec![]),
        (b"other garbage".to_vec(), refused(garbage)),
        (
            strict("b"),
            refused(
                "check `a` cannot use it: checks.toml:5:1: `settings` has no `b`, which the plugin requires",
            ),
        ),
        (strict("b"), vec![]),
    ] {
        test.put("odd.wasm", bytes);
        let said = test.look().await;
        match expected
            .first()
            .filter(|expected| expected.contains("checks.toml"))
        {
            Some(_) => assert!(
                said[0].contains("check `a` cannot use it: checks.toml:"),
                "{said:?}"
            ),
            None => assert_eq!(said, expected),
        }
        assert_eq!(test.look().await, [""; 0]);
        assert_eq!(test.summary(), "first");
        assert_eq!(test.run(&test.preparation.checks[0]).await.outcome, Outcome::Pass);
    }
    test.put("odd.wasm", strict("a"));
    assert_eq!(test.look().await.len(), 1);
    assert_eq!(test.summary(), "strict");
    test.put("odd.wasm", strict("b"));
    assert_eq!(test.look().await.len(), 1);
    // Back to what is in use: there is nothing to tell, and the next refusal is told again.
    test.put("odd.wasm", strict("a"));
    assert_eq!(test.look().await, [""; 0]);
    test.put("odd.wasm", strict("b"));
    assert_eq!(test.look().await.len(), 1);
}

#[tokio::test]
async fn a_file_that_takes_another_name_or_somebody_elses_is_refused() {
    let mut test = Test::new(CHECK).await;
    test.put("b.wasm", version("second").build());
    assert_eq!(
        test.look().await,
        [
            "`b.wasm` is not used: the plugin calls itself `odd`, and so does `odd.wasm`, which stays in use; \
          `odd` 1.0.0 stays in use"
        ]
    );
    test.put("odd.wasm", Component::new().name("even").build());
    assert_eq!(
        test.look().await,
        [
            "`odd.wasm` is not used: it was the plugin `odd`, which check `a` uses, and calls itself `even` now"
        ]
    );
    assert_eq!(test.summary(), "first");
}

#[tokio::test]
async fn half_a_file_is_not_even_looked_at() {
    let mut test = Test::new(CHECK).await;
    let (path, whole) = (test.folder.path().join("odd.wasm"), version("second").build());
    for length in [1, 8, whole.len() / 2, whole.len()] {
        fs::write(&path, &whole[..length]).unwrap();
        let files = look(test.folder.path()).await.unwrap();
        // The clock of the files stands still meanwhile.
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        let changes = test.live.sightings.look(&files, test.now, written);
        assert_eq!(changes, []);
    }
    test.now += folder::SETTLED;
    assert_eq!(test.look().await.len(), 1);
    assert_eq!(test.summary(), "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanged_again_and_again_under_load_no_run_fails_and_no_plugin_is_kept() {
    const EXCHANGES: usize = 100;
    let mut test = Test::new(CHECK).await;
    let runner = Arc::new(Runner::new(Arc::clone(&test.preparation.sandbox), 8));
    let mut plugins: Vec<Weak<Plugin>> = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    for number in 0..EXCHANGES {
        test.put("odd.wasm", version(&format!("version {number}")).build());
        for _ in 0..5 {
            let (runner, check) = (Arc::clone(&runner), Arc::clone(&test.preparation.checks[0]));
            running.spawn(async move { runner.run(&check).await });
        }
        plugins.push(Arc::downgrade(test.preparation.library.get("odd").unwrap()));
        assert_eq!(test.look().await.len(), 1);
    }
    while let Some(ran) = running.join_next().await {
        let report = ran.unwrap();
        assert_eq!(report.outcome, Outcome::Pass, "{:?}", report.error);
    }
    assert_eq!(plugins.len(), EXCHANGES);
    assert!(plugins.iter().all(|plugin| plugin.strong_count() == 0));
    let runs = &test.preparation.checks[0].runs;
    assert_eq!(
        runs.load(std::sync::atomic::Ordering::Relaxed),
        5 * EXCHANGES as u64
    );
}

#[tokio::test]
async fn a_reload_keeps_what_stays_the_same() {
    let both = format!("{CHECK}[[check]]\nname = \"b\"\nplugin = \"odd\"\n");
    let mut test = Test::new(&both).await;
    for check in &test.preparation.checks {
        test.run(check).await;
    }
    let switches = Arc::clone(&test.preparation.switches);
    let a = Scope::Check("a".into());
    switches.disable(&a, Capability::NetTls);
    let folder = test.folder.path().to_owned();
    let reload = async |test: &Test, rest: &str| {
        let config = config(&folder, rest);
        let again = test
            .preparation
            .again(config, Vec::new(), Compiling::default())
            .await;
        again.map_err(|problems| problems.to_string())
    };
    // Moved down by a line, `a` is what it was; `b` is not.
    let changed = format!(
        "\n{both}budget.deadline = \"1s\"\ndisable = [\"secrets\"]\n[[check]]\nname = \"c\"\nplugin = \"odd\"\n"
    );
    let again = reload(&test, &changed).await.unwrap();
    assert!(Arc::ptr_eq(&again.sandbox, &test.preparation.sandbox));
    let plugin = |preparation: &Preparation| Arc::clone(preparation.library.get("odd").unwrap());
    assert!(Arc::ptr_eq(&plugin(&again), &plugin(&test.preparation)));
    let runs: Vec<u64> = again
        .checks
        .iter()
        .map(|check| check.runs.load(std::sync::atomic::Ordering::Relaxed))
        .collect();
    assert_eq!(runs, [1, 0, 0]);
    let (a, b) = (switches.of("odd", "a"), switches.of("odd", "b"));
    assert!(
        b.disabled(Capability::Secrets).is_none(),
        "not before it takes over"
    );
    again.take_over(&again.switching(&test.preparation));
    assert!(b.disabled(Capability::Secrets).is_some());
    assert!(a.disabled(Capability::NetTls).is_some());
    test.preparation = again;
    let back = reload(&test, &both).await.unwrap();
    back.take_over(&back.switching(&test.preparation));
    assert!(b.disabled(Capability::Secrets).is_none());
    assert!(a.disabled(Capability::NetTls).is_some());
    // A file that is broken by now does not take the plugin away; one that is needed and missing does.
    test.preparation = back;
    test.put("odd.wasm", "garbage");
    let again = reload(&test, &both).await.unwrap();
    assert!(Arc::ptr_eq(&plugin(&again), &plugin(&test.preparation)));
    assert!(
        again
            .notices
            .iter()
            .any(|notice| notice.contains("odd.wasm: the plugin cannot be loaded"))
    );
    fs::remove_file(folder.join("odd.wasm")).unwrap();
    let refused = reload(&test, &both).await.err().unwrap();
    assert!(refused.contains("found no plugin called `odd`"), "{refused}");
    // More memory than the sandbox has room for: another one, and the plugin anew.
    test.put("odd.wasm", version("first").build());
    let more = reload(&test, &format!("{CHECK}budget.memory = \"128MiB\"\n"))
        .await
        .unwrap();
    assert!(!Arc::ptr_eq(&more.sandbox, &test.preparation.sandbox));
    assert_eq!(test.run(&test.preparation.checks[0]).await.outcome, Outcome::Pass);
}

/// The plugin beside the one in use runs once more for each run.
async fn run_both(test: &mut Test) {
    let check = Arc::clone(&test.preparation.checks[0]);
    let beside = test.live.shadow_of("a").expect("it is watched");
    let (old, new) = (test.run(&check).await, test.run(&beside).await);
    assert_ne!(old.plugin, new.plugin);
    test.live.compared(&old, &new);
}

#[tokio::test]
async fn a_new_version_runs_beside_the_old_one_before_it_is_promoted() {
    let mut test = Test::new(&format!("plugins.shadow = \"5s\"\n{CHECK}")).await;
    test.put("odd.wasm", version("second").build());
    assert_eq!(
        without_digests(&test.look().await),
        ["plugin `odd`: 1.0.0 runs beside 1.0.0 from now on"]
    );
    assert_eq!(test.summary(), "first");
    for _ in 0..7 {
        assert_eq!(test.look().await, [""; 0], "it never ran, so nobody knows");
    }
    run_both(&mut test).await;
    assert_eq!(
        without_digests(&test.look().await),
        ["plugin `odd`: 1.0.0 replaces 1.0.0"]
    );
    assert_eq!(test.summary(), "second");
    assert!(test.live.shadow_of("a").is_none());
}

#[tokio::test]
async fn a_version_that_judges_differently_is_not_promoted_but_by_hand() {
    let mut test = Test::new(&format!("plugins.shadow = \"2s\"\n{CHECK}")).await;
    let failing = version("failing").run("unreachable");
    test.put("odd.wasm", failing.build());
    assert_eq!(test.look().await.len(), 1);
    run_both(&mut test).await;
    assert_eq!(test.look().await, [""; 0]);
    let said = test.look().await;
    assert_eq!(said.len(), 1);
    for part in [
        "1 runs, 2 differences, 2 of them in the outcome",
        "check `a`: outcome `pass` became `error`",
        "check `a`: error `no error` became `plugin_trap`",
    ] {
        assert!(said[0].contains(part), "{said:?}");
    }
    assert_eq!(test.look().await, [""; 0]);
    assert_eq!(test.summary(), "first");
    assert!(test.live.shadow_of("a").is_none());
    let none = test.live.promote("even", &test.preparation).await.err();
    assert_eq!(
        none.as_deref(),
        Some("there is no new version of the plugin `even`")
    );
    let promoted = test.live.promote("odd", &test.preparation).await.unwrap();
    test.preparation = promoted.preparation.unwrap();
    assert_eq!(test.summary(), "failing");
}

#[tokio::test]
async fn a_version_under_another_name_takes_over_when_the_file_in_use_goes() {
    let mut test = Test::new(CHECK).await;
    test.put("b.wasm", version("second").build());
    assert_eq!(test.look().await.len(), 1, "it is refused");
    test.remove("odd.wasm");
    assert_eq!(test.look().await, [""; 0], "it may come back");
    let replaced = ["plugin `odd`: 1.0.0 replaces 1.0.0"];
    assert_eq!(without_digests(&test.look().await), replaced);
    assert_eq!(
        (test.summary().as_str(), test.live.refused().count()),
        ("second", 0)
    );
    assert!(test.is_served_by("b.wasm"));
    // Of those that wait, one that cannot be used is none.
    let strict = version("strict").schema("{\"required\": [\"a\"]}");
    test.put("a.wasm", strict.build());
    test.put("c.wasm", version("third").build());
    assert_eq!(test.look().await.len(), 2);
    test.remove("b.wasm");
    test.look().await;
    let events = without_digests(&test.look().await);
    assert_eq!((events.len(), events[0].as_str()), (2, replaced[0]));
    assert!(events[1].contains("check `a` cannot use it"), "{events:?}");
    assert!(test.is_served_by("c.wasm"));
    test.remove("c.wasm");
    test.look().await;
    let events = test.look().await;
    assert!(events[0].contains("these checks cannot run"), "{events:?}");
    let (_, refused) = test.live.refused().next().unwrap();
    assert!(!refused.sentence.contains("stays in use"), "{}", refused.sentence);
}

#[tokio::test]
async fn a_version_under_another_name_runs_beside_the_old_one_though_its_file_goes() {
    let watched = ["plugin `odd`: 1.0.0 runs beside 1.0.0 from now on"];
    for is_there_before in [true, false] {
        let mut test = Test::new(&format!("plugins.shadow = \"5s\"\n{CHECK}")).await;
        if is_there_before {
            test.put("b.wasm", version("second").build());
            assert_eq!(test.look().await.len(), 1, "it is refused");
        }
        test.remove("odd.wasm");
        let mut events = test.look().await;
        if !is_there_before {
            test.put("b.wasm", version("second").build());
        }
        for _ in 0..3 {
            events.extend(test.look().await);
        }
        assert_eq!(without_digests(&events), watched);
        assert_eq!(
            (test.summary().as_str(), test.live.refused().count()),
            ("first", 0)
        );
        assert!(test.is_served_by("b.wasm"));
        run_both(&mut test).await;
        test.now += Duration::from_secs(5);
        assert_eq!(
            without_digests(&test.look().await),
            ["plugin `odd`: 1.0.0 replaces 1.0.0"]
        );
        assert!(test.is_served_by("b.wasm"));
    }
}

#[tokio::test]
async fn a_new_version_whose_file_is_renamed_goes_on_beside_the_old_one() {
    let mut test = Test::new(&format!("plugins.shadow = \"9s\"\n{CHECK}")).await;
    test.put("odd.wasm", version("second").build());
    assert_eq!(test.look().await.len(), 1);
    test.rename("odd.wasm", "b.wasm");
    for _ in 0..3 {
        assert_eq!(test.look().await, [""; 0]);
    }
    assert!(test.is_served_by("b.wasm"));
    run_both(&mut test).await;
    // A copy is one too many, and takes nothing along when it goes.
    let second = version("second").build();
    test.put("c.wasm", &second);
    assert_eq!(test.look().await.len(), 1);
    test.remove("c.wasm");
    for _ in 0..2 {
        assert_eq!(test.look().await, [""; 0]);
    }
    assert_eq!(test.live.refused().count(), 0);
    run_both(&mut test).await;
    test.remove("b.wasm");
    test.look().await;
    assert_eq!(test.look().await.len(), 1);
    assert!(test.live.shadow_of("a").is_none());
    assert_eq!(test.preparation.orphans.len(), 1);
}

#[tokio::test]
async fn a_new_version_that_is_put_back_is_refused_no_more() {
    let mut test = Test::new(&format!("plugins.shadow = \"5s\"\n{CHECK}")).await;
    test.put("odd.wasm", version("second").build());
    assert_eq!(test.look().await.len(), 1);
    test.put("odd.wasm", "garbage");
    assert_eq!(test.look().await.len(), 1);
    assert_eq!(test.live.refused().count(), 1);
    test.put("odd.wasm", version("second").build());
    assert_eq!(test.look().await, [""; 0]);
    assert_eq!(test.live.refused().count(), 0);
    run_both(&mut test).await;
}

#[tokio::test]
async fn a_new_version_that_fits_no_more_when_its_time_is_over_is_refused() {
    let with_a = format!("{CHECK}settings.a = 1\n");
    let mut test = Test::new(&format!("plugins.shadow = \"2s\"\n{with_a}")).await;
    test.put(
        "odd.wasm",
        version("strict").schema("{\"required\": [\"a\"]}").build(),
    );
    assert_eq!(test.look().await.len(), 1);
    run_both(&mut test).await;
    assert_eq!(test.look().await, [""; 0]);
    test.preparation.config = config(test.folder.path(), CHECK);
    let said = test.look().await;
    assert!(said[0].contains("check `a` cannot use it"), "{said:?}");
    assert_eq!(test.look().await, [""; 0], "it is told once");
    let refused: Vec<_> = test.live.refused().map(|(file, _)| file.to_owned()).collect();
    assert_eq!(refused, [test.folder.path().join("odd.wasm")]);
    assert_eq!(test.summary(), "first");
}

#[tokio::test]
async fn differences_are_told_apart() {
    let test = Test::new(CHECK).await;
    let old = test.run(&test.preparation.checks[0]).await;
    assert_eq!(compare(&old, &old), []);
    let mut new = old.clone();
    new.attempts[0].phases.push(PhaseReport {
        name: "login".into(),
        detail: None,
        status: PhaseStatus::Ok,
        start: None,
        duration: None,
        budget_share: None,
        error: None,
        injected: false,
        attributes: BTreeMap::new(),
    });
    let measured = |name: &str, value| crate::outcome::Measurement {
        name: name.into(),
        value,
        unit: "s".into(),
        attributes: BTreeMap::new(),
    };
    let mut old = old;
    old.measurements = vec![
        measured("near", 10.0),
        measured("far", 10.0),
        measured("gone", 1.0),
    ];
    new.measurements = vec![
        measured("near", 15.0),
        measured("far", 21.0),
        measured("new", 1.0),
    ];
    let differences = compare(&old, &new);
    assert!(differences.iter().all(|difference| !difference.is_of_outcome()));
    let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "phases `` became `login ok`",
            "measurement `far`: 10 became 21",
            "measurement `gone`: 1 became nothing",
            "measurement `new`: nothing became 1",
        ]
    );
    let mut shadow = Shadow::new(
        old.plugin.clone(),
        new.plugin.clone(),
        Duration::ZERO,
        Duration::from_secs(1),
    );
    (old.duration, new.duration) = (Duration::from_millis(100), Duration::from_millis(400));
    for _ in 0..10 {
        shadow.compared(&old, &new);
    }
    assert_eq!((shadow.runs(), shadow.differences()), (10, (0, 40)));
    assert_eq!(shadow.examples().len(), 4);
    assert_eq!(shadow.slowdown(), Some(4.0));
    assert_eq!(shadow.verdict(Duration::from_millis(999)), Verdict::Watch);
    assert_eq!(shadow.verdict(Duration::from_secs(1)), Verdict::Promote);
    mark(&mut new);
    assert!(new.log[0].message.contains("does not count"));
}

#[tokio::test]
async fn a_file_that_goes_between_the_loading_and_the_first_look_is_given_up() {
    let mut test = Test::new(CHECK).await;
    let config = Arc::clone(&test.preparation.config);
    test.live = test.live.again(&config).unwrap();
    fs::remove_file(test.folder.path().join("odd.wasm")).unwrap();
    assert_eq!(test.look().await, [""; 0], "it may come back");
    let gone = "plugin `odd` 1.0.0 is gone, and these checks cannot run: `a`";
    assert_eq!(without_digests(&test.look().await), [gone]);
    assert_eq!(test.look().await, [""; 0]);
}

#[tokio::test]
async fn without_its_file_a_plugin_is_the_built_in_one_again() {
    let check = "[[check]]\nname = \"a\"\nplugin = \"http\"\nallow = [\"self\"]\nsettings.url = \"http://127.0.0.1:9/\"\n";
    let folder = tempfile::tempdir().unwrap();
    let component = Component::new().name("http").url_key("url").build();
    put(folder.path(), "mine.wasm", component);
    let config = config(folder.path(), check);
    let live = LivePlugins::new(&config).unwrap();
    let preparation = Preparation::of(config, Vec::new(), DefaultGrant::Nothing, Compiling::default());
    let mut test = Test {
        preparation: preparation.await.unwrap(),
        folder,
        live,
        now: Duration::ZERO,
    };
    assert_eq!(test.look().await, [""; 0]);
    fs::remove_file(test.folder.path().join("mine.wasm")).unwrap();
    assert_eq!(test.look().await, [""; 0]);
    let events = without_digests(&test.look().await);
    assert_eq!(events.len(), 1);
    assert!(events[0].starts_with("plugin `http`: "), "{events:?}");
    assert_eq!(
        test.preparation.library.find("http").unwrap().origin,
        Origin::BuiltIn
    );
    assert_eq!(
        (test.preparation.checks.len(), test.preparation.orphans.len()),
        (1, 0)
    );
}
