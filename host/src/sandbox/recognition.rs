//! Whether bytes are a component, and a component one that can be a plugin, by what it imports and exports. Nothing is run.

use wasmtime::component::Component;
use wasmtime::{Engine, Precompiled};

use super::load_error::{LoadError, MAX_MESSAGE, MAX_SIZE};
use crate::text::told;

const MAGIC: &[u8] = b"\0asm";
/// The header of a core module (version 1, layer 0) after the magic number.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// Whether the bytes are a component at all, by their first eight.
pub(super) fn recognise(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > MAX_SIZE {
        return Err(LoadError::TooLarge);
    }
    if Engine::detect_precompiled(bytes)
        .is_some_and(|kind| matches!(kind, Precompiled::Module | Precompiled::Component))
    {
        return Err(LoadError::Precompiled);
    }
    match bytes.strip_prefix(MAGIC) {
        None => Err(LoadError::NotWebAssembly),
        Some(rest) if rest.starts_with(CORE_MODULE) => Err(LoadError::CoreModule),
        Some(_) => Ok(()),
    }
}

/// The interfaces a component imports, all of which are ours to give.
pub(super) fn imports(engine: &Engine, component: &Component) -> Result<Vec<String>, LoadError> {
    let component_type = component.component_type();
    let mut imports = Vec::new();
    for (name, _) in component_type.imports(engine) {
        match name.split_once('@') {
            Some((interface, version)) if interface.starts_with("bedcheck:plugin/") => {
                if !version.starts_with("1.") {
                    return Err(LoadError::OtherVersion(told(name, MAX_MESSAGE)));
                }
            }
            Some((interface, version)) if is_wasi(interface) && version.starts_with("0.2.") => {}
            _ => return Err(LoadError::ForeignImport(told(name, MAX_MESSAGE))),
        }
        imports.push(name.to_owned());
    }
    let mut checks = component_type
        .exports(engine)
        .filter(|(name, _)| name.starts_with("bedcheck:plugin/check@"));
    match checks.next() {
        Some((name, _)) if !name.starts_with("bedcheck:plugin/check@1.") => {
            Err(LoadError::OtherVersion(told(name, MAX_MESSAGE)))
        }
        Some(_) => Ok(imports),
        None => Err(LoadError::NoCheck),
    }
}

fn is_wasi(interface: &str) -> bool {
    [
        "wasi:io/",
        "wasi:cli/",
        "wasi:clocks/",
        "wasi:random/",
        "wasi:filesystem/",
        "wasi:sockets/",
    ]
    .iter()
    .any(|package| interface.starts_with(package))
}
