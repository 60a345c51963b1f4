//! Compiled code of plugins, kept in a private folder and verified before use.
//!
//! A file is named after the component and the engine it was compiled for. After the code comes a note of what is known of
//! the plugin, then the note's length and a checksum of the name and all of that. The checksum finds damage: a bad disk, a
//! write that was cut off, a file moved by hand. It keeps nobody out: whoever can write to the folder is already trusted
//! ([`PrivateFolder`]).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use twox_hash::XxHash3_128;

use super::cache::{FolderError, PrivateFolder};

/// What a file ends with; another number for another layout. A file's name must depend on it.
pub(super) const MAGIC: &[u8; 16] = b"bedcheck code 3\n";
/// The length of the checksum before it. It is XXH3 with 128 bits, because cryptographic digests take a tenth of a start
/// and more, and would keep nobody out either.
const CHECKSUM: usize = size_of::<u128>();
/// The length of a note's length before that.
const NOTE_LENGTH: usize = size_of::<u32>();
/// How much of a file is read at a time, in bytes: it stays in the second cache of a processor.
const PIECE: usize = 128 * 1024;
/// The checksum and what comes after it, in bytes.
const END: usize = CHECKSUM + MAGIC.len();
/// The longest code that is kept or taken from the compiler, in bytes: four times the largest component.
pub(super) const MAX_CODE: u64 = 256 * 1024 * 1024;
/// The longest note, in bytes: several times what a sound description of a plugin can have.
const MAX_NOTE: usize = 1024 * 1024;
/// How many files are kept: a plugin that is replaced once a second must not fill the disk.
const MAX_FILES: usize = 256;
/// How many bytes they have at most: room for some thirty interpreters.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// How old a file must be that was never finished before it is taken away: nobody writes for so long.
const ABANDONED: Duration = Duration::from_secs(3600);
const ENDING: &str = "code";

/// The compiled code that is kept.
#[derive(Debug, Clone)]
pub(super) struct CodeFolder(PrivateFolder);

/// Where is kept what the next start does not have to find out again.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PrivateFolder,
    code: CodeFolder,
}

impl Cache {
    /// Keeps it in a folder of our own, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// When the folder, or the one in it for compiled code, cannot be made, or others can write to it.
    pub fn new(folder: &Path) -> Result<Self, FolderError> {
        let folder = PrivateFolder::new(folder)?;
        let code = CodeFolder::within(&folder)?;
        Ok(Self { folder, code })
    }

    /// The folder.
    pub fn folder(&self) -> &PrivateFolder {
        &self.folder
    }

    /// The compiled code in it.
    pub(super) fn code(&self) -> &CodeFolder {
        &self.code
    }
}

/// What is found for a name.
#[derive(Debug)]
pub(super) enum Found {
    /// The code, verified.
    Code(Code),
    /// Nothing.
    Nothing,
    /// A file that is not what was written; why, in a few words.
    Damaged(&'static str),
}

/// Kept code that was verified: the file it is in, open. What comes after the code belongs to the file as well.
#[derive(Debug)]
pub(super) struct Code {
    file: File,
    note: Vec<u8>,
}

impl Code {
    /// Where the very file that was verified can be mapped from, whatever became of its name since.
    pub(super) fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.file.as_raw_fd().to_string())
    }

    /// What was noted of the plugin.
    pub(super) fn note(&self) -> &[u8] {
        &self.note
    }

    /// The content of the file.
    pub(super) fn content(&mut self) -> std::io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut content)?;
        Ok(content)
    }
}

impl CodeFolder {
    /// A folder of its own within one that is private.
    fn within(cache: &PrivateFolder) -> Result<Self, FolderError> {
        PrivateFolder::new(&cache.as_path().join(ENDING)).map(Self)
    }

    /// The code of that name.
    pub(super) fn read(&self, name: &str) -> Found {
        let Ok(mut file) = File::open(self.path(name)) else {
            return Found::Nothing;
        };
        match verify(name, &mut file) {
            Ok(note) => {
                // What was used last is kept longest. If that is not to be had, it is kept as long as any other.
                let _ = file.set_modified(SystemTime::now());
                Found::Code(Code { file, note })
            }
            Err(why) => Found::Damaged(why),
        }
    }

    /// Keeps code, and what is known of the plugin unless it is too long, under a name: whole or not at all, whatever
    /// happens meanwhile.
    pub(super) fn write(&self, name: &str, code: &[u8], note: &[u8]) -> std::io::Result<()> {
        let folder = self.0.as_path();
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let note = if note.len() > MAX_NOTE { &[] } else { note };
        let length = u32::try_from(note.len()).map_err(std::io::Error::other)?;
        let mut checksum = checksum_of(name);
        for part in [code, note, &length.to_le_bytes()] {
            file.write_all(part)?;
            checksum.write(part);
        }
        file.write_all(&checksum.finish_128().to_le_bytes())?;
        file.write_all(MAGIC)?;
        file.as_file().sync_all()?;
        file.persist(self.path(name)).map_err(|error| error.error)?;
        // The plugin works without it: the file is there, if perhaps not after a loss of power.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        tidy(folder, MAX_FILES, MAX_BYTES)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.as_path().join(name).with_extension(ENDING)
    }
}

