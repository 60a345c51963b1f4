//! The tables of a file that are not checks: what their keys are, what values they take, and their
//! defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::decode_check::{check, client_identity, limits};
use super::decode_http::http;
use super::decode_journal::journal;
use super::decode_module::{modules, probe_limits};
use super::decode_plugins::plugins;
use super::decode_policy::retry_budget;
use super::decode_serve::serve;
use super::decode_watching::watching;
use super::disable::disabled;
use super::fault::faults;
use super::problem::Location;
use super::reader::{Table, Value};
use super::settings_reader::Reference;
use super::words::{nearest, quoted};
use super::{
    Command, Config, DEFAULT_CONCURRENCY, DEFAULT_PER_TARGET, Journal, Otlp, OtlpProtocol, Resolver,
};
use super::{SecretSource, decode_schedule};
use crate::budget::Limits;
use crate::http_url::{self, Unusable};
use crate::name::SecretName;

/// The standard port of name servers (RFC 1035 section 4.2).
const NAME_SERVER_PORT: u16 = 53;

/// The root table.
pub(super) fn config(root: &mut Table<'_>) -> Config {
    let kept = kept(root);
    others(root, kept)
}

/// Where reports are kept and sent.
pub(super) struct Kept {
    otlp: Option<Otlp>,
    journal: Option<Journal>,
}

/// Where reports are kept and sent, as the root table says it.
pub(super) fn kept(root: &mut Table<'_>) -> Kept {
    Kept {
        otlp: root.table("otlp", otlp).flatten(),
        journal: root.table("journal", journal),
    }
}

/// What else the root table says.
pub(super) fn others(root: &mut Table<'_>, Kept { otlp, journal: kept }: Kept) -> Config {
    let serve = root.table("serve", serve).unwrap_or_default();
    let (plugins_dir, plugin_changes) = root.table("plugins", plugins).unwrap_or_default();
    let (watching, references) = watching(root);
    let resolver = root.table("resolver", resolver).unwrap_or_default();
    let disabled = root.table("disable", disabled).unwrap_or_default();
    let retry_budget = root.table("retry_budget", retry_budget).unwrap_or_default();
    let runner = root.table("runner", decode_schedule::runner);
    let jitter = root.table("schedule", decode_schedule::schedule).flatten();
    let defaults = root
        .table("defaults", |table| {
            table.table("budget", |budget| {
                let has_deadline = budget.get("deadline").is_some();
                (limits(budget, Limits::default()), has_deadline)
            })
        })
        .flatten();
    let (defaults, has_deadline) = defaults.unwrap_or_default();
    let named = root.get("secrets").and_then(|value| {
        // What stands where the table should be may be a secret.
        value.conceal_unless_table().table(secrets)
    });
    let Secrets {
        sources: secrets,
        locations: secret_locations,
        names: named_secrets,
    } = named.unwrap_or_default();
    refuse_unknown_secrets(references.iter(), &named_secrets);
    let http = root.table("http", |table| http(table, &named_secrets)).flatten();
    let (checks, mut named_checks) = checks(root, &defaults, &named_secrets);
    let module_defaults = if has_deadline {
        defaults
    } else {
        probe_limits(defaults)
    };
    let modules = modules(root, &module_defaults, &named_secrets, &mut named_checks);
    let faults = faults(root, &named_checks);
    Config {
        otlp,
        http,
        journal: kept,
        log: watching.log,
        sentry: watching.sentry,
        heartbeat: watching.heartbeat,
        plugins_dir,
        serve,
        plugin_changes,
        resolver,
        disabled,
        retry_budget,
        concurrency: runner.map_or(DEFAULT_CONCURRENCY, |limits| limits.concurrency),
        per_target: runner.map_or(DEFAULT_PER_TARGET, |limits| limits.per_target),
        jitter: jitter.unwrap_or_default(),
        checks,
        modules,
        secrets,
        secret_locations,
        faults,
    }
}

