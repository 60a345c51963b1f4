//! A configuration that is read again while checks run.

use super::*;

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

#[tokio::test]
async fn a_reload_that_needs_a_larger_sandbox_leaves_a_new_version_beside_the_old_one() {
    let configuration = |more: &str| format!("plugins.shadow = \"1h\"\n{CHECK}{more}");
    let mut test = Test::new(&configuration("")).await;
    test.put("odd.wasm", version("second").build());
    assert_eq!(test.look().await.len(), 1);
    let larger = config(test.folder.path(), &configuration("budget.memory = \"128MiB\"\n"));
    let again = test
        .preparation
        .again(Arc::clone(&larger), Vec::new(), Compiling::default());
    let again = again.await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!Arc::ptr_eq(&again.sandbox, &test.preparation.sandbox));
    test.preparation = again;
    assert_eq!(test.summary(), "first");
    assert_eq!(test.run(&test.preparation.checks[0]).await.outcome, Outcome::Pass);
    test.live = test.live.again(&larger).unwrap();
    assert_eq!(
        without_digests(&test.look().await),
        ["plugin `odd`: 1.0.0 runs beside 1.0.0 from now on"]
    );
}
