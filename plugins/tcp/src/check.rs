//! One run: which phases, in which order, and which failure decides. What happens inside the phases is in
//! `dialogue.rs`.

use bedcheck_sdk::{Failure, TlsInfo};

use crate::dialogue::Dialogue;
use crate::host::{Phase, Recorder, Transport};
use crate::settings::{Action, Settings, Step};
use crate::text::quote;

/// All phases there can be.
pub(crate) const PHASES: [&str; 5] = ["resolve", "connect", "tls", "send", "expect"];

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Runs the check over the connection that `open` makes, with TLS from its beginning where the settings say
/// so. `now` is in seconds since 1970-01-01 UTC.
///
/// The first step that fails ends the run: the others are not begun. The certificate is judged after the
/// steps, which have worked when it is what fails.
pub(crate) fn run<T: Transport, R: Recorder>(
    settings: &Settings,
    recorder: &R,
    now: impl Fn() -> i64,
    open: impl FnOnce() -> Result<T, Failure>,
) -> Result<(), Failure> {
    recorder.plan(&plan(settings))?;
    let mut dialogue = Dialogue::new(open()?, recorder);
    let mut time_left = None;
    if settings.is_implicit_tls {
        time_left = Some(begin_tls(&mut dialogue, recorder, &now)?);
    }
    for (index, step) in settings.steps.iter().enumerate() {
        let next = settings.steps.get(index + 1).map(|step| &step.action);
        if matches!(step.action, Action::StartTls) {
            time_left = Some(begin_tls(&mut dialogue, recorder, &now)?);
            continue;
        }
        recorder.phase(phase(step), || {
            match &step.action {
                Action::Expect(expect) => dialogue.expect(expect, next.is_none())?,
                Action::ExpectBytes(bytes) => dialogue.expect_bytes(bytes)?,
                Action::Send(pieces) => dialogue.send(pieces)?,
                Action::StartTls => {}
            }
            // The phase of TLS is the host's: what keeps it from beginning is a failure of the one before.
            match next {
                Some(Action::StartTls) => dialogue.require_silence(),
                _ => Ok(()),
            }
        })?;
    }
    match (settings.certificate_days, time_left) {
        (Some(wanted), Some((left, subject))) => judge_certificate(wanted, left, &subject),
        _ => Ok(()),
    }
}

/// What a run with these settings goes through.
fn plan(settings: &Settings) -> Vec<Phase<'_>> {
    let mut phases = vec![Phase::new("resolve"), Phase::new("connect")];
    if settings.is_implicit_tls {
        phases.push(Phase::new("tls"));
    }
    phases.extend(settings.steps.iter().map(phase));
    phases
}

/// The phase of a step. That of TLS is the host's, and has no detail.
fn phase(step: &Step) -> Phase<'_> {
    match step.action {
        Action::Expect(_) | Action::ExpectBytes(_) => Phase::of("expect", &step.label),
        Action::Send(_) => Phase::of("send", &step.label),
        Action::StartTls => Phase::new("tls"),
    }
}

/// Begins TLS; how long the certificate is still valid, in seconds, and whose it is.
fn begin_tls<T: Transport, R: Recorder>(
    dialogue: &mut Dialogue<'_, T, R>,
    recorder: &R,
    now: impl Fn() -> i64,
) -> Result<(i64, String), Failure> {
    let TlsInfo { certificate, .. } = dialogue.start_tls()?;
    let left = certificate.not_after.saturating_sub(now());
    recorder.measure("tls.server.certificate.time_left", left as f64, "s", &[])?;
    Ok((left, certificate.subject))
}

fn judge_certificate(wanted: u32, left: i64, subject: &str) -> Result<(), Failure> {
    if left >= i64::from(wanted) * SECONDS_PER_DAY {
        return Ok(());
    }
    let subject = quote(subject.as_bytes());
    let days = left.div_euclid(SECONDS_PER_DAY);
    Err(Failure::assertion_failed(if left < 0 {
        format!("the certificate of {subject} has expired, wanted {wanted} days left")
    } else {
        format!("the certificate of {subject} has {days} whole days left, wanted {wanted}")
    }))
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
