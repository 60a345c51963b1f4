//! Tasks that die in all the ways there are, and a runtime that stands still.

use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Condvar, Mutex};

use tokio::runtime::Runtime;

use super::*;

/// After this a test has failed.
const BOUND: Duration = Duration::from_secs(20);
/// What a task gets to be done with, in these tests.
const SOON: Duration = Duration::from_millis(50);

/// What is not tested takes longer than any test, however busy the machine is.
const CLOSE: Closeness = Closeness {
    look_every: Duration::from_millis(10),
    runtime: Duration::from_secs(600),
    end_after: Duration::from_secs(600),
    stop: Duration::from_secs(600),
    end: Duration::from_millis(100),
    pauses: (Duration::from_millis(1), Duration::from_millis(5)),
};

struct Watched {
    supervisor: Supervisor,
    troubles: Receiver<Trouble>,
    forced: Receiver<String>,
    /// What the watcher said when it looked, last.
    health: Arc<Mutex<Option<String>>>,
    runtime: Option<Runtime>,
}

impl Watched {
    fn new(closeness: Closeness) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (told, troubles) = channel();
        let (force, forced) = channel();
        let health = Arc::<Mutex<Option<String>>>::default();
        let seen = Arc::clone(&health);
        let hooks = Hooks {
            trouble: Box::new(move |trouble| drop(told.send(trouble.clone()))),
            looked: Box::new(move |health| *seen.lock().unwrap() = health.err().map(str::to_owned)),
            force_end: Box::new(move |reason| drop(force.send(reason.to_owned()))),
        };
        let supervisor = Supervisor::start(closeness, hooks, runtime.handle().clone()).unwrap();
        Self {
            supervisor,
            troubles,
            forced,
            health,
            runtime: Some(runtime),
        }
    }

    fn trouble(&self) -> Trouble {
        self.troubles.recv_timeout(BOUND).unwrap()
    }

    /// Why the process has to end.
    fn demand(&self) -> String {
        let runtime = self.runtime.as_ref().unwrap();
        let demand = async { tokio::time::timeout(BOUND, self.supervisor.end_demanded()).await };
        runtime.block_on(demand).unwrap()
    }

    fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        let begun = std::time::Instant::now();
        while !condition(self) {
            assert!(begun.elapsed() < BOUND, "{:?}", self.supervisor.health());
            std::thread::yield_now();
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.supervisor.finish();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

const OFTEN: Restart = Restart::Always {
    max: 1000,
    window: Duration::from_secs(60),
};

/// Lets a thread wait until the test says so.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        drop(self.1.wait_while(self.0.lock().unwrap(), |open| !*open).unwrap());
    }
}

#[test]
fn a_task_that_panics_is_told_and_begun_anew() {
    let watched = Watched::new(CLOSE);
    let lives = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&lives);
    let line = line!() + 1;
    watched.supervisor.spawn("agenda", OFTEN, move |pulse| {
        let life = count.fetch_add(1, Ordering::Relaxed);
        async move {
            pulse.doing("sorting the queue", BOUND);
            assert!(life > 0, "the first life is short");
            pulse.waiting("waiting for the next check");
            std::future::pending().await
        }
    });
    let trouble = watched.trouble();
    assert_eq!(
        trouble.mishap,
        Mishap::Panicked("the first life is short".to_owned())
    );
    assert!(matches!(trouble.consequence, Consequence::Restart(_)));
    let Whom::Task { name, doing, spawned } = &trouble.whom else {
        panic!("{trouble}")
    };
    assert_eq!(&**name, "agenda");
    assert!(doing.starts_with("sorting the queue, since "), "{doing}");
    assert_eq!((spawned.file(), spawned.line()), (file!(), line));
    watched.wait_until(|watched| {
        watched
            .supervisor
            .lines()
            .iter()
            .any(|line| line.contains("next check"))
    });
    assert_eq!(lives.load(Ordering::Relaxed), 2);
    watched.wait_until(|watched| watched.supervisor.health().is_ok());
    assert!(watched.supervisor.lines()[0].starts_with("task `agenda`: waiting for the next check, since "));
}

#[test]
fn a_task_that_returns_too_often_ends_the_process() {
    let watched = Watched::new(CLOSE);
    let thrice = Restart::Always {
        max: 3,
        window: Duration::from_secs(60),
    };
    watched.supervisor.spawn("listener", thrice, |_| async {
        Err("no sockets left".to_owned())
    });
    for _ in 0..3 {
        let trouble = watched.trouble();
        assert_eq!(
            trouble.mishap,
            Mishap::Returned(Some("no sockets left".to_owned()))
        );
        assert!(
            matches!(trouble.consequence, Consequence::Restart(_)),
            "{trouble}"
        );
    }
    assert_eq!(watched.trouble().consequence, Consequence::EndProcess);
    let reason = watched.demand();
    assert!(
        reason.contains("`listener`") && reason.ends_with("the process ends"),
        "{reason}"
    );
    assert!(watched.supervisor.health().is_err());
    // As it does not end by itself, it is ended.
    assert_eq!(watched.forced.recv_timeout(BOUND).unwrap(), reason);
}

#[test]
fn a_task_that_holds_what_others_rely_on_is_not_begun_anew() {
    let watched = Watched::new(CLOSE);
    watched
        .supervisor
        .spawn("loop", Restart::EndProcess, |_| async { Ok(()) });
    let trouble = watched.trouble();
    assert_eq!(trouble.mishap, Mishap::Returned(None));
    assert_eq!(trouble.consequence, Consequence::EndProcess);
    assert!(watched.demand().contains("`loop`"));
}