fn otlp(table: &mut Table<'_>) -> Option<Otlp> {
    let endpoint = table
        .require("endpoint", "endpoint = \"http://127.0.0.1:4317\"")
        .and_then(|value| {
            let endpoint = value.string()?;
            // There may be a password before the host, or a key in the query.
            let value = if endpoint.contains(['@', '?', '#']) {
                value.conceal()
            } else {
                value
            };
            match http_url::parse(endpoint) {
                Ok(url)
                    if url
                        .authority()
                        .is_some_and(|authority| authority.as_str().contains('@')) =>
                {
                    value.refuse("wanted a URL without user and password; a header can carry them")
                }
                Ok(_) => Some(endpoint.to_owned()),
                Err(Unusable::Port) => value.unwanted(http_url::WANTED_PORT),
                Err(Unusable::Url) => {
                    value.unwanted("an `http` or `https` URL, such as `\"http://127.0.0.1:4317\"`")
                }
            }
        });
    let protocol = table.get("protocol").and_then(|value| match value.string()? {
        "grpc" => Some(OtlpProtocol::Grpc),
        "http/protobuf" => Some(OtlpProtocol::HttpProtobuf),
        _ => value.unwanted("`\"grpc\"` or `\"http/protobuf\"`"),
    });
    let headers = table
        .get("headers")
        .and_then(|value| value.conceal().table(otlp_headers));
    let resource = table.get("resource").and_then(|value| value.table(otlp_resource));
    let ca_file = table.get("ca_file").and_then(|value| value.path());
    let client = client_identity(table);
    let timeouts = Duration::from_millis(1)..=Duration::from_secs(60);
    let timeout = table.get("timeout").and_then(|value| value.duration(timeouts));
    let exponential_histograms = table.get("histograms").and_then(|value| match value.string()? {
        "explicit" => Some(false),
        "exponential" => Some(true),
        _ => value.unwanted("`\"explicit\"` or `\"exponential\"`"),
    });
    Some(Otlp {
        endpoint: endpoint?,
        protocol,
        headers,
        resource: resource.unwrap_or_default(),
        ca_file,
        client,
        timeout,
        exponential_histograms,
    })
}

fn otlp_headers(table: &mut Table<'_>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in table.take_entries() {
        if name.parse::<http::HeaderName>().is_err() {
            value.refuse_key("wanted the name of an HTTP header");
        }
        if let Some(text) = value.string() {
            match text.parse::<http::HeaderValue>() {
                Ok(_) => drop(headers.insert(name.to_owned(), text.to_owned())),
                Err(_) => value
                    .unwanted("one without line breaks and other control characters")
                    .unwrap_or(()),
            }
        }
    }
    headers
}

fn otlp_resource(table: &mut Table<'_>) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    for (name, value) in table.take_entries() {
        if name.trim().is_empty() {
            value.refuse_key("wanted the name of an attribute, such as `\"deployment.environment.name\"`");
            continue;
        }
        if let Some(text) = value.string() {
            attributes.insert(name.to_owned(), text.to_owned());
        }
    }
    attributes
}

fn resolver(table: &mut Table<'_>) -> Resolver {
    let wanted = "an array of addresses, such as `[\"127.0.0.1:53\"]`";
    let servers = table.get("servers").and_then(|value| {
        let elements = value.elements(wanted)?;
        if elements.is_empty() {
            return value
                .refuse("found no server, wanted at least one; without `servers` the system's are asked");
        }
        Some(elements.iter().filter_map(name_server).collect())
    });
    Resolver {
        servers: servers.unwrap_or_default(),
    }
}

fn name_server(value: &Value<'_>) -> Option<SocketAddr> {
    let text = value.string()?;
    let with_port = text.parse().ok();
    let without = || Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, NAME_SERVER_PORT));
    with_port
        .or_else(without)
        .filter(can_be_asked)
        .or_else(|| value.unwanted("the address of a name server, such as `\"127.0.0.1:53\"`"))
}

