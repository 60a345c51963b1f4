//! The daemon's parts that live as long as it does. What a run is, and what is reported of it, is decided below.

pub mod probe;
