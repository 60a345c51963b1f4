//! Changes, prepared aside while the daemon goes on: a configuration that is loaded again, plugins that have changed.
//! One at a time, because each is made from what serves then. Whoever asks for a reload while another is under way
//! is answered after the next one: the file may have changed since that one was read.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::file_watch::FileWatch;
use super::generation::{Generation, Lasting};
use crate::outcome::Report;
use crate::runner::{LOOK_EVERY, LivePlugins, Prepared, Refreshed};

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
    Loaded(Result<Box<Generation>, String>, Vec<Answer>),
    /// What happened in the plugin folder.
    Refreshed(Refreshed),
    /// The new version that takes over, or why none does.
    Promoted(Result<Refreshed, String>, Option<Answer>),
}

/// Prepares changes.
pub(super) struct Changes {
    lasting: Arc<Lasting>,
    /// Away while a change is under way that needs it; what runs beside an old version is not compared then.
    plugins: Option<LivePlugins>,
    file: FileWatch,
    wishes: VecDeque<Wish>,
    under_way: Option<oneshot::Receiver<(Made, Option<LivePlugins>)>>,
    /// Whom to tell if what is under way crashes.
    asked: Vec<Answer>,
    /// When to look at the configuration's file.
    next_file: Instant,
    /// When to look at the plugin folder.
    next_plugins: Instant,
    began: Instant,
}

impl Changes {
    /// Changes of this generation and those after it.
    pub(super) fn new(lasting: Arc<Lasting>, generation: &Generation) -> Self {
        let now = Instant::now();
        Self {
            plugins: LivePlugins::new(generation.config()),
            file: FileWatch::new(&lasting.file),
            lasting,
            wishes: VecDeque::new(),
            under_way: None,
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

    /// When to look again whether anything has changed.
    pub(super) fn next_look(&self) -> Instant {
        self.next_file.min(self.next_plugins)
    }

    /// Begins what is wanted next, unless something is under way: a wish, or a look at the files when it is time.
    pub(super) fn begin(&mut self, generation: &Arc<Generation>) {
        let now = Instant::now();
        if now >= self.next_file {
            self.next_file = now + LOOK_EVERY;
            if generation.config().serve.watch_config && self.file.has_changed() {
                self.wish(Wish::Reload(None));
            }
        }
        if now >= self.next_plugins {
            self.next_plugins = now + LOOK_EVERY;
            if self.under_way.is_none() && self.wishes.is_empty() {
                self.refresh(generation);
            }
        }
        if self.under_way.is_some() {
            return;
        }
        match self.wishes.pop_front() {
            Some(Wish::Reload(answer)) => self.reload(generation, answer),
            Some(Wish::Promote(plugin, answer)) => self.promote(generation, plugin, answer),
            None => {}
        }
    }

    /// Waits until what is under way is prepared; for ever if nothing is. Dropping the future loses nothing.
    pub(super) async fn made(&mut self) -> Made {
        let Some(under_way) = &mut self.under_way else {
            return std::future::pending().await;
        };
        let ended = under_way.await;
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
            Err(_) => Made::Loaded(Err("preparing the change crashed".to_owned()), asked),
        }
    }

    /// This generation serves from now on.
    pub(super) fn took_up(&mut self, generation: &Generation) {
        let config = generation.config();
        self.plugins = match self.plugins.take() {
            Some(plugins) => plugins.again(config),
            None => LivePlugins::new(config),
        };
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
        self.prepare(|plugins| async move {
            let loaded = Generation::load(&lasting, Some(&before)).await;
            (Made::Loaded(loaded.map(Box::new), Vec::new()), plugins)
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
        let (generation, now) = (Arc::clone(generation), self.began.elapsed());
        self.prepare(move |mut plugins| async move {
            let refreshed = match &mut plugins {
                Some(plugins) => plugins.refresh(&generation.preparation, now).await,
                None => Refreshed::nothing(),
            };
            (Made::Refreshed(refreshed), plugins)
        });
    }

    fn promote(&mut self, generation: &Arc<Generation>, plugin: String, answer: Answer) {
        self.asked.push(answer);
        let generation = Arc::clone(generation);
        self.prepare(move |mut plugins| async move {
            let promoted = match &mut plugins {
                Some(plugins) => plugins.promote(&plugin, &generation.preparation).await,
                None => Err("the plugin folder is not watched, so that nothing runs beside anything".into()),
            };
            (Made::Promoted(promoted, None), plugins)
        });
    }

    /// Prepares a change on a thread of its own: to read the settings of many thousand checks takes a processor for
    /// seconds, which no run and no request may wait for.
    fn prepare<F>(&mut self, change: impl FnOnce(Option<LivePlugins>) -> F)
    where
        F: Future<Output = (Made, Option<LivePlugins>)> + Send + 'static,
    {
        self.under_way = Some(aside(change(self.plugins.take())));
    }
}

/// Has something done on a thread that may be busy for long. It is given up when nobody waits for it any more; the
/// runtime does not wait for it when it ends.
pub(super) fn aside<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> oneshot::Receiver<T> {
    let runtime = Handle::current();
    let (mut done, made) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        runtime.block_on(async move {
            let made = tokio::select! {
                biased;
                () = done.closed() => return,
                made = work => made,
            };
            // Whoever waited may have just gone.
            let _ = done.send(made);
        });
    });
    made
}

impl Made {
    fn told_to(self, asked: Vec<Answer>) -> Self {
        match self {
            Self::Loaded(loaded, _) => Self::Loaded(loaded, asked),
            Self::Promoted(promoted, _) => Self::Promoted(promoted, asked.into_iter().next()),
            refreshed @ Self::Refreshed(_) => refreshed,
        }
    }
}
