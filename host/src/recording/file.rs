//! The file of a recording: JSON lines, read by people and by us. First what it is, then each plugin before the
//! first run of it, and for each run its head, its entries and its report.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Head, RecordedRun, Recording};
use crate::outcome::hexadecimal;
use crate::sandbox::MAX_SIZE;
use crate::tape::Entry;

/// The version of the format. Another one is refused.
const VERSION: u32 = 1;
/// The largest file that is read, in bytes: that of a run which read and wrote all that it may, with an
/// interpreter for a plugin.
const MAX_FILE: u64 = 512 * 1024 * 1024;

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line is not what it must be.
    #[error("line {line}: {problem}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What was found and wanted.
        problem: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Recording(Format),
    Plugin(Component),
    Run(Box<Head>),
    #[serde(untagged)]
    Entry(Entry),
    #[serde(untagged)]
    Report {
        report: Value,
    },
}

#[derive(Serialize, Deserialize)]
struct Format {
    version: u32,
    bedcheck: String,
    /// How many runs follow, so that a file that was cut off between two of them is told from a whole one.
    runs: usize,
}

/// A plugin, compressed (RFC 1952) and in base64.
#[derive(Serialize, Deserialize)]
struct Component {
    sha256: String,
    gzip: String,
}

impl Recording {
    /// The file that a recording at this path is written to: where a link leads, in its place.
    ///
    /// # Errors
    ///
    /// When there is something that is no file: it would be gone.
    pub fn destination(path: &Path) -> io::Result<PathBuf> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => path.canonicalize(),
            Ok(_) => Err(io::Error::other(
                "found something that is no file, wanted a file, or nothing",
            )),
            Err(error) if error.kind() == ErrorKind::NotFound && path.is_symlink() => Err(io::Error::other(
                "found a link to nothing, wanted a file, or nothing",
            )),
            // Whatever else is wrong is told when it is written.
            Err(_) => Ok(path.to_owned()),
        }
    }

    /// Writes the recording to the [`destination`](Self::destination) of a path, which only its owner can read. There is
    /// the whole file or none.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let path = Self::destination(path)?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        {
            let mut writer = io::BufWriter::new(&mut file);
            self.write_lines(&mut writer)?;
            writer.flush()?;
        }
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    fn write_lines(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut line = |line: &Line| -> io::Result<()> {
            serde_json::to_writer(&mut *writer, line)?;
            writer.write_all(b"\n")
        };
        line(&Line::Recording(Format {
            version: VERSION,
            bedcheck: env!("CARGO_PKG_VERSION").to_owned(),
            runs: self.runs.len(),
        }))?;
        for (sha256, component) in &self.plugins {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(component)?;
            line(&Line::Plugin(Component {
                sha256: sha256.clone(),
                gzip: STANDARD.encode(encoder.finish()?),
            }))?;
        }
        for run in &self.runs {
            line(&Line::Run(Box::new(run.head.clone())))?;
            for entry in &run.entries {
                line(&Line::Entry(entry.clone()))?;
            }
            line(&Line::Report {
                report: run.report.clone(),
            })?;
        }
        Ok(())
    }

    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no recording: the line that is wrong.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let mut text = String::new();
        let read = fs::File::open(path)?
            .take(MAX_FILE + 1)
            .read_to_string(&mut text)?;
        if read as u64 > MAX_FILE {
            return Err(io::Error::other(format!("it has more than {MAX_FILE} bytes")).into());
        }
        Self::parse(&text)
    }

    /// Reads the text of a recording.
    ///
    /// # Errors
    ///
    /// When it is none: the line that is wrong.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let mut recording = Self::default();
        let mut open: Option<RecordedRun> = None;
        let (mut number, mut announced) = (0, 0);
        for (at, text) in text.lines().enumerate() {
            number = at + 1;
            let wrong = |problem: String| FileError::Line {
                line: number,
                problem,
            };
            let line: Line =
                serde_json::from_str(text).map_err(|_| wrong("it is no line of a recording".into()))?;
            match (line, &mut open) {
                (Line::Recording(format), None) if at == 0 => {
                    check_version(&format).map_err(wrong)?;
                    announced = format.runs;
                }
                _ if at == 0 => {
                    return Err(wrong("found no `recording` in it, so it is no recording".into()));
                }
                (Line::Plugin(component), None) => {
                    let bytes = component.unpack().map_err(wrong)?;
                    recording.plugins.insert(component.sha256, bytes);
                }
                (Line::Run(head), None) => {
                    open = Some(RecordedRun {
                        head: *head,
                        entries: Vec::new(),
                        report: Value::Null,
                    });
                }
                (Line::Entry(entry), Some(run)) => run.entries.push(entry),
                (Line::Report { report }, Some(run)) => {
                    run.report = report;
                    recording.runs.extend(open.take());
                }
                _ => return Err(wrong("it does not belong there".into())),
            }
        }
        if announced == 0 && number > 0 && open.is_none() && recording.runs.is_empty() {
            return Err(FileError::Line {
                line: number,
                problem: "found no run in it, wanted one at least".into(),
            });
        }
        if open.is_some() || recording.runs.is_empty() || recording.runs.len() < announced {
            return Err(FileError::Line {
                line: number + 1,
                problem: "the file ends before a run does".into(),
            });
        }
        Ok(recording)
    }
}

fn check_version(format: &Format) -> Result<(), String> {
    if format.version == VERSION {
        return Ok(());
    }
    Err(format!(
        "found version {} of the format (written by bedcheck {}), wanted version {VERSION}",
        format.version,
        format.bedcheck.escape_debug()
    ))
}

impl Component {
    fn unpack(&self) -> Result<Vec<u8>, String> {
        let packed = STANDARD
            .decode(&self.gzip)
            .map_err(|error| format!("the plugin is not in base64: {error}"))?;
        let mut bytes = Vec::new();
        GzDecoder::new(packed.as_slice())
            .take(MAX_SIZE as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("the plugin cannot be unpacked: {error}"))?;
        let found = hexadecimal(&Sha256::digest(&bytes));
        if found != self.sha256 {
            return Err(format!(
                "the plugin has the digest `{found}`, wanted `{}`",
                self.sha256.escape_debug()
            ));
        }
        Ok(bytes)
    }
}

/// The runs of each plugin, for whoever has to load each once.
pub(super) fn plugins_of(recording: &Recording) -> BTreeMap<&str, &[u8]> {
    recording
        .plugins
        .iter()
        .map(|(sha256, bytes)| (sha256.as_str(), bytes.as_slice()))
        .collect()
}
