//! The table `tls_config`, which becomes `tls` of the module.

use super::module::Translation;
use super::table::Table;
use super::write::Value;

/// What a `tls_config` asks for that the plugin has to see to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The lowest version, where it is above the lowest that there is, with its line.
    pub(super) minimum_1_3: Option<usize>,
}

/// Turns a `tls_config`.
pub(super) fn turn(table: &mut Table<'_>, translation: &mut Translation<'_>) -> Wanted {
    let mut wanted = Wanted::default();
    let Some(mut tls) = table.table("tls_config", translation.notes) else {
        return wanted;
    };
    let skips = tls.boolean("insecure_skip_verify", translation.notes);
    let ca_file = tls.text("ca_file", translation.notes);
    match (skips, ca_file) {
        (Some((true, _)), Some((_, line))) => {
            let message = "`tls_config.ca_file` has no effect beside `insecure_skip_verify`";
            translation.notes.remark(line, message);
            translation.key("tls.do_not_verify", Value::Boolean(true));
        }
        (Some((true, _)), None) => translation.key("tls.do_not_verify", Value::Boolean(true)),
        (_, Some((file, _))) => translation.key("tls.ca_file", Value::text(file)),
        (_, None) => {}
    }
    let certificate = tls.text("cert_file", translation.notes);
    let key = tls.text("key_file", translation.notes);
    match (certificate, key) {
        (Some((certificate, _)), Some((key, _))) => {
            translation.key("tls.client_certificate", Value::text(certificate));
            translation.key("tls.client_key", Value::text(key));
        }
        (Some((_, line)), None) | (None, Some((_, line))) => translation
            .notes
            .left_out(line, "`cert_file` and `key_file` go together, and one is missing"),
        (None, None) => {}
    }
    if let Some((name, _)) = tls.text("server_name", translation.notes) {
        translation.key("tls.server_name", Value::text(name));
    }
    match tls.text("min_version", translation.notes) {
        Some(("TLS13", line)) => wanted.minimum_1_3 = Some(line),
        // The lowest there is here.
        Some(("TLS12", _)) | None => {}
        Some((version, line)) => translation.notes.remark(
            line,
            format!("`min_version: {version}`: the lowest version here is TLS 1.2"),
        ),
    }
    if let Some((version, line)) = tls.text("max_version", translation.notes)
        && version != "TLS13"
    {
        let message = "`max_version`: the highest version is always TLS 1.3";
        translation.notes.left_out(line, message);
    }
    let inline = "it is not copied: write it into a file, and name that";
    tls.refuse(
        &[
            ("ca", inline),
            ("cert", inline),
            ("key", inline),
            ("ca_ref", inline),
            ("cert_ref", inline),
            ("key_ref", inline),
        ],
        translation.notes,
    );
    tls.finish(translation.notes);
    wanted
}
