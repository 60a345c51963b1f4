use std::time::Duration;

use super::*;

fn fault(text: &str) -> Fault {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> String {
    match text.parse::<Fault>() {
        Ok(fault) => panic!("{text} was read as {fault}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_written_reads_back_from_how_it_is_shown() {
    for (text, shown) in [
        ("net.connect=deadline-exceeded", "net.connect=deadline-exceeded"),
        ("net.read#3=reset", "net.read#3=connection-reset"),
        ("phase:select=delay 3s", "phase:select=delay 3s"),
        (
            "check:mail-login phase:select net.read#3=reset times 2",
            "check:mail-login phase:select net.read#3=connection-reset times 2",
        ),
        (
            "  net.write  check:a =  closed ",
            "check:a net.write=connection-closed",
        ),
        (
            "phase:select[Archive]=refused",
            "phase:select[Archive]=connection-refused",
        ),
        (
            "phase:select[[Gmail]/All = Mail] net.read=drip",
            "phase:select[[Gmail]/All = Mail] net.read=drip 10ms",
        ),
        ("phase:select[a\\]\\\\]=other", "phase:select[a\\]\\\\]=other"),
        ("net.read=drip times 3", "net.read=drip 10ms times 3"),
        ("net.read=drip 0s", "net.read=drip 0s"),
        ("net.read=reset after 100B", "net.read=reset-after 100B"),
        ("net.write=reset-after 1KiB", "net.write=reset-after 1KiB"),
        ("net.read=truncate 0B", "net.read=truncate 0B"),
        ("poll=memory-pressure", "poll=memory-pressure"),
        (
            "net.start-tls=expired-certificate for 1m30s",
            "net.start-tls=certificate-expired for 1m30s",
        ),
        (
            "net.start-tls=wrong-certificate",
            "net.start-tls=certificate-invalid",
        ),
        ("phase:tls=handshake", "phase:tls=tls-handshake"),
        ("phase:resolve=not-found", "phase:resolve=name-not-found"),
        (
            "net.read=reset probability 0.25 seed 7 times 1 for 5s",
            "net.read=connection-reset times 1 for 5s probability 0.25 seed 7",
        ),
        (
            "net.read=reset probability 0.5 seed 0",
            "net.read=connection-reset probability 0.5",
        ),
    ] {
        let read = fault(text);
        assert_eq!(read.to_string(), shown, "{text}");
        assert_eq!(fault(shown), read, "{text}");
    }
}

#[test]
fn everything_a_sweep_tries_can_be_written() {
    for call in HostCall::ALL {
        for kind in kinds_for(call) {
            let text = format!("{call}#2={kind}");
            assert_eq!(fault(&text).to_string(), text);
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }
}

#[test]
fn details_with_any_brackets_read_back() {
    for detail in [
        "",
        " ",
        "[Gmail]/Sent",
        "]",
        "[",
        "a]b[c",
        "\\",
        "x\\]",
        "a=b",
        "ü [ü] #3",
    ] {
        let phase = PhaseSelector {
            name: "select".into(),
            detail: Some(detail.into()),
        };
        let text = format!("phase:{phase} net.read=reset");
        assert_eq!(fault(&text).selector.phase, Some(phase), "{text}");
    }
}

#[test]
fn who_errs_in_the_place_is_told_what_was_wanted() {
    for (text, message) in [
        (
            "net.read",
            "found `net.read`, wanted a place and a kind, such as `net.read#3=reset`",
        ),
        (
            "phase:select[Archive=reset",
            "found `phase:select[Archive=reset`, wanted a `]` at the end of the phase's detail",
        ),
        (
            "net.raed=reset",
            "found `net.raed`, did you mean the host call `net.read`?",
        ),
        (
            "=reset",
            "found no place for the fault, wanted a host call, such as `net.read`, or a phase, such as \
             `select`",
        ),
        (
            "check:mail=reset",
            "found no place for the fault, wanted a host call, such as `net.read`, or a phase, such as \
             `select`",
        ),
        (
            "check: net.read=reset",
            "found `check:`, wanted a check's name after it, such as `check:mail-login`",
        ),
        (
            "phase: net.read=reset",
            "found ``, wanted a phase's name, such as `select` or `select[Archive]`",
        ),
        (
            "phase:select#2=reset",
            "found `select#2`, wanted a phase's name, such as `select` or `select[Archive]`",
        ),
        (
            "phase:select[a]b=reset",
            "found `select[a]b`, wanted a phase with its detail in brackets, such as `select[Archive]`",
        ),
        (
            "plugin:imap net.read=reset",
            "found `plugin:imap`, wanted `check:NAME`, `phase:NAME` or a host call, such as `net.read`",
        ),
        (
            "net.read net.write=reset",
            "found `net.write` as well, wanted one check, one phase and one host call at most",
        ),
        (
            "net.read#0=reset",
            "found `net.read#0`, wanted the number of a call after `#`, from 1, such as `net.read#3`",
        ),
        (
            "phase:tls net.read=reset",
            "found `net.read` in the phase `tls`, wanted a host call that is made in it: `net.start-tls`",
        ),
        (
            "phase:tls[x]=reset",
            "found `tls[x]`, wanted `tls`: the host's phases have no details",
        ),
    ] {
        assert_eq!(error(text), message, "{text}");
    }
}

#[test]
fn who_errs_in_the_kind_is_told_what_was_wanted() {
    for (text, message) in [
        (
            "net.read=",
            "found no kind, wanted one, such as `reset` or `delay 3s`",
        ),
        ("net.read=rest", "found `rest`, did you mean `reset`?"),
        (
            "net.read=delay",
            "found `delay` alone, wanted a duration after it, such as `delay 3s`",
        ),
        (
            "net.read=delay 3",
            "found `3`, wanted a duration with a unit, such as `3s`",
        ),
        (
            "net.read=delay 0s",
            "found `delay 0s`, wanted some time, such as `delay 3s`",
        ),
        (
            "net.read=delay 2h",
            "found `2h`, wanted at most `1h`, which is all that a run can have",
        ),
        (
            "net.read=truncate",
            "found `truncate` alone, wanted a size after it, such as `truncate 100B`",
        ),
        (
            "net.read=reset after",
            "found `reset-after` alone, wanted a size after it, such as `reset-after 100B`",
        ),
        (
            "net.read=reset after 0B",
            "found `reset-after 0B`, wanted at least `1B`; `reset` resets at once",
        ),
        (
            "net.read=reset after 100",
            "found `100`, wanted a size with a unit, such as `100MiB`",
        ),
        (
            "net.start-tls=truncate 1B",
            "found `truncate` for `net.start-tls`, wanted what can happen there: `deadline-exceeded`, \
             `over-quota`, `capability-disabled`, `network-unreachable`, `host-unreachable`, \
             `connection-reset`, `connection-closed`, `tls-handshake`, `certificate-invalid`, \
             `certificate-expired`, `name-mismatch`, `invalid`, `other`, `delay` or `memory-pressure`",
        ),
        (
            "log.write=reset",
            "found `connection-reset` for `log.write`, wanted what can happen there: `deadline-exceeded` or \
             `memory-pressure`",
        ),
        (
            "phase:resolve=refused",
            "found `connection-refused` in the phase `resolve`, wanted what can happen there: \
             `deadline-exceeded`, `name-not-found`, `name-server-failure`, `no-address`, `other`, `delay` or \
             `memory-pressure`",
        ),
    ] {
        assert_eq!(error(text), message, "{text}");
    }
    let unknown = error("net.read=explode");
    assert!(
        unknown.starts_with("found `explode`, wanted a kind of fault: `deadline-exceeded`, "),
        "{unknown}"
    );
    assert!(unknown.ends_with("`truncate` or `memory-pressure`"), "{unknown}");
    assert!(error("phase:connect net.connect=not-found").contains("in the phase `connect`"));
}

#[test]
fn who_errs_in_an_option_is_told_what_was_wanted() {
    for (text, message) in [
        ("net.read=reset tims 2", "found `tims`, did you mean `times`?"),
        (
            "net.read=reset sometimes",
            "found `sometimes`, wanted an option: `times`, `for`, `probability` or `seed`",
        ),
        (
            "net.read=reset times",
            "found `times` at the end, wanted its value after it",
        ),
        (
            "net.read=reset times 0",
            "found `0` for `times`, wanted a whole number from 1, such as `times 3`",
        ),
        (
            "net.read=reset times 2 times 3",
            "found `times` twice, wanted it once at most",
        ),
        (
            "net.read=reset for ever",
            "`for`: found `ever`, wanted a duration, such as `10s`, `100ms` or `1m30s`",
        ),
        (
            "net.read=reset for 0s",
            "found `0s` for `for`, wanted a duration from 1ms to 7d",
        ),
        (
            "net.read=reset probability NaN",
            "found `NaN` for `probability`, wanted a number above 0 and at most 1, such as `probability 0.5`",
        ),
        (
            "net.read=reset probability 0.5 seed -1",
            "found `-1` for `seed`, wanted a whole number from 0, such as `seed 7`",
        ),
        (
            "net.read=reset seed 7",
            "found `seed` without `probability` before it, wanted both or neither",
        ),
    ] {
        assert_eq!(error(text), message, "{text}");
    }
    for text in ["net.read=reset probability 0", "net.read=reset probability 1.1"] {
        assert!(error(text).contains("for `probability`"));
    }
    assert_eq!(
        "reset times 2".parse::<FaultKind>().unwrap_err().to_string(),
        "found `times` after `connection-reset`, wanted nothing more"
    );
}

/// A site of a call without a phase.
fn at(call: HostCall) -> Site<'static> {
    Site {
        call,
        host_phase: None,
        guest_phase: None,
    }
}

fn in_phase(call: HostCall, name: &'static str, detail: Option<&'static str>) -> Site<'static> {
    Site {
        guest_phase: Some((name, detail)),
        ..at(call)
    }
}

fn step(call: HostCall, host_phase: HostPhase) -> Site<'static> {
    Site {
        host_phase: Some(host_phase),
        ..at(call)
    }
}

fn plan(faults: &[&str]) -> FaultPlan {
    FaultPlan::new(faults.iter().map(|text| fault(text)).collect())
}

fn injector(plan: &FaultPlan) -> Injector {
    plan.injector(0, 0, Duration::ZERO)
}

/// At which of the sites something happens, counted from 1.
fn fired(injector: &mut Injector, sites: &[Site<'_>]) -> Vec<usize> {
    let happens = |(index, site): (usize, &Site<'_>)| (!injector.at(site).is_empty()).then_some(index + 1);
    sites.iter().enumerate().filter_map(happens).collect()
}

const READ: HostCall = HostCall::NetRead;
const WRITE: HostCall = HostCall::NetWrite;

#[test]
fn the_nth_call_is_counted_among_those_that_match_and_anew_in_each_attempt() {
    let plan = plan(&["phase:select net.read#2=reset"]);
    let sites = [
        at(READ),
        in_phase(READ, "select", None),
        in_phase(WRITE, "select", None),
        in_phase(READ, "login", None),
        in_phase(READ, "select", Some("INBOX")),
        in_phase(READ, "select", None),
    ];
    assert_eq!(fired(&mut injector(&plan), &sites), [5]);
    assert_eq!(fired(&mut injector(&plan), &sites), [5]);
}

#[test]
fn a_phase_can_be_named_with_its_detail() {
    let sites = [
        in_phase(READ, "select", Some("INBOX")),
        in_phase(READ, "select", Some("Archive")),
        in_phase(READ, "select", None),
    ];
    assert_eq!(
        fired(&mut injector(&plan(&["phase:select[Archive]=reset"])), &sites),
        [2]
    );
    assert_eq!(
        fired(&mut injector(&plan(&["phase:select=reset"])), &sites),
        [1, 2, 3]
    );
}

#[test]
fn an_error_in_a_phase_hits_every_network_call_in_it_and_a_delay_one_for_each_time_it_begins() {
    let begin = at(HostCall::PhasesBegin);
    let sites = [
        begin,
        in_phase(HostCall::PhasesPlan, "select", None),
        in_phase(WRITE, "select", None),
        in_phase(READ, "select", None),
        in_phase(HostCall::PhasesBegin, "select", None),
        in_phase(WRITE, "select", None),
        in_phase(READ, "select", None),
    ];
    let fired_by = |text| fired(&mut injector(&plan(&[text])), &sites);
    assert_eq!(fired_by("phase:select=over-quota"), [3, 4, 6, 7]);
    assert_eq!(fired_by("phase:select=delay 3s"), [3, 6]);
    assert_eq!(fired_by("phase:select=truncate 1B"), [4, 7]);
    assert_eq!(fired_by("phase:select net.read=delay 3s"), [4, 7]);
    assert_eq!(fired_by("net.read=delay 3s"), [4, 7]);
    assert_eq!(fired_by("net.read=truncate 1B"), [4]);
    assert_eq!(fired_by("net.read#2=truncate 1B"), [7]);
    assert_eq!(fired_by("phases.begin=memory-pressure"), [1]);
}

#[test]
fn a_kind_that_no_network_call_has_is_meant_where_it_exists() {
    let sites = [
        in_phase(READ, "login", None),
        in_phase(HostCall::SecretsOpen, "login", None),
    ];
    assert_eq!(
        fired(&mut injector(&plan(&["phase:login=secret-missing"])), &sites),
        [2]
    );
}

#[test]
fn a_rule_happens_in_one_of_the_two_steps_of_connecting() {
    let resolve = step(HostCall::NetConnect, HostPhase::Resolve);
    let connect = step(HostCall::NetConnect, HostPhase::Connect);
    let tls = step(HostCall::NetStartTls, HostPhase::Tls);
    let sites = [resolve, connect, tls, resolve, connect, tls];
    for (text, expected) in [
        ("net.connect=not-found", vec![1, 4]),
        ("net.connect#2=not-found", vec![4]),
        ("net.connect=refused", vec![2, 5]),
        ("net.connect#2=refused", vec![5]),
        ("net.connect=deadline-exceeded", vec![2, 5]),
        ("phase:resolve=deadline-exceeded", vec![1, 4]),
        ("phase:resolve=delay 1s", vec![1, 4]),
        ("phase:connect=delay 1s", vec![2, 5]),
        ("phase:tls=delay 1s", vec![3, 6]),
        ("phase:tls=expired-certificate", vec![3, 6]),
        ("net.connect=memory-pressure", vec![2]),
        ("phase:resolve=memory-pressure", vec![1, 4]),
    ] {
        assert_eq!(fired(&mut injector(&plan(&[text])), &sites), expected, "{text}");
    }
}

#[test]
fn a_host_phase_within_a_phase_of_the_guests_is_in_both() {
    let site = Site {
        call: HostCall::NetStartTls,
        host_phase: Some(HostPhase::Tls),
        guest_phase: Some(("login", None)),
    };
    for text in [
        "phase:tls=reset",
        "phase:login=reset",
        "phase:login net.start-tls=reset",
    ] {
        assert_eq!(injector(&plan(&[text])).at(&site).len(), 1, "{text}");
    }
}

#[test]
fn times_are_counted_by_all_clones_and_all_checks_together() {
    let whole = plan(&["net.read=reset times 3"]);
    let (mail, page) = (whole.for_check("mail"), whole.for_check("page"));
    let sites = [at(READ), at(READ)];
    assert_eq!(fired(&mut injector(&mail), &sites), [1, 2]);
    assert_eq!(fired(&mut injector(&page.clone()), &sites), [1]);
    assert!(fired(&mut injector(&whole), &sites).is_empty());
}

#[test]
fn a_fault_that_is_the_same_in_another_plan_goes_on_counting() {
    let texts = ["net.read=reset times 2", "net.read=reset times 2"];
    let before = plan(&texts);
    let sites = [at(READ), at(READ), at(READ)];
    assert_eq!(fired(&mut injector(&before), &sites), [1, 2, 3]);
    let again = |texts: &[&str]| before.again(texts.iter().map(|text| fault(text)).collect());
    assert_eq!(fired(&mut injector(&again(&texts)), &sites), [1]);
    let others = ["net.read=reset times 3", texts[0]];
    assert_eq!(fired(&mut injector(&again(&others)), &sites), [1, 2, 3]);
}

#[test]
fn a_plan_is_narrowed_to_a_check() {
    let whole = plan(&["check:mail net.read=reset", "net.write=reset"]);
    let texts = |plan: &FaultPlan| plan.faults().map(Fault::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&whole.for_check("mail")).len(), 2);
    assert_eq!(texts(&whole.for_check("page")), ["net.write=connection-reset"]);
    assert!(plan(&["check:mail net.read=reset"]).for_check("page").is_empty());
    assert!(FaultPlan::default().is_empty());
}

#[test]
fn one_error_happens_at_a_call_and_after_everything_else() {
    let plan = plan(&[
        "net.read=reset times 1",
        "net.read=closed times 1",
        "net.read=delay 1s",
    ]);
    let mut injector = injector(&plan);
    let mut at_read = || {
        let fired = injector.at(&at(READ));
        fired
            .iter()
            .map(|fault| fault.kind.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(at_read(), ["delay 1s", "connection-reset"]);
    assert_eq!(at_read(), ["delay 1s", "connection-closed"]);
    assert_eq!(at_read(), ["delay 1s"]);
}

#[test]
fn a_fault_with_a_window_is_over_when_it_has_passed() {
    let plan = plan(&["net.read=reset for 30s"]);
    let after = |seconds| {
        fired(
            &mut plan.injector(0, 0, Duration::from_secs(seconds)),
            &[at(READ)],
        )
    };
    assert_eq!(after(29), [1]);
    assert!(after(30).is_empty());
}

#[test]
fn chance_repeats_and_keeps_to_its_probability() {
    let sites = [at(READ); 1000];
    let count = |seed: u64, run: u64, attempt: u64| {
        let plan = plan(&[&format!("net.read=delay 1s probability 0.25 seed {seed}")]);
        fired(&mut plan.injector(run, attempt, Duration::ZERO), &sites)
    };
    let first = count(7, 1, 0);
    assert_eq!(first, count(7, 1, 0));
    // Five standard deviations of a thousand draws are 68.
    assert!(first.len().abs_diff(250) < 68, "{}", first.len());
    for other in [count(8, 1, 0), count(7, 2, 0), count(7, 1, 1)] {
        assert_ne!(first, other);
    }
    let always = plan(&["net.read=reset probability 1"]);
    assert_eq!(fired(&mut injector(&always), &sites).len(), 1000);
}

/// Worked out with another implementation of the same formula.
#[test]
fn the_decisions_of_chance_are_fixed_for_ever() {
    let plan = plan(&["net.read=reset probability 0.5 seed 7"]);
    let mut injector = plan.injector(3, 0, Duration::ZERO);
    assert_eq!(
        fired(&mut injector, &[at(READ); 20]),
        [2, 4, 6, 7, 10, 11, 12, 14, 15, 17, 18]
    );
}
