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

/// The calls that are given lists of texts, once more, for texts that are only lent: above, lists hold texts of their own.
pub(crate) mod lending {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package bedcheck:sdk;
            world lending {
                import bedcheck:plugin/measurements@1.2.0;
                import bedcheck:plugin/phases@1.2.0;
                import bedcheck:plugin/trace@1.2.0;
            }
        ",
        world: "bedcheck:sdk/lending",
        generate_all,
        ownership: Borrowing { duplicate_if_necessary: false },
        with: { "bedcheck:plugin/types@1.2.0": crate::bindings::bedcheck::plugin::types },
    });
}
