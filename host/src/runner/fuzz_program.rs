//! Programs for the interpreter, made of an input's bytes. No run is made here.

use bedcheck_fuzz::{Bytes, Random};
use serde_json::{Value, json};

use super::SECRETS;

/// The most steps of a program.
const MAX_STEPS: usize = 60;

const TEXTS: [&str; 14] = [
    "@read",
    "",
    "first",
    "second",
    "x\r\n",
    "\u{1b}[31m\u{202e}",
    "interpreter.tired",
    "imap.over_quota",
    "a.b_c",
    "{message}",
    "interpreter.@read",
    "s",
    "ä\u{0}",
    "A1 STARTTLS\r\n",
];
const PHASES: [&str; 7] = ["first", "second", "third", "resolve", "tls", "fourth", "@read"];
const HOSTS: [&str; 8] = [
    "127.0.0.1",
    "localhost",
    "127.0.0.1",
    "169.254.169.254",
    "name.invalid",
    "@read",
    "::ffff:127.0.0.1",
    "LOCALHOST.",
];
const NUMBERS: [&str; 7] = ["1", "-0.5", "NaN", "inf", "1e308", "9007199254740993", "0"];
const FACTS: [&str; 5] = [
    "url.full",
    "http.request.method",
    "http.response.status_code",
    "server.address",
    "error.type",
];
const CAPABILITIES: [&str; 5] = ["net.tls", "net.connect", "net.datagram", "secrets", "@read"];

/// The program of an input; `ports` are those of the peers.
pub(super) fn of(input: &[u8], ports: &[u16]) -> Value {
    let mut bytes = Bytes::new(input);
    let end = end(&mut bytes);
    let mut program = Vec::new();
    while !bytes.is_empty() && program.len() < MAX_STEPS {
        let kind = bytes.byte();
        program.push(step(kind, &mut bytes, ports));
    }
    json!({"program": program, "end": end})
}

/// Random decisions, which are a program.
pub(super) fn some(random: &mut Random) -> Vec<u8> {
    let length = random.usize(..200);
    let mut input: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
    if random.bool() {
        // A connection to the echo first, and a secret sent: then there is something to go on with.
        let beginning = [
            input.first().copied().unwrap_or(0),
            4,
            0,
            0,
            9,
            0,
            9,
            1,
            8,
            0,
            2,
            1,
            0,
            1,
            1,
            6,
            0,
            255,
        ];
        input.splice(..input.len().min(1), beginning);
    }
    input
}

/// Programs that make sense.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    // Ends with: pass; a failure whose message is what was read last.
    let ends: [&[u8]; 2] = [&[0], &[2, 1, 0, 0]];
    let dialogues: [&[u8]; 6] = [
        // Connect to the echo, open both secrets, send them, read, log, begin, measure.
        &[
            4, 0, 0, 9, 0, 9, 1, 8, 0, 2, 1, 0, 1, 1, 6, 0, 255, 15, 0, 0, 1, 0, 1, 0, 2, 12, 8, 0, 9, 0,
        ],
        // A plan, phases ended well and badly.
        &[0, 2, 0, 0, 1, 0, 1, 0, 0, 2, 1, 1, 0, 0, 3, 1, 0, 0],
        // TLS with the demo's server, and its facts.
        &[4, 0, 5, 5, 0, 0, 1, 11, 6, 0, 255, 15, 1, 0],
        // Datagrams with the echo.
        &[20, 0, 7, 21, 0, 2, 0, 1, 22, 5, 0, 15, 0, 0],
        // What was read as a fact of a phase, and the trace that may be told.
        &[
            1, 0, 0, 4, 0, 0, 9, 0, 8, 0, 1, 1, 0, 6, 0, 255, 23, 2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 200,
            19, 4, 2,
        ],
        // Sleeping past the deadline, then a call.
        &[18, 90, 4, 0, 1, 6, 0, 255, 3, 0, 0],
    ];
    ends.iter()
        .flat_map(|end| dialogues.iter().map(move |dialogue| [*end, *dialogue].concat()))
        .collect()
}

fn end(bytes: &mut Bytes<'_>) -> Value {
    match bytes.byte() {
        0..=99 => json!("pass"),
        240..=245 => json!({"panic": text(bytes)}),
        246..=250 => json!("exit"),
        // It takes all the time there is.
        251 => json!("spin"),
        _ => json!({"fail": [why(bytes), text(bytes)]}),
    }
}

