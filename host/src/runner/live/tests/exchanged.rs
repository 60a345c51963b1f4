//! Files that come, change and go, and the checks that go on with what is there.

use super::*;

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
async fn what_could_not_be_compiled_for_want_of_a_compiler_is_tried_again() {
    let mut test = Test::new(CHECK).await;
    let works = Arc::clone(&test.preparation.sandbox);
    // This program is no compiler.
    let aside = Compiling {
        cache: None,
        compiler: Compiler::Aside,
    };
    let fails = crate::runner::prepare::sandbox(&test.preparation.config, aside).unwrap();
    test.preparation.sandbox = Arc::new(fails);
    test.put("odd.wasm", version("second").build());
    assert_eq!(
        test.look().await,
        [
            "`odd.wasm` is not used: the plugin cannot be loaded: it cannot be compiled: the compiler failed; `odd` \
          1.0.0 stays in use; it is tried again"
        ]
    );
    assert_eq!(test.live.look_again_in(), LOOK_EVERY);
    // Not at every look, and told once.
    for _ in 0..5 {
        assert_eq!(test.look().await, [""; 0]);
    }
    let tries = test.live.refused().map(|(_, refused)| refused.tries);
    assert_eq!(tries.collect::<Vec<_>>(), [2]);
    test.preparation.sandbox = works;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.extend(test.look().await);
    }
    assert_eq!(without_digests(&events), ["plugin `odd`: 1.0.0 replaces 1.0.0"]);
    assert_eq!(
        (test.summary().as_str(), test.live.refused().count()),
        ("second", 0)
    );
}

#[tokio::test]
async fn a_refused_file_that_goes_with_the_one_in_use_is_not_told_again() {
    let mut test = Test::new(CHECK).await;
    test.put("z.wasm", version("second").build());
    assert_eq!(test.look().await.len(), 1);
    test.remove("odd.wasm");
    test.remove("z.wasm");
    let mut events = test.look().await;
    events.extend(test.look().await);
    assert_eq!(
        without_digests(&events),
        ["plugin `odd` 1.0.0 is gone, and these checks cannot run: `a`"]
    );
}

#[tokio::test]
async fn half_a_file_is_not_even_looked_at() {
    let mut test = Test::new(CHECK).await;
    let (path, whole) = (test.folder.path().join("odd.wasm"), version("second").build());
    for length in [1, 8, whole.len() / 2, whole.len()] {
        fs::write(&path, &whole[..length]).unwrap();
        let files = folder::files(test.folder.path()).unwrap();
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
