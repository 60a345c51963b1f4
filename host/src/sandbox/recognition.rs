//! Whether bytes are a component, and a component one that can be a plugin, by what it imports and exports. Nothing is run.

use wasmtime::component::Component;
use wasmtime::{Engine, Precompiled};

use super::load_error::{LoadError, MAX_MESSAGE, MAX_SIZE};
use crate::text::told;

/// The version of the contract that there is here.
pub(super) const CONTRACT: &str = "1.2.0";
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

/// The first of the interfaces that is of a newer version of the contract than there is here.
pub(super) fn newer(imports: &[String]) -> Option<&str> {
    let minor = |version: &str| version.split('.').nth(1)?.parse::<u64>().ok();
    let is_newer = |import: &&str| {
        let version = import
            .split_once('@')
            .filter(|(name, _)| name.starts_with("bedcheck:plugin/"));
        version.is_some_and(|(_, version)| minor(version) > minor(CONTRACT))
    };
    imports.iter().map(String::as_str).find(is_newer)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_the_one_in_its_files() {
        let world = include_str!("../../../wit/world.wit");
        assert!(world.contains(&format!("package bedcheck:plugin@{CONTRACT};")));
    }

    #[test]
    fn what_is_newer_is_found() {
        let imports = [
            "wasi:io/poll@0.2.9",
            "bedcheck:plugin/net@1.2.7",
            "bedcheck:plugin/log@1.10.0",
        ];
        let imports = imports.map(String::from);
        assert_eq!(newer(&imports), Some("bedcheck:plugin/log@1.10.0"));
        assert_eq!(newer(&imports[..2]), None);
    }
}
