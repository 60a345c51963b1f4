//! The generated bindings of the contract in `wit/`, and nothing else.
#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated code; the items are documented in the WIT files"
)]

wit_bindgen::generate!({
    path: "../wit",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "export_plugin",
    default_bindings_module: "bedcheck_sdk::bindings",
    additional_derives: [Clone],
});
