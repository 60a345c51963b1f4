//! What one reading of the configuration comes to: checks that are prepared, and where they run. A generation never
//! changes; another reading makes another one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, Source};
use crate::runner::{DefaultGrant, Preparation, Prepared, Runner};
use crate::sandbox::PrivateFolder;
