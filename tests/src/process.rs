//! A server's process: started on free ports, awaited until it answers, and stopped by its process id. Which
//! server that is, and how it is configured, is not known here.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take until it answers: far more than it needs on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// How long a server may take to end after it was asked to; then it is killed.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// How often a server is looked at while it starts or ends.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How often a server is started anew because another process took its port between choosing and binding it.
const STARTS: usize = 5;

/// What servers say about a port that another process has: the system's words (EADDRINUSE), by C and by Go.
const PORT_TAKEN: &str = "ddress already in use";

/// A running server, with the folder it lives in.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    directory: TempDir,
    account: Account,
}

impl ServerProcess {
    /// Starts a server on free ports and returns once it answers.
    ///
    /// `command` gets the server's folder, the account it will run under and the ports; it writes the
    /// configuration into the folder and returns the command that runs the server in the foreground.
    /// `answers` says whether the server on these ports is ready.
    ///
    /// # Panics
    ///
    /// When the server cannot be started or never answers, with what it logged.
    pub(crate) fn start<const PORTS: usize>(
        command: impl Fn(&Path, &Account, [u16; PORTS]) -> Command,
        answers: impl Fn([u16; PORTS]) -> bool,
    ) -> (Self, [u16; PORTS]) {
        let mut log = String::new();
        for _ in 0..STARTS {
            let ports = free_ports();
            let mut server = Self::spawn(|directory, account| command(directory, account, ports));
            if server.wait_until(|| answers(ports)) {
                return (server, ports);
            }
            log = server.log();
            if !log.contains(PORT_TAKEN) {
                break;
            }
        }
        panic!("the server did not start; it logged:\n{log}");
    }

    fn spawn(command: impl FnOnce(&Path, &Account) -> Command) -> Self {
        let directory =
            tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder for a server: {error}"));
        let account = Account::for_owner_of(directory.path());
        let mut command = command(directory.path(), &account);
        // For appending, because a server may open it a second time by the name of its standard output, for
        // which it has to be the server's own file, too.
        let log = File::options()
            .append(true)
            .create(true)
            .open(log_file(&directory));
        let log = log.unwrap_or_else(|error| panic!("cannot create a server's log: {error}"));
        account.take(directory.path());
        // The account may not be allowed into the folder of the test.
        command.current_dir(directory.path());
        account.begin(&mut command);
        let errors = log
            .try_clone()
            .unwrap_or_else(|error| panic!("cannot share a server's log: {error}"));
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {:?}: {error}", command.get_program()));
        Self {
            child,
            directory,
            account,
        }
    }

