//! Who exports: the attributes of everything that leaves this process.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use crate::outcome::hexadecimal;

/// What we know of ourselves, with what the environment says over it.
pub(super) fn resource(environment: &BTreeMap<String, String>) -> Resource {
    let own = [
        KeyValue::new("service.name", "bedcheck"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        // A random one, as the conventions recommend: two processes must never look like one.
        KeyValue::new("service.instance.id", hexadecimal(&rand::random::<[u8; 16]>())),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    let said = environment
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(own)
        .with_attributes(host_name().map(|name| KeyValue::new("host.name", name)))
        .with_attributes(said)
        .build()
}

/// The kernel's name of this machine; none where it does not show it as a file.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_what_we_know() {
        let said = BTreeMap::from([("service.name".to_owned(), "probes".to_owned())]);
        let resource = resource(&said);
        let value = |name: &'static str| resource.get(&name.into()).map(|value| value.to_string());
        assert_eq!(value("service.name").as_deref(), Some("probes"));
        assert_eq!(
            value("service.version").as_deref(),
            Some(env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(value("service.instance.id").map(|id| id.len()), Some(32));
    }
}
