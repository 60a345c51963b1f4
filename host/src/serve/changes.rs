//! Changes, prepared aside while the daemon goes on: a configuration that is loaded again, plugins that have changed.
//! One at a time, because each is made from what serves then. Whoever asks for a reload while another is under way
//! is answered after the next one: the file may have changed since that one was read.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::aside::Aside;
use super::file_watch::{FileWatch, Seen};
use super::generation::{Generation, Lasting};
use super::takeover::{Leftovers, Register, Takeover};
use crate::outcome::Report;
use crate::runner::{LOOK_EVERY, LivePlugins, PluginEvent, Prepared, Refreshed};

/// Where it is answered how a change went: a sentence for people, or the whole text of what is wrong.
pub(super) type Answer = oneshot::Sender<Result<String, String>>;

/// What is to change, and whom to tell how that went, if anybody.
#[derive(Debug)]
pub(super) enum Wish {
    /// The configuration is to be loaded again.
    Reload(Option<Answer>),
    /// The new version of this plugin is to take over from the one it runs beside.
    Promote(String, Answer),
}

/// What has been prepared, and whom to tell.
pub(super) enum Made {
    /// A configuration, or all that is wrong with it.
    Loaded(Result<Box<Takeover>, String>, Vec<Answer>),
    /// What happened in the plugin folder.
    Refreshed(Exchange),
    /// The new version that takes over, or why none does.
    Promoted(Result<Exchange, String>, Option<Answer>),
    /// What was left of the generation before is put away.
    PutAway,
}

/// Plugins that have changed.
pub(super) struct Exchange {
    /// What happened, in order.
    pub(super) events: Vec<PluginEvent>,
    /// The generation to go on with, if anything changed for its checks.
    pub(super) takeover: Option<Box<Takeover>>,
}

/// Prepares changes.
pub(super) struct Changes {
    lasting: Arc<Lasting>,
    /// Away while a change is under way that needs it; what runs beside an old version is not compared then.
    plugins: Option<LivePlugins>,
    file: FileWatch,
    wishes: VecDeque<Wish>,
    under_way: Option<UnderWay>,
    /// While what is left of the generation before is put away, no change is begun.
    putting_away: Option<oneshot::Receiver<()>>,
    register: Register,
    /// Whom to tell if what is under way crashes.
    asked: Vec<Answer>,
    /// When to look at the configuration's file.
    next_file: Instant,
    /// When to look at the plugin folder.
    next_plugins: Instant,
    began: Instant,
}

/// A change that is being prepared.
struct UnderWay {
    what: What,
    made: oneshot::Receiver<(Made, Option<LivePlugins>)>,
}

/// What is being prepared.
#[derive(Debug, Clone, Copy)]
enum What {
    /// A configuration that is loaded again.
    Reload,
    /// A look at the plugin folder.
    Refresh,
    /// A new version that takes over.
    Promotion,
}

impl Changes {
    /// Changes of this generation and those after it. The file is watched since before it was read.
    pub(super) fn new(
        lasting: Arc<Lasting>,
        file: FileWatch,
        generation: &Generation,
        register: Register,
    ) -> Self {
        let now = Instant::now();
        Self {
            plugins: LivePlugins::new(generation.config()),
            file,
            lasting,
            wishes: VecDeque::new(),
            under_way: None,
            putting_away: None,
            register,
            asked: Vec::new(),
            next_file: now,
            next_plugins: now,
            began: now,
        }
    }

    /// Remembers what somebody wants.
    pub(super) fn wish(&mut self, wish: Wish) {
        self.wishes.push_back(wish);
    }

    /// Drops what is wanted and not begun: whoever asked is told that the daemon is ending.
    pub(super) fn refuse(&mut self) {
        self.wishes.clear();
    }

    /// When to look again whether anything has changed.
    pub(super) fn next_look(&self) -> Instant {
        self.next_file.min(self.next_plugins)
    }

