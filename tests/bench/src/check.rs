//! A check that runs in this process, through the program's own library: what the daemon does for each run, without
//! its schedule and without sending the report on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bedcheck::config::{CommandLine, Config};
use bedcheck::connection::Trust;
use bedcheck::outcome::{Outcome, Report};
use bedcheck::runner::{DefaultGrant, Preparation, Prepared, Runner};
use bedcheck::sandbox::{Cache, Compiling};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::cpu;
use crate::row::{Sample, Turn};

/// A check, ready to run.
pub struct Check {
    runner: Runner,
    prepared: Arc<Prepared>,
}

/// How a check is written: as on the command line of `bedcheck run`.
#[derive(Debug, Clone, Default)]
pub struct Written<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// The settings, each `KEY=VALUE`.
    pub set: &'a [String],
    /// The secrets, each `KEY=file:PATH`.
    pub secret: &'a [String],
    /// The folder with the plugin, where it is not built in.
    pub plugins: Option<&'a Path>,
    /// The authority that TLS trusts, PEM; without it, the system's.
    pub authority: Option<&'a Path>,
    /// Where compiled code is kept, for a plugin that takes long to compile; without it, nowhere.
    pub compiled: Option<Cache>,
}

impl Check {
    /// Prepares a check; its target is granted to it.
    ///
    /// # Errors
    ///
    /// A sentence that says why it cannot run.
    pub fn prepare(written: &Written<'_>, runtime: &Runtime) -> Result<Self, String> {
        let command_line = CommandLine {
            plugin: written.plugin,
            set: written.set,
            secret: written.secret,
            ..CommandLine::default()
        };
        let mut config: Config = command_line
            .to_config()
            .map_err(|problems| problems.to_string())?;
        config.plugins_dir = written.plugins.map(Path::to_owned);
        if let Some(authority) = written.authority {
            for check in &mut config.checks {
                check.tls.trust = Trust::File(authority.to_owned());
            }
        }
        let slots = config.concurrency;
        let compiling = Compiling::from(written.compiled.clone());
        let preparing = Preparation::new(&config, Vec::new(), DefaultGrant::OwnTarget, compiling);
        let preparation = runtime
            .block_on(preparing)
            .map_err(|problems| problems.to_string())?;
        let prepared = preparation.checks.first().ok_or("there is no check")?;
        Ok(Self {
            prepared: Arc::clone(prepared),
            runner: Runner::new(preparation.sandbox, slots),
        })
    }

    /// The same with a plugin that is not built in; its file is put into this folder.
    ///
    /// # Errors
    ///
    /// A sentence that says why it cannot run.
    pub fn of_file(
        plugin: &str,
        component: &[u8],
        set: &[&str],
        folder: &Path,
        runtime: &Runtime,
    ) -> Result<Self, String> {
        let folder = folder.join(format!("plugin-{plugin}"));
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join(format!("{plugin}.wasm")), component));
        written.map_err(|error| format!("`{}` cannot be written: {error}", folder.display()))?;
        let set: Vec<String> = set.iter().map(|&setting| setting.to_owned()).collect();
        let written = Written {
            plugin,
            set: &set,
            plugins: Some(&folder),
            ..Written::default()
        };
        Self::prepare(&written, runtime)
    }

    /// Runs it once; it has to pass.
    ///
    /// # Errors
    ///
    /// A sentence that says why it did not.
    pub async fn run(&self) -> Result<(), String> {
        let report = self.report().await;
        if report.outcome == Outcome::Pass {
            return Ok(());
        }
        let error = report.error.map(|error| error.message).unwrap_or_default();
        Err(format!("a run of `{}` did not pass: {error}", self.prepared.name))
    }

    /// Runs it once, and hands out what came of it.
    pub async fn report(&self) -> Report {
        self.runner.run(&self.prepared).await
    }
}

/// A runtime with so many threads besides this one, or with this one alone.
///
/// # Errors
///
/// A sentence when it cannot be started.
pub fn runtime(threads: usize) -> Result<Runtime, String> {
    let mut builder = match threads {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let built = builder.worker_threads(threads.max(1)).enable_all().build();
    built.map_err(|error| format!("the runtime cannot be started: {error}"))
}

/// Does the same again and again, so many at a time, until the turn is over: how many a second, and the CPU time of
/// this process for each.
///
/// # Errors
///
/// The sentence of the first that failed.
pub fn at_a_time<F>(
    number: usize,
    turn: &Turn,
    runtime: &Runtime,
    exchange: impl Fn() -> F + Clone + Send + 'static,
) -> Result<Sample, String>
where
    F: Future<Output = Result<(), String>> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let (begun, cpu) = (Instant::now(), cpu::own());
    let length = turn.length;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..number {
            let (exchange, done) = (exchange.clone(), Arc::clone(&done));
            tasks.spawn(async move {
                while begun.elapsed() < length {
                    exchange().await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), String>(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| format!("an exchange panicked: {error}"))??;
        }
        Ok::<(), String>(())
    })?;
    let (took, cpu) = (begun.elapsed(), cpu::own() - cpu);
    Ok(Sample::of_many(done.load(Ordering::Relaxed), took, cpu))
}
