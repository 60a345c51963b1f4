//! A plugin for the tests of the sweep: a check of a small line protocol, with at most one bug on an error path.
//! Here are its settings and the course of a run: greeting, STARTTLS if asked for, login, items, goodbye.
//!
//! Without a bug it goes on to the items only after a login, tries every item whatever became of the others, and
//! always takes its leave. The bugs are in the places where such a thing goes wrong: those of the conversation in
//! `peer.rs`, those of the phases in `phases.rs`.

mod bug;
mod peer;
mod phases;

use bedcheck_sdk::{
    CallError, Check, Description, Failure, FirstFailure, Piece, Planned, Reason, Secret, SecretName, Target,
    capability_enabled, measure, plan,
};

use bug::Bug;
use peer::Peer;
use phases::Phases;

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    #[serde(default)]
    bug: Bug,
    host: String,
    port: u16,
    #[serde(default)]
    tls: bool,
    password: SecretName,
    #[serde(default)]
    items: Vec<String>,
}

struct Faulty;

impl Check for Faulty {
    type Settings = Settings;

    fn describe() -> Description {
        Description::new("faulty", "0.1.0", "has the bug that its settings name")
            .phases([
                "resolve", "connect", "greeting", "tls", "login", "fetch", "goodbye",
            ])
            .capabilities(["net.connect", "net.tls", "secrets"])
            .target(Target::host_and_port("host", "port", []))
            .settings_schema(
                r#"{"type": "object", "required": ["host", "port", "password"], "additionalProperties": false,
                    "properties": {
                        "bug": {"type": "string"}, "host": {"type": "string"}, "port": {"type": "integer"},
                        "tls": {"type": "boolean"}, "items": {"type": "array", "items": {"type": "string"}},
                        "password": {"type": "object", "properties": {"secret": {"type": "string"}}}}}"#,
            )
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        let course = Course {
            phases: Phases(settings.bug),
            settings: &settings,
        };
        course.run()
    }
}

bedcheck_sdk::register!(Faulty);

struct Course<'s> {
    settings: &'s Settings,
    phases: Phases,
}

impl Course<'_> {
    fn run(&self) -> Result<(), Failure> {
        plan(self.planned())?;
        let password = match self.settings.password.open() {
            Err(_) if self.has(Bug::PassesWithoutSecret) => return Ok(()),
            opened => opened?,
        };
        let mut peer = Peer::connect(self.settings)?;
        let mut failures = FirstFailure::default();
        let begun = self.begin(&mut peer, &password);
        // Nothing is said in plaintext once TLS was to be.
        if let Err(failure) = &begun
            && (self.leaves_at_once(failure, &peer) || !peer.may_speak())
        {
            return begun;
        }
        let has_begun = failures.keep(begun).is_some();
        if has_begun {
            self.fetch_all(&mut peer, &mut failures)?;
        }
        failures.keep(self.phases.run("goodbye", None, || peer.leave()));
        failures.into_result()
    }

    fn has(&self, bug: Bug) -> bool {
        self.settings.bug == bug
    }

    fn planned(&self) -> Vec<Planned<'_>> {
        let mut names = vec!["resolve", "connect", "greeting"];
        if self.settings.tls {
            names.push("tls");
        }
        names.push("login");
        let mut planned: Vec<_> = names.into_iter().map(Planned::new).collect();
        let forgotten = usize::from(self.has(Bug::PlansOneItemLess));
        let items = self.settings.items.iter().rev().skip(forgotten).rev();
        planned.extend(items.map(|item| Planned::of("fetch", item)));
        planned.push(Planned::new("goodbye"));
        planned
    }

    /// Everything up to the login: what the rest cannot do without.
    fn begin(&self, peer: &mut Peer<'_>, password: &Secret) -> Result<(), Failure> {
        if self.has(Bug::BeginsAfterTheCall) {
            peer.greeting()?;
            self.phases.run("greeting", None, || Ok(()))?;
        } else {
            self.phases.run("greeting", None, || peer.greeting())?;
        }
        if self.settings.tls {
            self.start_tls(peer)?;
        }
        self.phases.run("login", None, || {
            peer.command(&[
                Piece::Bytes(b"LOGIN "),
                Piece::Secret(password),
                Piece::Bytes(b"\r\n"),
            ])
            .map(drop)
        })
    }

    fn start_tls(&self, peer: &mut Peer<'_>) -> Result<(), Failure> {
        if self.has(Bug::SkipsDisabledTls) && !capability_enabled("net.tls") {
            return Ok(());
        }
        match peer.start_tls() {
            Err(_) if self.has(Bug::GoesOnInPlaintext) => Ok(()),
            started => started,
        }
    }

    /// The items are independent of one another: each is tried.
    fn fetch_all(&self, peer: &mut Peer<'_>, failures: &mut FirstFailure) -> Result<(), Failure> {
        for item in &self.settings.items {
            let fetched = self.phases.run("fetch", Some(item), || self.fetch(peer, item));
            if self.has(Bug::StopsAtFirst) || self.has(Bug::SkipsGoodbyeAfterItems) {
                fetched?;
                continue;
            }
            let error = fetched.as_ref().err().and_then(host_error).cloned();
            let is_unmeasured = fetched.as_ref().is_ok_and(|&measured| !measured);
            failures.keep(fetched);
            let leaves = match error {
                Some(CallError::ConnectionReset) => self.has(Bug::SkipsItemsOnReset),
                Some(CallError::OverQuota(_)) => self.has(Bug::SkipsItemsOnOverQuota),
                _ => false,
            };
            if leaves || (is_unmeasured && self.has(Bug::PassesWithoutMeasurement)) {
                break;
            }
        }
        Ok(())
    }

    /// Whether it was measured.
    fn fetch(&self, peer: &mut Peer<'_>, item: &str) -> Result<bool, Failure> {
        let answer = peer.command(&[Piece::Bytes(format!("FETCH {item}\r\n").as_bytes())])?;
        let size = answer.rsplit(' ').next().and_then(|size| size.parse().ok());
        let size = size.ok_or_else(|| Failure::unexpected_response("an answer without a size"))?;
        match measure("faulty.size", size, "By", &[("item", item)]) {
            Err(_) if self.has(Bug::PassesWithoutMeasurement) => Ok(false),
            measured => measured.map(|()| true),
        }
    }

    /// Whether a failure keeps the plugin from taking its leave, as none should.
    fn leaves_at_once(&self, failure: &Failure, peer: &Peer<'_>) -> bool {
        match self.settings.bug {
            Bug::StopsAtFirst => return true,
            Bug::SkipsGoodbyeOnWrite => return peer.has_not_written(),
            _ => {}
        }
        match host_error(failure) {
            Some(CallError::ConnectionClosed) => self.has(Bug::SkipsGoodbyeOnClosed),
            Some(CallError::OverQuota(_)) => self.has(Bug::SkipsGoodbyeOnOverQuota),
            Some(CallError::CapabilityDisabled(_)) => self.has(Bug::SkipsGoodbyeOnDisabled),
            Some(CallError::DeadlineExceeded) => self.has(Bug::SkipsGoodbyeOnDeadline),
            _ => false,
        }
    }
}

/// The host's error in a failure.
fn host_error(failure: &Failure) -> Option<&CallError> {
    match failure.reason() {
        Reason::Call(error) => Some(error),
        _ => None,
    }
}
