//! How the daemon takes up what has been prepared: another configuration, other plugins.

use std::sync::Arc;

use super::Daemon;
use crate::config::{Config, Http};
use crate::serve::changes::{Answer, Exchange, Made};
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
                let restart = needs_restart(&self.at_start, self.publisher.http(), generation.config());
                self.take_up(&takeover);
                let number = generation.number;
                self.publisher.reloaded(Ok(number));
                if let Some(sentence) = &restart {
                    tracing::warn!("{sentence}");
                }
                Ok(format!(
                    "the configuration is loaded: generation {number}, {}{}",
                    generation.preparation.size(),
                    restart
                        .map(|sentence| format!("; {sentence}"))
                        .unwrap_or_default()
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
        for name in takeover.plan.unguarded() {
            if let Some(served) = generation.checks.get(name) {
                self.publisher.without_breaker(&served.facts);
            }
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

/// What of a configuration a reload cannot put in force, as a sentence; none if that is as it was at the start. `http` is
/// what is in force of the endpoints.
fn needs_restart(at_start: &Config, http: Option<&Http>, now: &Config) -> Option<String> {
    let journal = |config: &Config| config.journal.clone().unwrap_or_default();
    let mut changed = match (http, &now.http) {
        (Some(http), Some(wanted)) => http.differing(wanted),
        (None, None) => Vec::new(),
        (Some(_), None) | (None, Some(_)) => vec!["`[http]`"],
    };
    let others = [
        ("`[otlp]`", at_start.otlp != now.otlp),
        ("`[journal]`", journal(at_start) != journal(now)),
        ("`log.format`", at_start.log.format != now.log.format),
    ];
    changed.extend(
        others
            .into_iter()
            .filter_map(|(what, changed)| changed.then_some(what)),
    );
    let is_any = !changed.is_empty();
    is_any.then(|| {
        format!(
            "what changed in {} takes effect with the next start",
            changed.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Source;

    #[test]
    fn what_a_reload_cannot_change_is_named_until_it_is_as_at_the_start() {
        let config = |text: &str| {
            let text = format!("{text}[[check]]\nname = \"a\"\nplugin = \"odd\"\n");
            Config::parse(&Source::new(Path::new("checks.toml"), &text)).unwrap()
        };
        let at_start = config("http.listen = \"127.0.0.1:1\"\n");
        let said = |text: &str| needs_restart(&at_start, at_start.http.as_ref(), &config(text));
        assert_eq!(
            said("http.listen = \"127.0.0.1:2\"\njournal.max_age = \"1d\"\nlog.level = \"warn\"\n").unwrap(),
            "what changed in `http.listen` and `[journal]` takes effect with the next start"
        );
        assert_eq!(
            said("http.listen = \"127.0.0.1:1\"\njournal.max_age = \"7d\"\n"),
            None
        );
        assert_eq!(
            said("log.level = \"warn\"\n").unwrap(),
            "what changed in `[http]` takes effect with the next start"
        );
    }
}
