//! What of a plugin is kept beside its code, and used.

use super::fuzz::component;
use super::{Cache, Compiling, EngineSettings, LoadError, Plugin, Purpose, Sandbox, said};
use crate::bindings::exports::bedcheck::plugin::check;

/// A plugin that describes itself: name, version, summary, no phases, schema, no capabilities, no target.
const SOUND: &[u8] = b"\0\0\0\x00\x01\x09\x00\x03\x00\x02";
/// The same, but for the trap that ends `describe`.
const TRAPS: &[u8] = b"\0\xa1\0\x00\x01\x09\x00\x03\x00\x02";

fn sandbox() -> (tempfile::TempDir, Sandbox) {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = Cache::new(&parent.path().join("cache")).expect("private");
    let settings = EngineSettings {
        concurrency: 1,
        memory: 1 << 20,
        compiling: Compiling::from(Some(folder)),
        purpose: Purpose::Runs,
    };
    (parent, Sandbox::new(&settings).expect("a sandbox"))
}

/// The name under which the only kept code is kept.
fn only_name(sandbox: &Sandbox) -> String {
    let folder = sandbox.cache().expect("set").as_path().join("code");
    let mut names = std::fs::read_dir(folder).expect("there").map(|entry| {
        let path = entry.expect("there").path();
        path.file_stem()
            .expect("a name")
            .to_str()
            .expect("ASCII")
            .to_owned()
    });
    let name = names.next().expect("one");
    assert_eq!(names.next(), None);
    name
}

#[tokio::test]
async fn a_plugin_that_was_asked_what_it_is_is_not_run_to_be_asked_again() {
    let (_folder, sandbox) = sandbox();
    let bytes = component(TRAPS).expect("sound");
    for _ in 0..2 {
        let refused = Plugin::load(&sandbox, &bytes).await;
        assert!(matches!(refused, Err(LoadError::Description(_))), "{refused:?}");
    }
    let said = check::Description {
        name: "asked-before".into(),
        version: "1.0.0".into(),
        summary: "Says nothing now.".into(),
        phases: vec!["phase".into()],
        settings_schema: "{}".into(),
        capabilities: Vec::new(),
        target: check::Target::None,
    };
    let code = sandbox.engine.precompile_component(&bytes).expect("sound");
    let kept = sandbox.kept().expect("set");
    let note = said::to_bytes(&said);
    kept.write(&only_name(&sandbox), &code, &note).expect("ours");
    let plugin = Plugin::load(&sandbox, &bytes).await.expect("nobody asks it");
    assert_eq!(plugin.identity().name, "asked-before");
    assert_eq!(*plugin.description().phases, ["phase"]);
    assert!(plugin.loading().was_kept);
    let unsound = check::Description {
        name: "Unsound".into(),
        ..said
    };
    let note = said::to_bytes(&unsound);
    kept.write(&only_name(&sandbox), &code, &note).expect("ours");
    let refused = Plugin::load(&sandbox, &bytes).await;
    assert!(matches!(refused, Err(LoadError::Description(_))), "{refused:?}");
}

#[tokio::test]
async fn what_a_plugin_said_is_the_same_when_it_comes_from_beside_its_code() {
    let (_folder, sandbox) = sandbox();
    let bytes = component(SOUND).expect("sound");
    let asked = Plugin::load(&sandbox, &bytes).await.expect("a plugin");
    let kept = Plugin::load(&sandbox, &bytes).await.expect("the same");
    assert_eq!([asked.loading().was_kept, kept.loading().was_kept], [false, true]);
    let what = |plugin: &Plugin| format!("{:?} {:?}", plugin.identity(), plugin.description());
    assert_eq!(what(&asked), what(&kept));
    assert_eq!(asked.imports(), kept.imports());
}
