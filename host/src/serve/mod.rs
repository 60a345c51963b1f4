//! The daemon: what it knows and what it tells whoever asks. How single runs go does not live here.

pub mod board;
pub mod http;