fn step(kind: u8, bytes: &mut Bytes<'_>, ports: &[u16]) -> Value {
    match kind % 25 {
        0 => {
            let planned: Vec<Value> = (0..bytes.below(5))
                .map(|_| json!([phase(bytes), optional(bytes)]))
                .collect();
            json!({"plan": planned})
        }
        1 => json!({"begin": [phase(bytes), optional(bytes)]}),
        2 => json!("succeed"),
        3 => json!({"fail": [why(bytes), text(bytes)]}),
        4 => json!({"connect": [*bytes.pick(&HOSTS), *bytes.pick(ports)]}),
        5 => {
            let names: Vec<String> = (0..bytes.below(10)).map(|_| text(bytes)).collect();
            json!({"start-tls": [bytes.below(8), optional(bytes), names]})
        }
        6 => json!({"read": [bytes.below(8), maximum(bytes)]}),
        7 => json!({"write": [bytes.below(8), text(bytes), usize::from(bytes.short() % 3000)]}),
        8 => json!({"send": [bytes.below(8), pieces(bytes, true)]}),
        9 => {
            let (name, _) = SECRETS[bytes.below(2)];
            json!({"open-secret": name})
        }
        10 => json!({"open-secret": text(bytes)}),
        11 => json!({"peer-address": bytes.below(8)}),
        12 => {
            let attributes: Vec<Value> = (0..bytes.below(11))
                .map(|_| json!([text(bytes), text(bytes)]))
                .collect();
            json!({"put": [text(bytes), *bytes.pick(&NUMBERS), text(bytes), attributes]})
        }
        13 => json!({"drop": bytes.below(8)}),
        14 => json!({"close": bytes.below(8)}),
        15 => json!({"log": [bytes.byte(), text(bytes)]}),
        16 => json!({"print": [bytes.flag(), text(bytes)]}),
        17 => json!({"enabled": *bytes.pick(&CAPABILITIES)}),
        18 => json!({"sleep": bytes.byte() / 2}),
        19 => match bytes.below(5) {
            0 => json!("remaining"),
            1 => json!("deadline-exceeded"),
            2 => json!({"length": bytes.below(8)}),
            4 => json!("trace-parent"),
            _ => json!({"drop-secret": bytes.below(8)}),
        },
        20 => json!({"connect-datagram": [*bytes.pick(&HOSTS), *bytes.pick(ports)]}),
        21 => json!({"send-datagram": [bytes.below(8), text(bytes), usize::from(bytes.short() % 3000)]}),
        22 => match bytes.below(6) {
            0 => json!({"datagram-peer-address": bytes.below(8)}),
            1 => json!({"drop-datagram": bytes.below(8)}),
            _ => json!({"receive-datagram": bytes.below(8)}),
        },
        23 => {
            let facts: Vec<Value> = (0..bytes.below(5))
                .map(|_| json!([name(bytes), fact(bytes)]))
                .collect();
            json!({"describe": facts})
        }
        _ => {
            let times = bytes.short() % 2000;
            let kind = bytes.byte() % 24;
            json!({"repeat": [times, step(kind, bytes, ports)]})
        }
    }
}

/// The name of a fact: mostly one that a guest may use.
fn name(bytes: &mut Bytes<'_>) -> String {
    match bytes.below(6) {
        known if known < FACTS.len() => FACTS[known].to_owned(),
        _ => text(bytes),
    }
}

fn fact(bytes: &mut Bytes<'_>) -> Value {
    match bytes.flag() {
        true => json!({"integer": bytes.long().cast_signed()}),
        false => json!({"text": text(bytes)}),
    }
}

fn phase(bytes: &mut Bytes<'_>) -> &'static str {
    PHASES[bytes.below(PHASES.len())]
}

/// A text: a known one, one of the input's own, or a long one.
fn text(bytes: &mut Bytes<'_>) -> String {
    match bytes.below(24) {
        known if known < TEXTS.len() => TEXTS[known].to_owned(),
        14..=20 => bytes.text(),
        21 => "x".repeat(usize::from(bytes.short() % 5000)),
        22 => "@read".repeat(bytes.below(60)),
        _ => format!("{}@read{}", bytes.text(), bytes.text()),
    }
}

fn optional(bytes: &mut Bytes<'_>) -> Option<String> {
    bytes.flag().then(|| text(bytes))
}

/// Mostly a good deal, else few bytes or none.
fn maximum(bytes: &mut Bytes<'_>) -> u32 {
    match bytes.byte() {
        255 => u32::MAX,
        few if few < 64 => few.into(),
        _ => 4096,
    }
}

fn pieces(bytes: &mut Bytes<'_>, is_nesting: bool) -> Vec<Value> {
    (0..bytes.below(6))
        .map(|_| match bytes.below(4) {
            0 => json!({"bytes": text(bytes)}),
            3 if is_nesting => json!({"base64": pieces(bytes, false)}),
            _ => json!({"secret": bytes.below(4)}),
        })
        .collect()
}

fn why(bytes: &mut Bytes<'_>) -> Value {
    match bytes.below(9) {
        0 => json!("unexpected-response"),
        1 => json!("last"),
        2 => json!("too-large"),
        3 => json!("auth-rejected"),
        4 => json!("tls-not-offered"),
        5 => json!("assertion-failed"),
        6 => json!("settings-invalid"),
        7 => json!({"own": text(bytes)}),
        _ => json!({"invented": [bytes.byte(), text(bytes)]}),
    }
}
