//! Where compiled code is kept. It is machine code that is run as it is, so the folder must be one that
//! nobody else can write to.

use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A folder that only we can write to.
#[derive(Debug, Clone)]
pub struct PrivateFolder(PathBuf);

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be made or looked at.
    #[error("`{}` cannot be used for compiled plugins: {error}", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Somebody else could put code there.
    #[error(
        "`{}` is not used for compiled plugins: it must belong to the user that runs bedcheck, and nobody else may write to it",
        .0.display()
    )]
    NotPrivate(PathBuf),
}

impl PrivateFolder {
    /// Makes the folder if it is missing, and holds it to be private.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or others can write to it.
    pub fn new(folder: &Path) -> Result<Self, FolderError> {
        let unusable = |error| FolderError::Unusable {
            folder: folder.to_owned(),
            error,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(unusable)?;
        let found = std::fs::metadata(folder).map_err(unusable)?;
        // A process's own entry belongs to the user it runs as.
        let process = std::fs::metadata("/proc/self").map_err(unusable)?;
        if is_private(&found, process.uid()) {
            Ok(Self(folder.canonicalize().map_err(unusable)?))
        } else {
            Err(FolderError::NotPrivate(folder.to_owned()))
        }
    }

    /// The folder, as an absolute path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

fn is_private(folder: &Metadata, user: u32) -> bool {
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    folder.is_dir() && folder.uid() == user && folder.mode() & WRITABLE_BY_OTHERS == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_of_our_own_is_made_and_used() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("a").join("b");
        let made = PrivateFolder::new(&folder).expect("made");
        assert_eq!(made.as_path(), folder.canonicalize().expect("there"));
        assert_eq!(std::fs::metadata(&folder).expect("there").mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
        assert!(matches!(
            PrivateFolder::new(folder.path()),
            Err(FolderError::NotPrivate(_))
        ));
    }
}
