//! How the daemon takes up what has been prepared: another configuration, other plugins.

use std::sync::Arc;

use super::Daemon;
use crate::serve::changes::{Answer, Exchange, Made};
use crate::serve::generation::Generation;
use crate::serve::takeover::{Leftovers, Takeover};

impl Daemon {
    pub(super) fn made(&mut self, made: Made) {
        match made {
            Made::Loaded(loaded, answers) => self.loaded(loaded, answers),
            Made::Refreshed(exchange) => self.exchanged(exchange),
            Made::Promoted(promoted, answer) => {
                let answered = promoted.map(|exchange| {
                    self.exchanged(exchange);
                    "the new version has taken over".to_owned()
                });
                tell(answer, &answered);
            }
            Made::PutAway => {}
        }
    }

    fn loaded(&mut self, loaded: Result<Box<Takeover>, String>, answers: Vec<Answer>) {
        let answered = match loaded {
            Ok(takeover) => {
                let generation = Arc::clone(&takeover.generation);
                self.changes.took_up(&generation);
                self.publisher.configured(&generation);
                for event in generation.replaced_since(&self.generation) {
                    self.publisher.plugin(&event);
                }
                let needs_restart = needs_restart(&self.generation, &generation);
                self.take_up(&takeover);
                let number = generation.number;
                self.publisher.reloaded(Ok(number));
                Ok(format!(
                    "the configuration is loaded: generation {number}, {} checks{needs_restart}",
                    generation.checks.len()
                ))
            }
            Err(message) => {
                self.publisher.reloaded(Err(&message));
                Err(message)
            }
        };
        tell(answers, &answered);
    }

    fn exchanged(&mut self, exchange: Exchange) {
        for event in &exchange.events {
            self.publisher.plugin(event);
        }
        match exchange.takeover {
            Some(takeover) => self.take_up(&takeover),
            None => self.publisher.plugins(&self.generation, self.changes.plugins()),
        }
    }

    /// Serves these checks from now on, and has what is left of those before put away.
    fn take_up(&mut self, takeover: &Takeover) {
        let before = std::mem::replace(&mut self.generation, Arc::clone(&takeover.generation));
        self.serve(takeover);
        self.changes.put_away(Leftovers::new(takeover, before));
    }

    /// Serves these checks from now on. Those that did not change keep their place and their past, and cost nothing
    /// here; runs under way end as they began.
    pub(super) fn serve(&mut self, takeover: &Takeover) {
        let generation = &takeover.generation;
        generation.preparation.take_over(&takeover.switching);
        self.states.forget(&takeover.gone);
        self.publisher.took_up(takeover);
        self.publisher.plugins(generation, self.changes.plugins());
        self.scheduler.set_limits(generation.limits());
        generation.runner.set_slots(generation.limits().concurrency);
        self.scheduler.take_up(&takeover.plan, self.now());
        for (target, plugin) in takeover.plan.circuits_gone() {
            self.publisher.breaker_gone(target, plugin);
        }
        for (target, plugin) in takeover.plan.circuits_different() {
            if let Some(view) = self.scheduler.breaker(target, plugin) {
                self.publisher.circuit(&view);
            }
        }
        for name in takeover.plan.different() {
            self.told_when_due(name);
        }
    }
}

/// Tells whoever asked; they may have gone away.
fn tell(asked: impl IntoIterator<Item = Answer>, answer: &Result<String, String>) {
    for asked in asked {
        let _ = asked.send(answer.clone());
    }
}

/// What a reload cannot change, in words; nothing if none of that has changed.
fn needs_restart(before: &Generation, now: &Generation) -> String {
    let (before, now) = (before.config(), now.config());
    let listens = |config: &crate::config::Config| {
        let http = config.http.as_ref();
        http.map(|http| (http.listen, http.tls.clone()))
    };
    let changed = [
        ("`[http]`", listens(before) != listens(now)),
        ("`[otlp]`", before.otlp != now.otlp),
        ("`log.format`", before.log.format != now.log.format),
    ];
    let changed: Vec<_> = changed
        .into_iter()
        .filter_map(|(what, changed)| changed.then_some(what))
        .collect();
    match changed.as_slice() {
        [] => String::new(),
        changed => format!(
            "; what changed in {} takes effect with the next start",
            changed.join(" and ")
        ),
    }
}
