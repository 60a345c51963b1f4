//! Scripts of peers as text.
use std::path::Path;
