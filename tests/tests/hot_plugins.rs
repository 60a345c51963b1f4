//! The promise: compiling a plugin is bounded and happens aside, and compiled code is verified before it is used.

use std::fs;
use std::path::{Path, PathBuf};

use bedcheck_tests::component::Component;
use bedcheck_tests::{Finished, Program};

const CHECK: &str = "plugins.dir = \"plugins\"\n[[check]]\nname = \"a\"\nplugin = \"odd\"\n";

/// A run of a plugin with this cache.
fn run(cache: &Path) -> Finished {
    Program::run(CHECK)
        .file("plugins/odd.wasm", Component::new().build())
        .env("BEDCHECK_CACHE", cache)
        .finish()
}

/// The one file of compiled code.
fn kept(cache: &Path) -> PathBuf {
    let mut files = fs::read_dir(cache.join("code")).expect("the cache was made");
    let file = files.next().expect("code is kept").expect("it is there").path();
    assert!(files.next().is_none(), "one plugin, one file");
    file
}

#[test]
fn damaged_code_is_noticed_and_the_plugin_is_compiled_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    assert_eq!((run(&cache).code, run(&cache).stderr.as_str()), (Some(0), ""));
    let file = kept(&cache);
    let whole = fs::read(&file).expect("it is there");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (damaged, why) in [
        (flipped, "its checksum is another"),
        (
            whole[..whole.len() / 2].to_vec(),
            "it does not end as such files do",
        ),
        (Vec::new(), "it does not end as such files do"),
    ] {
        fs::write(&file, damaged).expect("ours");
        let finished = run(&cache);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let note = format!(
            "note: plugin `odd`: the kept code of a plugin is damaged ({why}); the plugin was compiled anew\n"
        );
        assert_eq!(finished.stderr, note);
        assert_eq!(kept(&cache), file);
        assert_eq!(run(&cache).stderr, "", "it is whole again");
    }
}

#[test]
fn the_compiler_says_what_is_wrong_with_a_component() {
    let mut broken = Component::new().build();
    let middle = broken.len() / 2;
    broken.truncate(middle);
    let finished = Program::new(["plugin", "inspect", "odd.wasm"])
        .file("odd.wasm", broken)
        .finish();
    assert_eq!(finished.code, Some(64), "{finished:?}");
    let said = "odd.wasm: the plugin cannot be loaded: it is not a valid component: ";
    assert!(finished.stderr.starts_with(said), "{finished:?}");
}