/// Holds a file to be what was written under that name, and finds the note in it. It is read piece by piece: mapping it
/// afterwards costs less than having all of it in memory.
fn verify(name: &str, file: &mut File) -> Result<Vec<u8>, &'static str> {
    const UNREADABLE: &str = "it cannot be read";
    const NO_END: &str = "it does not end as such files do";
    let length = file.metadata().map_err(|_| UNREADABLE)?.len();
    let summed = length.checked_sub(END as u64).ok_or(NO_END)?;
    if summed > MAX_CODE + (MAX_NOTE + NOTE_LENGTH) as u64 {
        return Err("it is too long");
    }
    let mut checksum = checksum_of(name);
    let mut pieces = BufReader::with_capacity(PIECE, (&mut *file).take(summed));
    loop {
        let piece = pieces.fill_buf().map_err(|_| UNREADABLE)?;
        let length = piece.len();
        if length == 0 {
            break;
        }
        checksum.write(piece);
        pieces.consume(length);
    }
    let mut end = [0; END];
    file.read_exact(&mut end).map_err(|_| UNREADABLE)?;
    let (told, magic) = end.split_at(CHECKSUM);
    if magic != MAGIC {
        return Err(NO_END);
    }
    if told != checksum.finish_128().to_le_bytes() {
        return Err("its checksum is another");
    }
    note(file, summed).ok_or(NO_END)
}

/// The note of a file that is as it was written, of which so much is summed.
fn note(file: &File, summed: u64) -> Option<Vec<u8>> {
    let end = summed.checked_sub(NOTE_LENGTH as u64)?;
    let mut length = [0; NOTE_LENGTH];
    file.read_exact_at(&mut length, end).ok()?;
    let length = u32::from_le_bytes(length);
    let begin = end.checked_sub(u64::from(length))?;
    let mut note = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut note, begin).ok()?;
    Some(note)
}

/// The checksum of a file of that name, up to where its code comes in.
fn checksum_of(name: &str) -> XxHash3_128 {
    let mut checksum = XxHash3_128::new();
    checksum.write(name.as_bytes());
    checksum.write(&[0]);
    checksum
}

/// Takes away what was used least lately, until few enough files and bytes are left.
fn tidy(folder: &Path, most_files: usize, most_bytes: u64) -> std::io::Result<()> {
    let now = SystemTime::now();
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Another process may tidy up at the same time.
        let Ok(metadata) = entry.metadata() else { continue };
        let modified = metadata.modified()?;
        if path.extension().is_some_and(|ending| ending == ENDING) {
            kept.push((modified, metadata.len(), path));
        } else if now.duration_since(modified).is_ok_and(|age| age > ABANDONED) {
            remove(&path)?;
        }
    }
    kept.sort();
    let (mut files, mut bytes) = (kept.len(), kept.iter().map(|(_, length, _)| length).sum::<u64>());
    for (_, length, path) in kept {
        if files <= most_files && bytes <= most_bytes {
            break;
        }
        remove(&path)?;
        (files, bytes) = (files - 1, bytes - length);
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, CodeFolder) {
        let parent = tempfile::tempdir().expect("a folder");
        let cache = PrivateFolder::new(&parent.path().join("cache")).expect("private");
        let folder = CodeFolder::within(&cache).expect("private");
        (parent, folder)
    }

    #[test]
    fn what_was_written_is_found_under_its_name_only() {
        let (_parent, folder) = folder();
        assert!(matches!(folder.read("a"), Found::Nothing));
        folder.write("a", b"code", b"note").expect("written");
        let Found::Code(mut code) = folder.read("a") else {
            panic!("it is there");
        };
        assert!(code.content().expect("readable").starts_with(b"code"));
        assert_eq!(code.note(), b"note");
        assert!(matches!(folder.read("b"), Found::Nothing));
        fs::rename(folder.path("a"), folder.path("b")).expect("ours");
        assert!(matches!(
            folder.read("b"),
            Found::Damaged("its checksum is another")
        ));
        let mapped_from = fs::read(code.path()).expect("the file is open");
        assert!(mapped_from.starts_with(b"code"), "whatever became of its name");
    }

    #[test]
    fn any_flipped_bit_and_any_missing_end_are_found() {
        let (_parent, folder) = folder();
        folder.write("a", b"code", b"note").expect("written");
        let whole = fs::read(folder.path("a")).expect("written");
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            fs::write(folder.path("a"), flipped).expect("ours");
            assert!(matches!(folder.read("a"), Found::Damaged(_)), "{place}");
            fs::write(folder.path("a"), &whole[..place]).expect("ours");
            assert!(matches!(folder.read("a"), Found::Damaged(_)), "{place}");
        }
        fs::write(folder.path("a"), whole).expect("ours");
        assert!(matches!(folder.read("a"), Found::Code(_)));
    }

    #[test]
    fn what_was_used_last_is_kept() {
        let (_parent, folder) = folder();
        let path = folder.0.as_path();
        for (name, age) in [("old", 30), ("older", 40), ("new", 10), ("used", 50)] {
            folder.write(name, &[0; 96], &[]).expect("written");
            let then = SystemTime::now() - Duration::from_secs(age);
            let file = File::options()
                .write(true)
                .open(folder.path(name))
                .expect("there");
            file.set_modified(then).expect("ours");
        }
        assert!(matches!(folder.read("used"), Found::Code(_)));
        let names = || {
            let mut names: Vec<_> = fs::read_dir(path)
                .expect("there")
                .map(|entry| entry.expect("there").file_name().into_string().expect("ASCII"))
                .collect();
            names.sort();
            names
        };
        tidy(path, 3, u64::MAX).expect("ours");
        assert_eq!(names(), ["new.code", "old.code", "used.code"]);
        tidy(path, 3, 300).expect("ours");
        assert_eq!(names(), ["new.code", "used.code"]);
        let abandoned = File::create(path.join(".tmpabc")).expect("ours");
        tidy(path, 3, 300).expect("ours");
        assert_eq!(names(), [".tmpabc", "new.code", "used.code"]);
        abandoned
            .set_modified(SystemTime::now() - 2 * ABANDONED)
            .expect("ours");
        tidy(path, 3, 300).expect("ours");
        assert_eq!(names(), ["new.code", "used.code"]);
    }
}
