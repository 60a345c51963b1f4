//! The name that a target is to be asked for where it is dialled under another one, in the `Host` header and by TLS: that
//! of `hostname=`, or of a module's own header. The only place of the runner that knows a setting of built-in plugins. Pure.

use serde_json::{Map, Value};

use super::NotAimed;
use crate::config::Check;
use crate::grant::Host;

/// Has the target asked for another name than the one it is dialled under: in the `Host` header and by TLS, for
/// the built-in plugins that have such a thing. The name for TLS, if the module has none.
pub(super) fn name_target(check: &mut Check, hostname: &str) -> Result<Option<String>, NotAimed> {
    let unusable = |reason: &str| {
        NotAimed::Unusable(format!(
            "the hostname `{}` cannot be used: {reason}",
            hostname.escape_debug()
        ))
    };
    let Some(name) = name_in(hostname) else {
        return Err(unusable("wanted a host, or a host and a port"));
    };
    match check.plugin.as_str() {
        "http" => set_host(check, hostname).map_err(|reason| unusable(&reason))?,
        "tcp" => {}
        _ => return Ok(None),
    }
    Ok(check.tls.server_name.is_none().then(|| name.to_string()))
}

/// The name for TLS of a module that has none, but a `Host` header of its own: that is who the target is asked to be.
pub(super) fn own_name(check: &Check) -> Option<String> {
    if check.plugin != "http" || check.tls.server_name.is_some() {
        return None;
    }
    let headers = check.settings.values().get("headers")?.as_object()?;
    let name = name_in(host_header(headers)?.as_str()?)?;
    Some(name.to_string())
}

/// The host of `host` or `host:port`.
fn name_in(text: &str) -> Option<Host> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() && !port.starts_with('+');
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    Host::parse(bare).filter(|_| port.is_none_or(is_port))
}

/// The `Host` header of the built-in plugin `http`. One that the module has itself is not replaced.
fn set_host(check: &mut Check, hostname: &str) -> Result<(), String> {
    let mut headers = match check.settings.values().get("headers") {
        Some(Value::Object(headers)) => headers.clone(),
        _ => Map::new(),
    };
    match host_header(&headers).map(|own| own.as_str() == Some(hostname)) {
        Some(true) => return Ok(()),
        Some(false) => return Err("the module has another `Host` header".into()),
        None => {}
    }
    headers.insert("Host".to_owned(), hostname.into());
    check.settings = check
        .settings
        .with([("headers".to_owned(), Value::Object(headers))]);
    Ok(())
}

fn host_header(headers: &Map<String, Value>) -> Option<&Value> {
    let own = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    own.map(|(_, value)| value)
}