    /// Waits until the server answers; returns false when it ends instead, or takes too long.
    fn wait_until(&mut self, answers: impl Fn() -> bool) -> bool {
        let give_up = Instant::now() + READY_WITHIN;
        while Instant::now() < give_up {
            // The port may have been taken by a stranger who answers; ours has ended then.
            let ready = answers();
            if self.has_ended() {
                return false;
            }
            if ready {
                // Nor is it ours that answers where ours goes on trying to have the port, as nginx does for seconds.
                return !self.log().contains(PORT_TAKEN);
            }
            thread::sleep(LOOK_EVERY);
        }
        false
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The folder of the server's configuration and data.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Gives a file or folder that was written after the start to the server's account.
    pub(crate) fn hand_over(&self, path: &Path) {
        self.account.take(path);
    }

    /// What the server has written to its standard output and error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log_file(&self.directory)).unwrap_or_else(|error| format!("no log: {error}"))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Asked, not killed: a server with processes of its own has to end those too. The shell has the one
        // `kill` that is on every machine.
        let asked = Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        let give_up = Instant::now() + ENDED_WITHIN;
        while asked.is_ok() && Instant::now() < give_up {
            if self.has_ended() {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        // Neither can fail in a way that something could still be done about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The account a server runs under: the caller's own, or `nobody` when the caller is root, whom some servers
/// refuse to serve.
#[derive(Debug)]
pub(crate) struct Account {
    /// The name of the user.
    pub(crate) user: String,
    /// The name of the user's group.
    pub(crate) group: String,
    /// The numbers of both, when the server has to change to this account.
    ids: Option<(u32, u32)>,
}

impl Account {
    pub(crate) fn for_owner_of(directory: &Path) -> Self {
        let owner = fs::metadata(directory).map(|metadata| metadata.uid());
        if matches!(owner, Ok(0)) {
            let number = |text: String| {
                text.parse()
                    .unwrap_or_else(|_| panic!("`id` printed `{text}` where a number was wanted"))
            };
            let ids = (number(id(&["-u", "nobody"])), number(id(&["-g", "nobody"])));
            Self {
                user: "nobody".to_owned(),
                group: id(&["-gn", "nobody"]),
                ids: Some(ids),
            }
        } else {
            Self {
                user: id(&["-un"]),
                group: id(&["-gn"]),
                ids: None,
            }
        }
    }

    /// Has a command run under this account.
    pub(crate) fn begin(&self, command: &mut Command) {
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
    }

    /// Makes this account the owner of a file, or of a folder and everything in it.
    pub(crate) fn take(&self, path: &Path) {
        let Some((user, group)) = self.ids else { return };
        let given = std::os::unix::fs::chown(path, Some(user), Some(group));
        given.unwrap_or_else(|error| panic!("cannot give `{}` away: {error}", path.display()));
        if path.is_dir() {
            let entries = fs::read_dir(path)
                .unwrap_or_else(|error| panic!("cannot list `{}`: {error}", path.display()));
            for entry in entries.flatten() {
                self.take(&entry.path());
            }
        }
    }
}

/// Runs `id`, which knows the names and numbers of accounts.
fn id(arguments: &[&str]) -> String {
    let output = Command::new("id").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run `id`: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The executable of a server, which Debian keeps where only root's PATH looks.
///
/// # Panics
///
/// When it is not installed.
pub(crate) fn executable(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let mut candidates = folders.map(|folder| folder.join(name));
    let found = candidates.find(|candidate| {
        fs::metadata(candidate).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    });
    found.unwrap_or_else(|| panic!("`{name}` is not installed: run `./justw servers`"))
}

/// Copies a file into a server's folder, which the account of the server can read.
pub(crate) fn copy_into(directory: &Path, file: &Path) -> PathBuf {
    let copy = directory.join(file.file_name().unwrap_or(OsStr::new("file")));
    fs::copy(file, &copy).unwrap_or_else(|error| panic!("cannot copy `{}`: {error}", file.display()));
    copy
}

/// Writes a file of a server's, and the folders above it.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text))
        .unwrap_or_else(|error| panic!("cannot write `{}`: {error}", path.display()));
}

/// Ports of loopback which were free just now, all different.
pub(crate) fn free_ports<const PORTS: usize>() -> [u16; PORTS] {
    // All held until the last is chosen, so that none is chosen twice.
    let held: [TcpListener; PORTS] = std::array::from_fn(|_| {
        TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|error| panic!("no free port: {error}"))
    });
    held.map(|listener| {
        let address = listener.local_addr();
        address
            .unwrap_or_else(|error| panic!("a listener without an address: {error}"))
            .port()
    })
}

fn log_file(directory: &TempDir) -> PathBuf {
    directory.path().join("log")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_server_that_goes_on_trying_to_have_its_port_is_started_anew_with_another() {
        let folders: RefCell<Vec<PathBuf>> = RefCell::default();
        let command = |directory: &Path, _: &Account, [_]: [u16; 1]| {
            let mut folders = folders.borrow_mut();
            folders.push(directory.to_owned());
            let said = if folders.len() == 1 {
                "bind() to 127.0.0.1:80 failed (98: Address already in use)"
            } else {
                "listening"
            };
            let mut command = Command::new("sh");
            command.args(["-c", "echo \"$1\"; touch answering; exec sleep 60", "sh", said]);
            command
        };
        // Somebody answers in any case.
        let answers = |_| {
            let folders = folders.borrow();
            folders
                .last()
                .is_some_and(|folder| folder.join("answering").exists())
        };
        let (server, _) = ServerProcess::start(command, answers);
        assert_eq!(folders.borrow().len(), 2);
        assert_eq!(server.log(), "listening\n");
    }
}
