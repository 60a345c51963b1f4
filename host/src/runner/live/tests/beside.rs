//! New versions that run beside the one in use until they are promoted, and how their runs are compared.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

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
async fn what_compiling_takes_is_no_time_beside_the_old_one() {
    let mut test = Test::new(&format!("plugins.shadow = \"5s\"\n{CHECK}")).await;
    test.put("odd.wasm", version("second").build());
    // A minute passes after the folder was looked at.
    let (asked, begun) = (AtomicBool::new(false), test.now);
    let slow = || match asked.swap(true, Ordering::Relaxed) {
        false => begun,
        true => begun + Duration::from_secs(60),
    };
    assert_eq!(test.look_by(&slow).await.len(), 1);
    test.now += Duration::from_secs(60);
    run_both(&mut test).await;
    for _ in 0..4 {
        assert_eq!(test.look().await, [""; 0]);
    }
    assert_eq!(test.look().await.len(), 1);
    assert_eq!(test.summary(), "second");
}

#[tokio::test]
async fn faults_are_for_the_runs_that_count() {
    let fault = "[[fault]]\ncall = \"net.connect\"\nkind = \"refused\"\n";
    let mut test = Test::new(&format!("plugins.shadow = \"5s\"\n{CHECK}{fault}")).await;
    test.put("odd.wasm", version("second").build());
    assert_eq!(test.look().await.len(), 1);
    let beside = test.live.shadow_of("a").unwrap();
    assert!(beside.faults.is_empty());
    assert!(!test.preparation.checks[0].faults.is_empty());
    run_both(&mut test).await;
    test.now += Duration::from_secs(5);
    test.look().await;
    assert_eq!(test.summary(), "second");
    assert!(!test.preparation.checks[0].faults.is_empty());
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
        attributes: crate::outcome::Attributes::new(),
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
