//! What a row is set up with: the program, a target, peers, a folder of its own.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tempfile::TempDir;

use crate::row::Unmeasured;
use crate::target::Target;

/// Where programs are that no user calls and therefore may not be in `PATH`.
const FURTHER_FOLDERS: [&str; 3] = [
    "/usr/lib/nagios/plugins",
    "/usr/lib/monitoring-plugins",
    "/usr/sbin",
];

/// What rows are set up with.
pub struct Bench {
    program: PathBuf,
    guests: PathBuf,
    folder: TempDir,
    is_quick: bool,
    target: OnceCell<Rc<Target>>,
}

impl Bench {
    /// Finds the program, which was built into the same folder as this one.
    ///
    /// # Errors
    ///
    /// A sentence when it was not, or when there is no temporary folder.
    pub fn new(is_quick: bool) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
        let built = own.parent().unwrap_or(Path::new("."));
        let program = built.join("bedcheck");
        if !program.is_file() {
            return Err(format!(
                "`{}` is missing: `./justw bench` builds it",
                program.display()
            ));
        }
        Ok(Self {
            program,
            guests: built.join("../wasm32-wasip2/guest"),
            folder: tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?,
            is_quick,
            target: OnceCell::new(),
        })
    }

    /// The built `bedcheck`.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The bytes of a plugin of the tests, such as `bedcheck_guest`.
    ///
    /// # Errors
    ///
    /// When it was not built.
    pub fn guest(&self, name: &str) -> Result<Vec<u8>, Unmeasured> {
        let file = self.guests.join(format!("{name}.wasm"));
        std::fs::read(&file).map_err(|_| {
            Unmeasured::Missing(format!(
                "`{}` is missing: `./justw guests` builds it",
                file.display()
            ))
        })
    }

    /// A folder that goes away at the end.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether rows are to make do with little.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// The servers on loopback, started when they are first asked for and shared by all rows.
    ///
    /// # Errors
    ///
    /// A sentence when they cannot be started.
    pub fn target(&self) -> Result<Rc<Target>, String> {
        if let Some(target) = self.target.get() {
            return Ok(Rc::clone(target));
        }
        let target = Rc::new(Target::start()?);
        Ok(Rc::clone(self.target.get_or_init(|| target)))
    }

    /// Finds a program of a Debian package.
    ///
    /// # Errors
    ///
    /// When it is not installed.
    pub fn peer(&self, name: &str, package: &str) -> Result<PathBuf, Unmeasured> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(FURTHER_FOLDERS.map(PathBuf::from));
        let mut candidates = folders.map(|folder| folder.join(OsStr::new(name)));
        candidates.find(|file| file.is_file()).ok_or_else(|| {
            Unmeasured::Missing(format!(
                "`{name}` is missing: on Debian, apt-get install {package}"
            ))
        })
    }
}
