//! `/probe?target=&module=`: one run now, its report as metrics, in the manner of blackbox_exporter, so that
//! Prometheus needs no other configuration to scrape it.
//!
//! ```text
//! query, headers -> question -> module, target -> runner -> Report -> translate -> exposition
//!                                                                  -> debug
//! ```
//!
//! Whoever asks decides when a probe runs: there is no schedule, no breaker and no retry budget. What it has in
//! common with checks are the slots of the runner.

mod debug;
mod exposition;
mod question;
mod route;
#[cfg(test)]
mod tests;
mod translate;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use tokio::sync::watch;
use tokio::time::Instant;

pub use route::{PATH, direct, routes};

use self::question::{Question, Refused, Time};
use super::accept;
use super::supervise::words;
use crate::open::{self, Kind};
use crate::outcome::{Outcome, Report};
use crate::runner::{CancellationToken, Modules, NotAimed, Prepared, PreparedModule, Runner};

/// Told of every report.
pub type Observer = Box<dyn Fn(Arc<Report>) + Send + Sync>;

/// What can be probed, and what runs it.
pub struct Probes {
    probed: RwLock<Arc<Probed>>,
    observer: Observer,
    is_ending: AtomicBool,
    cancellation: CancellationToken,
    /// Each probe under way holds a receiver.
    under_way: watch::Sender<()>,
}

/// What can be probed at the moment.
struct Probed {
    runner: Arc<Runner>,
    modules: Modules,
    timeout_offset: Duration,
}

/// An answer: its text is small enough to be there at once.
type Answer = Response<String>;

impl Probes {
    /// Probes of these modules. `timeout_offset` is what is left of a scraper's timeout for the way back
    /// (`http.timeout_offset`).
    pub fn new(runner: Arc<Runner>, modules: Modules, timeout_offset: Duration, observer: Observer) -> Self {
        Self {
            probed: RwLock::new(Arc::new(Probed {
                runner,
                modules,
                timeout_offset,
            })),
            observer,
            is_ending: AtomicBool::new(false),
            cancellation: CancellationToken::new(),
            under_way: watch::Sender::new(()),
        }
    }

    /// Probes these modules there from now on. Probes under way end as they began.
    pub fn set(&self, runner: Arc<Runner>, modules: Modules, timeout_offset: Duration) {
        *self.probed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Probed {
            runner,
            modules,
            timeout_offset,
        });
    }

    /// From now on every request is refused; those under way end as they began.
    pub fn end(&self) {
        self.is_ending.store(true, Ordering::SeqCst);
    }

    /// Cancels the probes under way: each is reported, with what it did up to there.
    pub fn cancel(&self) {
        self.cancellation.cancel();
    }

    /// Waits until no probe is under way.
    pub async fn ended(&self) {
        self.under_way.closed().await;
    }

    /// Answers a request for a probe. Dropping the answer ends the run.
    pub async fn answer(&self, request: &Parts) -> Answer {
        let asked = Instant::now();
        let _under_way = self.under_way.subscribe();
        match self.try_answer(request, asked).await {
            Ok(answer) => answer,
            Err(refused) => plain(refused.status(), &format!("{refused}\n")),
        }
    }

    async fn try_answer(&self, request: &Parts, asked: Instant) -> Result<Answer, Refused> {
        // After it was noted as under way: whoever waits for those does so after the end was told.
        if self.is_ending.load(Ordering::SeqCst) {
            return Err(Refused::Ending);
        }
        let question = Question::read(request.uri.query().unwrap_or_default());
        let probed = Arc::clone(&self.probed.read().unwrap_or_else(PoisonError::into_inner));
        let unknown = || Refused::UnknownModule(question.module.clone());
        let module = probed.modules.get(&question.module).ok_or_else(unknown)?;
        let time = Time::for_probe(
            &request.headers,
            probed.timeout_offset,
            module.deadline(),
            module.grace(),
        )?;
        let target = question.request()?;
        let prepared = module.aim(target).map_err(|reason| match reason {
            NotAimed::Unusable(sentence) => Refused::Unusable(sentence),
            NotAimed::NotAllowed(_) => Refused::NotAllowed(reason.to_string()),
        })?;
        let report = probed.run(&prepared, time, asked, &self.cancellation).await?;
        let report = Arc::new(report);
        (self.observer)(Arc::clone(&report));
        if report.outcome == Outcome::Skipped {
            // Metrics would say of the target what nobody has found out.
            return Err(Refused::Ending);
        }
        Ok(shown(&report, time, module, &question, request))
    }
}

impl Probed {
    /// One run, the wait for its slot within its time. A panic in it is one of this run alone; dropping this ends it.
    async fn run(
        &self,
        prepared: &Prepared,
        time: Time,
        asked: Instant,
        cancellation: &CancellationToken,
    ) -> Result<Report, Refused> {
        let run = async {
            let _open = open::everywhere().open(Kind::Run, prepared.name.as_str());
            let (deadline, grace) = (time.deadline, time.grace);
            self.runner
                .probe(prepared, asked, deadline, grace, cancellation)
                .await
        };
        // In the task of who asked: another one would be made, and woken twice, for each probe.
        match AssertUnwindSafe(run).catch_unwind().await {
            Ok(Some(report)) => Ok(report),
            Ok(None) => Err(Refused::NoSlot(time.deadline)),
            Err(panic) => {
                let reason = format!("it panicked with message \"{}\"", words(&*panic));
                Ok(Runner::report_crash(prepared, &reason))
            }
        }
    }
}

fn shown(
    report: &Report,
    time: Time,
    module: &PreparedModule,
    question: &Question,
    request: &Parts,
) -> Answer {
    let families = translate::families(report, time.deadline);
    if question.debug {
        return plain(StatusCode::OK, &debug::text(report, module, &families));
    }
    let format = accept::exposition(&request.headers);
    let text = exposition::text(&families, format);
    with_type(StatusCode::OK, format.content_type(), text)
}

fn plain(status: StatusCode, text: &str) -> Answer {
    with_type(status, "text/plain; charset=utf-8", text.to_owned())
}

fn with_type(status: StatusCode, content_type: &'static str, text: String) -> Answer {
    let mut answer = Response::new(text);
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