#[test]
fn a_task_that_waits_where_it_must_not_is_stopped_and_begun_anew() {
    let watched = Watched::new(CLOSE);
    let lives = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&lives);
    watched.supervisor.spawn("writer", OFTEN, move |pulse| {
        let life = count.fetch_add(1, Ordering::Relaxed);
        async move {
            if life == 0 {
                pulse.doing("writing the journal", SOON);
            } else {
                pulse.waiting("waiting for a report");
            }
            std::future::pending().await
        }
    });
    let trouble = watched.trouble();
    assert!(
        matches!(trouble.mishap, Mishap::Stalled(time) if time > SOON),
        "{trouble}"
    );
    assert_eq!(trouble.consequence, Consequence::Stop);
    watched.wait_until(|_| lives.load(Ordering::Relaxed) == 2);
    watched.wait_until(|watched| watched.supervisor.health().is_ok());
}

#[test]
fn a_task_that_blocks_its_thread_cannot_be_stopped_and_ends_the_process() {
    let watched = Watched::new(Closeness { stop: SOON, ..CLOSE });
    let gate = Arc::<Gate>::default();
    let held = Arc::clone(&gate);
    watched.supervisor.spawn("reader", OFTEN, move |pulse| {
        let held = Arc::clone(&held);
        async move {
            pulse.doing("reading under a lock", SOON);
            held.pass();
            Ok(())
        }
    });
    let troubles: Vec<Trouble> = std::iter::repeat_with(|| watched.trouble())
        .take_while(|trouble| !matches!(trouble.mishap, Mishap::Unstoppable(_)))
        .collect();
    let first = &troubles[0];
    assert!(matches!(first.mishap, Mishap::Stalled(_)), "{first}");
    assert!(first.to_string().contains("reading under a lock"), "{first}");
    assert!(watched.demand().contains("`reader`"));
    gate.open();
}

#[test]
fn a_worker_that_stands_still_is_named_while_the_others_go_on() {
    let watched = Watched::new(Closeness {
        runtime: Duration::from_millis(200),
        ..CLOSE
    });
    let gate = Arc::<Gate>::default();
    let held = Arc::clone(&gate);
    let is_held = Arc::new(AtomicBool::new(false));
    let holds = Arc::clone(&is_held);
    watched.runtime.as_ref().unwrap().spawn(async move {
        holds.store(true, Ordering::Release);
        held.pass();
    });
    watched.wait_until(|_| is_held.load(Ordering::Acquire));
    let trouble = watched.trouble();
    assert!(matches!(trouble.whom, Whom::Worker { of: 2, .. }), "{trouble}");
    assert_eq!(trouble.consequence, Consequence::Said);
    watched.wait_until(|watched| watched.health.lock().unwrap().is_some());
    let problem = watched.supervisor.health().unwrap_err();
    assert!(problem.starts_with("the worker thread "), "{problem}");
    gate.open();
    watched.wait_until(|watched| watched.supervisor.health().is_ok());
    assert_eq!(*watched.health.lock().unwrap(), None);
}

#[test]
fn a_runtime_that_stands_still_is_noticed_and_ends_the_process() {
    let watched = Watched::new(Closeness {
        runtime: Duration::from_millis(100),
        end_after: Duration::from_millis(300),
        ..CLOSE
    });
    let gate = Arc::<Gate>::default();
    for _ in 0..2 {
        let held = Arc::clone(&gate);
        watched
            .runtime
            .as_ref()
            .unwrap()
            .spawn(async move { held.pass() });
    }
    let ends = std::iter::repeat_with(|| watched.trouble())
        .inspect(|trouble| assert!(!matches!(trouble.whom, Whom::Task { .. }), "{trouble}"))
        .find(|trouble| trouble.consequence == Consequence::EndProcess);
    assert!(ends.is_some());
    // Nobody on the runtime could end the process.
    assert!(watched.forced.recv_timeout(BOUND).is_ok());
    gate.open();
}

#[test]
fn a_task_that_ends_in_a_shutdown_has_done_what_it_should() {
    let watched = Watched::new(CLOSE);
    let gate = Arc::new(tokio::sync::Notify::new());
    let done = Arc::clone(&gate);
    watched
        .supervisor
        .spawn("agenda", Restart::EndProcess, move |pulse| {
            let done = Arc::clone(&done);
            async move {
                pulse.waiting("waiting for the next check");
                done.notified().await;
                Ok(())
            }
        });
    watched.supervisor.spawn("endless", OFTEN, |pulse| async move {
        pulse.waiting("waiting for nothing");
        std::future::pending().await
    });
    watched.wait_until(|watched| {
        watched
            .supervisor
            .lines()
            .iter()
            .filter(|line| line.contains("waiting"))
            .count()
            == 2
    });
    watched.supervisor.stop();
    gate.notify_one();
    watched.wait_until(|watched| watched.supervisor.running() == 1);
    assert!(watched.supervisor.lines()[0].starts_with("task `endless`: waiting for nothing"));
    watched.supervisor.abort();
    watched.wait_until(|watched| watched.supervisor.running() == 0);
    assert!(watched.troubles.try_recv().is_err());
    assert!(watched.supervisor.health().is_ok());
}