    /// Begins what is wanted next, unless something is under way: a wish, or a look at the files when it is time.
    /// Whether that is to load the configuration.
    pub(super) fn begin(&mut self, generation: &Arc<Generation>) -> bool {
        let now = Instant::now();
        if now >= self.next_file {
            self.next_file = now + LOOK_EVERY;
            if generation.config().serve.watch_config {
                self.look_at_file();
            }
        }
        if now >= self.next_plugins {
            self.next_plugins = now + LOOK_EVERY;
            if self.is_idle() && self.wishes.is_empty() {
                self.refresh(generation);
            }
        }
        if !self.is_idle() {
            return false;
        }
        match self.wishes.pop_front() {
            Some(Wish::Reload(answer)) => {
                self.reload(generation, answer);
                return true;
            }
            Some(Wish::Promote(plugin, answer)) => self.promote(generation, plugin, answer),
            None => {}
        }
        false
    }

    fn look_at_file(&mut self) {
        let seen = self.file.look();
        let file = self.file.path().display();
        match seen {
            Seen::Same => {}
            Seen::Changed => self.wish(Wish::Reload(None)),
            Seen::Gone => {
                tracing::warn!("the configuration file `{file}` is gone: what is loaded stays in force")
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.putting_away.is_none()
    }

    /// Waits until what is under way is prepared; for ever if nothing is. Dropping the future loses nothing.
    pub(super) async fn made(&mut self) -> Made {
        if let Some(putting_away) = &mut self.putting_away {
            // Should it have crashed, that is told as any crash; what it puts away is only memory.
            let _ = putting_away.await;
            self.putting_away = None;
            return Made::PutAway;
        }
        let Some(under_way) = &mut self.under_way else {
            return std::future::pending().await;
        };
        let (what, ended) = (under_way.what, (&mut under_way.made).await);
        self.under_way = None;
        let asked = std::mem::take(&mut self.asked);
        match ended {
            Ok((made, plugins)) => {
                if let Some(plugins) = &plugins {
                    let soon = Instant::now() + plugins.look_again_in();
                    self.next_plugins = self.next_plugins.min(soon);
                }
                self.plugins = plugins;
                made.told_to(asked)
            }
            Err(_) => what
                .failed("preparing the change crashed".to_owned())
                .told_to(asked),
        }
    }

    /// Puts away what a takeover has left.
    pub(super) fn put_away(&mut self, leftovers: Leftovers) {
        let register = self.register.clone();
        match Aside::start() {
            Ok(aside) => self.putting_away = Some(aside.does(async move { register.put_away(leftovers) })),
            // The runs that are due meanwhile wait for it, which is seldom.
            Err(_) => register.put_away(leftovers),
        }
    }

    /// This configuration is in force from now on.
    pub(super) fn took_up(&mut self, generation: &Generation) {
        let config = generation.config();
        self.plugins = match self.plugins.take() {
            Some(plugins) => plugins.again(config),
            None => LivePlugins::new(config),
        };
    }

    /// What is known of the files in the plugin folder; nothing while it is not watched.
    pub(super) fn plugins(&self) -> Option<&LivePlugins> {
        self.plugins.as_ref()
    }

    /// The check to run beside this one, if a new version of its plugin is being watched.
    pub(super) fn shadow_of(&self, check: &str) -> Option<Arc<Prepared>> {
        self.plugins.as_ref()?.shadow_of(check)
    }

    /// Takes into account how a run of the version in use and one of the new version ended.
    pub(super) fn compared(&mut self, old: &Report, new: &Report) {
        if let Some(plugins) = &mut self.plugins {
            plugins.compared(old, new);
        }
    }

    /// Loads the configuration once for all who have asked for it by now.
    fn reload(&mut self, generation: &Arc<Generation>, answer: Option<Answer>) {
        self.asked.extend(answer);
        let mut others = VecDeque::new();
        for wish in self.wishes.drain(..) {
            match wish {
                Wish::Reload(answer) => self.asked.extend(answer),
                other @ Wish::Promote(..) => others.push_back(other),
            }
        }
        self.wishes = others;
        self.file = FileWatch::new(&self.lasting.file);
        let (lasting, before) = (Arc::clone(&self.lasting), Arc::clone(generation));
        let register = self.register.clone();
        self.prepare(What::Reload, |plugins| async move {
            let loaded = Generation::load(&lasting, Some(&before)).await;
            let takeover = loaded.map(|generation| register.takeover(generation, &before));
            let takeover = takeover.map_err(|hindrance| hindrance.sentences);
            (Made::Loaded(takeover, Vec::new()), plugins)
        });
    }

    fn refresh(&mut self, generation: &Arc<Generation>) {
        if self.plugins.is_none() {
            // What was known of the folder is lost when a change crashes; watching it goes on all the same.
            self.plugins = LivePlugins::new(generation.config());
        }
        if self.plugins.is_none() {
            return;
        }
        let (generation, began) = (Arc::clone(generation), self.began);
        let register = self.register.clone();
        self.prepare(What::Refresh, move |mut plugins| async move {
            let refreshed = match &mut plugins {
                Some(plugins) => {
                    plugins
                        .refresh(&generation.preparation, &|| began.elapsed())
                        .await
                }
                None => Refreshed::nothing(),
            };
            let exchange = Exchange::new(refreshed, &generation, &register);
            (Made::Refreshed(exchange), plugins)
        });
    }

    fn promote(&mut self, generation: &Arc<Generation>, plugin: String, answer: Answer) {
        self.asked.push(answer);
        let (generation, register) = (Arc::clone(generation), self.register.clone());
        self.prepare(What::Promotion, move |mut plugins| async move {
            let promoted = match &mut plugins {
                Some(plugins) => plugins.promote(&plugin, &generation.preparation).await,
                None => Err("the plugin folder is not watched, so that nothing runs beside anything".into()),
            };
            let exchange = promoted.map(|refreshed| Exchange::new(refreshed, &generation, &register));
            (Made::Promoted(exchange, None), plugins)
        });
    }

    /// Prepares a change on a thread of its own: to read the settings of many thousand checks takes a processor for
    /// seconds, which no run and no request may wait for.
    fn prepare<F>(&mut self, what: What, change: impl FnOnce(Option<LivePlugins>) -> F)
    where
        F: Future<Output = (Made, Option<LivePlugins>)> + Send + 'static,
    {
        let made = match Aside::start() {
            Ok(aside) => aside.does(change(self.plugins.take())),
            Err(error) => {
                let failed = what.failed(format!("no thread can be started: {error}"));
                let (told, made) = oneshot::channel();
                // It is told as any other is, and what is known of the plugins stays known.
                let _ = told.send((failed, self.plugins.take()));
                made
            }
        };
        self.under_way = Some(UnderWay { what, made });
    }
}

impl What {
    /// What comes of it when it cannot be prepared.
    fn failed(self, sentence: String) -> Made {
        match self {
            Self::Reload => Made::Loaded(Err(sentence), Vec::new()),
            Self::Refresh => Made::Refreshed(Exchange {
                events: vec![PluginEvent::FolderUnreadable(format!(
                    "the plugin folder was not looked at: {sentence}"
                ))],
                takeover: None,
            }),
            Self::Promotion => Made::Promoted(Err(sentence), None),
        }
    }
}

impl Made {
    fn told_to(self, asked: Vec<Answer>) -> Self {
        match self {
            Self::Loaded(loaded, _) => Self::Loaded(loaded, asked),
            Self::Promoted(promoted, _) => Self::Promoted(promoted, asked.into_iter().next()),
            other @ (Self::Refreshed(_) | Self::PutAway) => other,
        }
    }
}

impl Exchange {
    fn new(refreshed: Refreshed, before: &Generation, register: &Register) -> Self {
        let generation = refreshed.preparation;
        let generation = generation.map(|preparation| before.with_plugins(preparation));
        Self {
            events: refreshed.events,
            takeover: generation.map(|generation| register.takeover(generation, before)),
        }
    }
}
