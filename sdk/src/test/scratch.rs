//! Files for `bedcheck`, named by what is in them: the same contents are the same file, whichever test writes it,
//! and a command that repeats a run works after the tests have ended. They lie beside the tests' own executable, in
//! the target folder.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Error;

/// The folder of such files.
const FOLDER: &str = "bedcheck-rehearsals";
/// Tells files apart that are being written at the same time.
static WRITTEN: AtomicU32 = AtomicU32::new(0);

/// Writes a file, unless it is there; its name begins with `kind` and ends with `extension`.
pub(super) fn write(kind: &str, extension: &str, contents: &str) -> Result<PathBuf, Error> {
    let executable = env::current_exe()
        .map_err(|error| Error::new(format!("the folder of the tests cannot be found: {error}")))?;
    let folder = executable.parent().unwrap_or(Path::new(".")).join(FOLDER);
    write_into(&folder, kind, extension, contents)
        .map_err(|error| Error::new(format!("{}: a file cannot be written: {error}", folder.display())))
}

fn write_into(folder: &Path, kind: &str, extension: &str, contents: &str) -> std::io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    hasher.write(contents.as_bytes());
    let file = folder.join(format!("{kind}-{:016x}.{extension}", hasher.finish()));
    if fs::read(&file).is_ok_and(|written| written == contents.as_bytes()) {
        return Ok(file);
    }
    fs::create_dir_all(folder)?;
    // Another test may write the same file: each writes its own and gives it the name, which replaces at once.
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!("{kind}-{}-{number}.unfinished", process::id()));
    fs::write(&unfinished, contents)?;
    fs::rename(&unfinished, &file)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_contents_are_the_same_file() {
        let first = write("server", "toml", "a = 1\n").unwrap();
        let again = write("server", "toml", "a = 1\n").unwrap();
        let other = write("server", "toml", "a = 2\n").unwrap();
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(fs::read_to_string(&first).unwrap(), "a = 1\n");
        assert_eq!(fs::read_to_string(&other).unwrap(), "a = 2\n");
        assert!(first.to_string_lossy().ends_with(".toml"));
    }
}