/// Whether one machine can have this address. To the unspecified one the kernel connects as to loopback.
fn can_be_asked(address: &SocketAddr) -> bool {
    let is_broadcast = matches!(address.ip(), IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !address.ip().is_multicast() && !is_broadcast
}

/// `[secrets]`.
#[derive(Default)]
struct Secrets {
    sources: BTreeMap<SecretName, SecretSource>,
    locations: BTreeMap<SecretName, Location>,
    /// The names of all of them, those that are no good included.
    names: BTreeSet<String>,
}

fn secrets(table: &mut Table<'_>) -> Secrets {
    let mut secrets = Secrets::default();
    for (name, value) in table.take_entries() {
        secrets.names.insert(name.to_owned());
        let key = value.clone();
        let source = secret_source(&value.conceal());
        match (name.parse::<SecretName>(), source) {
            (Ok(name), Some(source)) => {
                secrets.locations.insert(name.clone(), key.key_location());
                secrets.sources.insert(name, source);
            }
            (Ok(_), None) => {}
            (Err(error), _) => key.refuse_key(&error.to_string()),
        }
    }
    secrets
}

const SECRET_WANTED: &str = "one of `{ env = \"VARIABLE\" }`, `{ file = \"PATH\" }` and `{ command = [\"PROGRAM\"] }`; \
                             secrets never stand in the file";

fn secret_source(value: &Value<'_>) -> Option<SecretSource> {
    if !value.is_table() {
        return value.unwanted(SECRET_WANTED);
    }
    value.table(|table| {
        let env = table.get("env");
        let file = table.get("file");
        let command = table.get("command");
        match (env, file, command) {
            (Some(env), None, None) => env_source(&env),
            (None, Some(file), None) => file.path().map(SecretSource::File),
            (None, None, Some(command)) => command_source(&command),
            _ => {
                table.refuse(&format!("wanted {SECRET_WANTED}"));
                None
            }
        }
    })?
}

fn env_source(value: &Value<'_>) -> Option<SecretSource> {
    let variable = value.string()?;
    if variable.is_empty() || variable.contains(['=', '\0']) {
        return value.unwanted("the name of an environment variable");
    }
    Some(SecretSource::Env(variable.to_owned()))
}

fn command_source(value: &Value<'_>) -> Option<SecretSource> {
    let wanted = "a program and its arguments, such as `[\"pass\", \"show\", \"mail\"]`";
    let elements = value.elements(wanted)?;
    let words: Vec<String> = elements
        .iter()
        .filter_map(|word| word.string().map(str::to_owned))
        .collect();
    if words.len() != elements.len() {
        return None;
    }
    match words.split_first() {
        Some((program, arguments)) if !program.is_empty() => Some(SecretSource::Command(Command {
            program: program.clone(),
            arguments: arguments.to_vec(),
        })),
        _ => value.unwanted(wanted),
    }
}

/// The checks, and the names of all of them, those that are no good included.
fn checks(
    root: &mut Table<'_>,
    defaults: &Limits,
    secrets: &BTreeSet<String>,
) -> (Vec<super::Check>, BTreeSet<String>) {
    let Some(value) = root.get("check") else {
        if root.get("module").is_none() {
            root.missing("no check and no module, wanted at least one `[[check]]` or `[[module]]`");
        }
        return (Vec::new(), BTreeSet::new());
    };
    let mut seen: BTreeMap<String, Location> = BTreeMap::new();
    let mut checks = Vec::new();
    for element in value
        .elements("an array of tables: each check begins with `[[check]]`")
        .unwrap_or_default()
    {
        let problems_before = element.problem_count();
        let check = element.table(|table| {
            let check = check(table, defaults);
            if let Some(name) = table.get("name").filter(|name| name.as_str().is_some()) {
                refuse_twice(&name, &mut seen);
            }
            check
        });
        let is_flawed = element.problem_count() > problems_before;
        checks.extend(check.flatten().map(|(mut check, references)| {
            check.is_flawed = is_flawed;
            (check, references)
        }));
    }
    let references = checks.iter().flat_map(|(_, references)| references);
    refuse_unknown_secrets(references, secrets);
    let checks = checks.into_iter().map(|(check, _)| check).collect();
    (checks, seen.into_keys().collect())
}

/// References to secrets that are not in `[secrets]`.
pub(super) fn refuse_unknown_secrets<'r, 't: 'r>(
    references: impl Iterator<Item = &'r Reference<'t>>,
    secrets: &BTreeSet<String>,
) {
    for (value, name) in references {
        if !secrets.contains(name.as_str()) {
            let near = nearest(name, secrets.iter().map(String::as_str));
            let advice = near
                .map(|near| format!(", did you mean `{near}`?"))
                .unwrap_or_default();
            value.dangling(&format!(
                "no secret is called {} in `[secrets]`{advice}",
                quoted(name)
            ));
        }
    }
}

pub(super) fn refuse_twice(name: &Value<'_>, seen: &mut BTreeMap<String, Location>) {
    let text = name.as_str().unwrap_or_default();
    if let Some(first) = seen.get(text) {
        let line = first.position().map_or(0, |position| position.line);
        name.refuse::<()>(&format!(
            "found {} twice, the first time in line {line}",
            quoted(text)
        ));
    } else {
        seen.insert(text.to_owned(), name.location());
    }
}
