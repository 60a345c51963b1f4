//! One run: which phases, in which order, and which failure decides. The conversation inside the phases
//! is in `dialogue.rs`.

use bedcheck_sdk::{Failure, FirstFailure};

use crate::dialogue::Dialogue;
use crate::host::{Phase, Recorder, Transport};
use crate::response::Capabilities;
use crate::settings::{Login, Settings, Tls};

/// All phases, in the order of a run with implicit TLS.
pub(crate) const PHASES: [&str; 8] = [
    "resolve",
    "connect",
    "tls",
    "greeting",
    "capability",
    "login",
    "select",
    "logout",
];

/// The detail of the second `capability`: what a server says before TLS does not count after it.
const AFTER_STARTTLS: &str = "after STARTTLS";
/// The detail of a `capability` that took no round trip.
const FROM_GREETING: &str = "from the greeting";
/// The detail of a `login` that the server had done without.
const PREAUTH: &str = "PREAUTH";

/// Runs the check over the connection that `open` makes.
///
/// A failure before the mailboxes ends the run: what follows is not begun, and LOGOUT is sent without
/// waiting for an answer. The mailboxes and the logout are tried one after the other whatever became of
/// those before, and the first failure is the run's.
pub(crate) fn run<T: Transport, R: Recorder>(
    settings: &Settings,
    recorder: &R,
    open: impl FnOnce() -> Result<T, Failure>,
) -> Result<(), Failure> {
    recorder.plan(&plan(settings))?;
    let mut dialogue = Dialogue::new(open()?, recorder);
    let begun = begin(settings, recorder, &mut dialogue);
    if begun.is_err() {
        dialogue.leave();
    }
    begun?;
    let mut failures = FirstFailure::default();
    if let Some(login) = &settings.login {
        for mailbox in &login.mailboxes {
            failures.keep(select(login, mailbox, recorder, &mut dialogue));
        }
    }
    failures.keep(recorder.phase(Phase::new("logout"), || dialogue.logout()));
    failures.into_result()
}

/// What a run with these settings goes through.
fn plan(settings: &Settings) -> Vec<Phase<'_>> {
    let mailboxes = settings.login.as_ref().map_or(0, |login| login.mailboxes.len());
    let mut phases = Vec::with_capacity(PHASES.len() + mailboxes);
    phases.extend([Phase::new("resolve"), Phase::new("connect")]);
    if settings.tls == Tls::Implicit {
        phases.push(Phase::new("tls"));
    }
    phases.extend([Phase::new("greeting"), Phase::new("capability")]);
    if settings.tls == Tls::Starttls {
        phases.extend([Phase::new("tls"), Phase::of("capability", AFTER_STARTTLS)]);
    }
    if let Some(login) = &settings.login {
        phases.push(Phase::new("login"));
        phases.extend(login.mailboxes.iter().map(|mailbox| Phase::of("select", mailbox)));
    }
    phases.push(Phase::new("logout"));
    phases
}

/// Everything up to the login: what the rest cannot do without.
fn begin<T: Transport, R: Recorder>(
    settings: &Settings,
    recorder: &R,
    dialogue: &mut Dialogue<'_, T, R>,
) -> Result<(), Failure> {
    let greeting = recorder.phase(Phase::new("greeting"), || dialogue.greeting(settings.tls))?;
    let mut capabilities = capability(settings, greeting.capabilities, recorder, dialogue)?;
    if settings.tls == Tls::Starttls {
        dialogue.start_tls()?;
        capabilities = recorder.phase(Phase::of("capability", AFTER_STARTTLS), || dialogue.capability())?;
    }
    match &settings.login {
        None => Ok(()),
        // Nothing is left to be done, which the report says instead of `not-reached`.
        Some(_) if greeting.is_preauth => recorder.phase(Phase::of("login", PREAUTH), || Ok(())),
        Some(login) => recorder.phase(Phase::new("login"), || dialogue.login(&login.user, &capabilities)),
    }
}

/// The phase `capability`: what the server can do, from its greeting where it is told there. With
/// STARTTLS the phase holds that command as well, so that waiting for its answer is in a phase.
fn capability<T: Transport, R: Recorder>(
    settings: &Settings,
    greeted: Option<Capabilities>,
    recorder: &R,
    dialogue: &mut Dialogue<'_, T, R>,
) -> Result<Capabilities, Failure> {
    let phase = Phase {
        name: "capability",
        detail: greeted.map(|_| FROM_GREETING),
    };
    recorder.phase(phase, || {
        let capabilities = match greeted {
            Some(capabilities) => capabilities,
            None => dialogue.capability()?,
        };
        if settings.tls == Tls::Starttls {
            dialogue.request_tls(&capabilities)?;
        }
        Ok(capabilities)
    })
}

/// The phase `select` of one mailbox.
fn select<T: Transport, R: Recorder>(
    login: &Login,
    mailbox: &str,
    recorder: &R,
    dialogue: &mut Dialogue<'_, T, R>,
) -> Result<(), Failure> {
    recorder.phase(Phase::of("select", mailbox), || {
        let opened = dialogue.open(mailbox, login.open)?;
        match opened.messages {
            Some(messages) => recorder.measure("imap.mailbox.messages", messages, mailbox)?,
            None => recorder.warning(&format!("the server opened `{mailbox}` without `EXISTS`")),
        }
        if let Some(recent) = opened.recent {
            recorder.measure("imap.mailbox.recent", recent, mailbox)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
