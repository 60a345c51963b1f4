//! `bedcheck demo`: the built-in plugins against embedded servers, healthy and sick.
