//! Modules whose plugin goes, comes, or becomes another one.

use super::*;

fn module(name: &str, plugin: &str) -> String {
    format!("[[module]]\nname = \"{name}\"\nplugin = \"{plugin}\"\ntargets = [\"127.0.0.1:80\"]\n")
}

/// A plugin that modules can be of.
fn aimed(name: &str) -> Vec<u8> {
    Component::new().name(name).url_key("url").build()
}

#[tokio::test]
async fn a_module_goes_on_with_the_built_in_plugin_when_that_of_the_folder_goes() {
    let mut test = Test::new(&format!("{CHECK}{}", module("web", "http"))).await;
    let built_in = test.preparation.library.find("http").unwrap().origin.clone();
    test.put("http.wasm", aimed("http"));
    assert!(test.look().await.iter().any(|event| event.contains(" replaces ")));
    test.remove("http.wasm");
    let mut events = test.look().await;
    events.extend(test.look().await);
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(
        events[0].contains("plugin `http`: ") && events[0].contains(" replaces "),
        "{events:?}"
    );
    assert!(test.preparation.modules.contains_key("web"));
    assert_eq!(test.preparation.library.find("http").unwrap().origin, built_in);
}

#[tokio::test]
async fn modules_are_named_that_lose_their_plugin_and_keep_it_from_becoming_another() {
    let mut test = Test::new(CHECK).await;
    test.preparation.config = config(test.folder.path(), &format!("{CHECK}{}", module("web", "even")));
    test.put("even.wasm", aimed("even"));
    test.look().await;
    assert!(test.preparation.modules.contains_key("web"));
    test.put("even.wasm", aimed("other"));
    assert_eq!(
        test.look().await,
        [
            "`even.wasm` is not used: it was the plugin `even`, which module `web` uses, and calls itself `other` \
          now"
        ]
    );
    assert!(test.preparation.modules.contains_key("web"));
    test.remove("even.wasm");
    let mut events = test.look().await;
    events.extend(test.look().await);
    assert_eq!(
        without_digests(&events),
        ["plugin `even` 1.0.0 is gone, and these modules cannot be probed: `web`"]
    );
}
