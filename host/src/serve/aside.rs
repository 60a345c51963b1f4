//! Threads for what may be busy for long, so that no run and no request waits for it.

use std::future::Future;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// A thread of its own that waits for something to do. The runtime's own ones are not asked: where the system has no
/// thread to give, they panic.
pub(super) struct Aside(Sender<Work>);

impl Aside {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has none to give.
    pub(super) fn start() -> io::Result<Self> {
        let (work, works) = channel::<Work>();
        let thread = thread::Builder::new().name("bedcheck-aside".to_owned());
        thread.spawn(move || works.into_iter().for_each(|work| work()))?;
        Ok(Self(work))
    }

    /// Has something done there, and the thread ended.
    pub(super) fn runs(self, work: impl FnOnce() + Send + 'static) {
        // The thread waits for it.
        let _ = self.0.send(Box::new(work));
    }

    /// The same with what waits for others. It is given up when nobody waits for it any more; the runtime does
    /// not wait for it when it ends.
    pub(super) fn does<T: Send + 'static>(
        self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let runtime = Handle::current();
        let (mut done, made) = oneshot::channel();
        self.runs(move || {
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
}
