//! What a plugin says about itself.

use crate::bindings::exports::bedcheck::plugin::check;

/// What a plugin is and needs.
#[derive(Debug, Clone)]
pub struct Description(check::Description);

/// Where the settings name what is dialled.
#[derive(Debug, Clone)]
pub struct Target(check::Target);

impl Target {
    /// The setting `key` holds a URL.
    pub fn url(key: impl Into<String>) -> Self {
        Self(check::Target::Url(key.into()))
    }

    /// The settings `host` and `port` hold it; without a port, any of `default_ports` may be dialled.
    pub fn host_and_port(
        host: impl Into<String>,
        port: impl Into<String>,
        default_ports: impl Into<Vec<u16>>,
    ) -> Self {
        Self(check::Target::HostAndPort(check::HostAndPort {
            host: host.into(),
            port: port.into(),
            default_ports: default_ports.into(),
        }))
    }
}

impl Description {
    /// A plugin that takes no settings, dials nothing and has no phases: what it has is added by the
    /// other methods.
    pub fn new(name: impl Into<String>, version: impl Into<String>, summary: impl Into<String>) -> Self {
        Self(check::Description {
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            phases: Vec::new(),
            settings_schema: r#"{"type": "object", "additionalProperties": false}"#.into(),
            capabilities: Vec::new(),
            target: check::Target::None,
        })
    }

    /// The phases a run goes through, in order, those of the host (`resolve`, `connect`, `tls`)
    /// included.
    #[must_use]
    pub fn phases<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.0.phases = names.into_iter().map(Into::into).collect();
        self
    }

    /// The capabilities the plugin needs: `net.connect`, `net.datagram`, `net.tls`, `secrets`.
    #[must_use]
    pub fn capabilities<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.0.capabilities = names.into_iter().map(Into::into).collect();
        self
    }

    /// Where the settings name what is dialled.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.0.target = target.0;
        self
    }

    /// The JSON Schema (2020-12) of the settings.
    #[must_use]
    pub fn settings_schema(mut self, schema: impl Into<String>) -> Self {
        self.0.settings_schema = schema.into();
        self
    }
}

impl From<Description> for check::Description {
    fn from(description: Description) -> Self {
        description.0
    }
}
