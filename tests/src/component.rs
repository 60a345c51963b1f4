//! Check plugins written by hand, for what no guest in a high-level language does: lying about its memory,
//! trapping where nothing traps, consisting of too much of anything. Both functions return whatever bytes the
//! test has put where the canonical ABI looks for the result.

/// The address of the description that `describe` returns, and of the texts after it.
const DESCRIPTION: usize = 1024;
/// The address of the result that `run` returns.
const RESULT: usize = 512;
/// How large the record `description` is in memory, in bytes (canonical ABI).
const DESCRIPTION_SIZE: usize = 76;

/// A component that exports `bedcheck:plugin/check`.
#[derive(Clone, Debug)]
pub struct Component {
    name: Vec<u8>,
    summary: String,
    schema: String,
    capabilities: usize,
    phases: usize,
    url_key: String,
    default_ports: usize,
    pages: usize,
    result: Vec<u8>,
    imports: String,
    arguments: String,
    core_imports: String,
    core: String,
    describe: String,
    run: String,
    realloc: String,
    post_return: Option<String>,
    around: String,
}

impl Default for Component {
    fn default() -> Self {
        Self {
            name: b"odd".to_vec(),
            summary: "written by hand".into(),
            schema: "{}".into(),
            capabilities: 0,
            phases: 0,
            url_key: String::new(),
            default_ports: 0,
            pages: 32,
            result: vec![0],
            imports: String::new(),
            arguments: String::new(),
            core_imports: String::new(),
            core: String::new(),
            describe: format!("(i32.const {DESCRIPTION})"),
            run: format!("(i32.const {RESULT})"),
            realloc: "(i32.const 1048576)".into(),
            post_return: None,
            around: String::new(),
        }
    }
}

impl Component {
    /// A plugin `odd` without phases, needs and target, whose every run passes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls itself this, which need not be UTF-8.
    #[must_use]
    pub fn name(mut self, name: impl AsRef<[u8]>) -> Self {
        self.name = name.as_ref().to_vec();
        self
    }

    /// Has this summary.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = summary.into();
        self
    }

    /// Has this JSON Schema of its settings.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Declares so many phases, all of them called `odd`.
    #[must_use]
    pub fn phases(mut self, number: usize) -> Self {
        self.phases = number;
        self
    }

    /// Needs so many capabilities, all of them called `odd`.
    #[must_use]
    pub fn capabilities(mut self, number: usize) -> Self {
        self.capabilities = number;
        self
    }

    /// Says that the setting of this key is the URL of the target.
    #[must_use]
    pub fn url_key(mut self, key: impl Into<String>) -> Self {
        self.url_key = key.into();
        self
    }

    /// Says that the settings `odd` and `odd` are host and port, with so many ports by default.
    #[must_use]
    pub fn default_ports(mut self, number: usize) -> Self {
        self.default_ports = number;
        self
    }

    /// Has a memory of so many pages of 64 KiB, at least 32.
    #[must_use]
    pub fn pages(mut self, pages: usize) -> Self {
        self.pages = pages;
        self
    }

    /// Returns these bytes from `run`, as the canonical ABI lays a `result<_, failure>` out.
    #[must_use]
    pub fn result(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.result = bytes.into();
        self
    }

    /// Fails with an own error type and a message that are both of this length.
    #[must_use]
    pub fn failing_with(self, length: u32) -> Self {
        let text = [1024_u32.to_le_bytes(), length.to_le_bytes()].concat();
        // An error; the seventh reason, which has a text; and the message.
        let result = [
            &[1, 0, 0, 0, 7, 0, 0, 0],
            text.as_slice(),
            &[0; 8],
            text.as_slice(),
        ]
        .concat();
        self.result(result)
    }

    /// Imports this into the component, and has it passed on to the core module as `arguments`, which sees it as
    /// `core_imports`.
    #[must_use]
    pub fn imports(mut self, imports: &str, arguments: &str, core_imports: &str) -> Self {
        self.imports = imports.into();
        self.arguments = arguments.into();
        self.core_imports = core_imports.into();
        self
    }

    /// Has these definitions in its core module.
    #[must_use]
    pub fn core(mut self, definitions: impl Into<String>) -> Self {
        self.core = definitions.into();
        self
    }

    /// Does this in `describe`, before it returns.
    #[must_use]
    pub fn describe(mut self, instructions: &str) -> Self {
        self.describe = format!("{instructions} (i32.const {DESCRIPTION})");
        self
    }

    /// Does this in `run`, before it returns.
    #[must_use]
    pub fn run(mut self, instructions: &str) -> Self {
        self.run = format!("{instructions} (i32.const {RESULT})");
        self
    }

    /// Answers every request for memory for an argument with this address.
    #[must_use]
    pub fn realloc(mut self, instructions: &str) -> Self {
        self.realloc = instructions.into();
        self
    }

    /// Does this when its result was taken.
    #[must_use]
    pub fn post_return(mut self, instructions: &str) -> Self {
        self.post_return = Some(instructions.into());
        self
    }

    /// Has these definitions in the component besides those of the check.
    #[must_use]
    pub fn around(mut self, definitions: impl Into<String>) -> Self {
        self.around = definitions.into();
        self
    }

    /// The component as a file has it.
    ///
    /// # Panics
    ///
    /// When what a test put into it is no WebAssembly text.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let text = self.text();
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn text(&self) -> String {
        let Self {
            imports,
            arguments,
            core_imports,
            core,
            describe,
            run,
            realloc,
            around,
            pages,
            ..
        } = self;
        let (post_return, option) = match &self.post_return {
            Some(instructions) => (
                format!("(func (export \"post\") (param i32) {instructions})"),
                "(post-return (core func $guest \"post\"))",
            ),
            None => (String::new(), ""),
        };
        let with = if arguments.is_empty() {
            String::new()
        } else {
            format!("(with \"host\" (instance {arguments}))")
        };
        format!(
            r#"(component
                {TYPES}
                {imports}
                {around}
                (core module $module
                    {core_imports}
                    (memory (export "memory") {pages})
                    (data (i32.const {RESULT}) "{result}")
                    (data (i32.const {DESCRIPTION}) "{description}")
                    {core}
                    {post_return}
                    (func (export "describe") (result i32) {describe})
                    (func (export "run") (param i32 i32) (result i32) {run})
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc}))
                (core instance $guest (instantiate $module {with}))
                (func $describe (result $description)
                    (canon lift (core func $guest "describe") (memory (core memory $guest "memory"))))
                (func $run (param "settings" string) (result (result (error $failure)))
                    (canon lift (core func $guest "run")
                        (memory (core memory $guest "memory")) (realloc (core func $guest "realloc")) {option}))
                (instance $check (export "describe" (func $describe)) (export "run" (func $run)))
                (export "bedcheck:plugin/check@1.0.0" (instance $check)))"#,
            result = escaped(&self.result),
            description = escaped(&self.description()),
        )
    }

    /// The description and all it points to, as they lie in memory.
    fn description(&self) -> Vec<u8> {
        let mut layout = Layout::default();
        layout.text(&self.name);
        layout.text(b"1.0.0");
        layout.text(self.summary.as_bytes());
        layout.list(self.phases);
        layout.text(self.schema.as_bytes());
        layout.list(self.capabilities);
        if self.default_ports > 0 {
            layout.number(0);
            layout.text(b"odd");
            layout.text(b"odd");
            layout.ports(self.default_ports);
        } else if self.url_key.is_empty() {
            layout.number(2);
        } else {
            layout.number(1);
            layout.text(self.url_key.as_bytes());
        }
        layout.finish()
    }
}

/// A record, and after it what it points to.
#[derive(Default)]
struct Layout {
    record: Vec<u8>,
    rest: Vec<u8>,
}

impl Layout {
    fn number(&mut self, number: usize) {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.record.extend(number.to_le_bytes());
    }

    fn text(&mut self, bytes: &[u8]) {
        let address = self.place(bytes);
        self.number(address);
        self.number(bytes.len());
    }

    /// A list of so many times the same word.
    fn list(&mut self, number: usize) {
        let word = u32::try_from(self.place(b"odd\0")).unwrap_or(u32::MAX);
        let entry = [word.to_le_bytes(), 3_u32.to_le_bytes()].concat();
        let address = self.place(&entry.repeat(number));
        self.number(address);
        self.number(number);
    }

    fn ports(&mut self, number: usize) {
        let address = self.place(&80_u16.to_le_bytes().repeat(number));
        self.number(address);
        self.number(number);
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        let address = DESCRIPTION + DESCRIPTION_SIZE + self.rest.len();
        self.rest.extend(bytes);
        self.rest.resize(self.rest.len().next_multiple_of(4), 0);
        address
    }

    fn finish(mut self) -> Vec<u8> {
        self.record.resize(DESCRIPTION_SIZE, 0);
        [self.record, self.rest].concat()
    }
}

/// Bytes as they are written in the text format.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// The types of the contract that `check` uses.
const TYPES: &str = r#"
    (type $tls-problem' (enum "handshake" "certificate-invalid" "certificate-expired" "name-mismatch"))
    (export $tls-problem "tls-problem" (type $tls-problem'))
    (type $tls-failure' (record (field "problem" $tls-problem) (field "message" string)))
    (export $tls-failure "tls-failure" (type $tls-failure'))
    (type $call-error' (variant
        (case "deadline-exceeded") (case "over-quota" string) (case "capability-disabled" string)
        (case "grant-denied" string) (case "name-not-found" string) (case "name-server-failure" string)
        (case "no-address" string) (case "connection-refused") (case "network-unreachable")
        (case "host-unreachable") (case "connection-reset") (case "connection-closed")
        (case "tls" $tls-failure) (case "invalid" string) (case "secret-missing" string)
        (case "other" string)))
    (export $call-error "call-error" (type $call-error'))
    (type $reason' (variant
        (case "call" $call-error) (case "unexpected-response") (case "too-large") (case "auth-rejected")
        (case "tls-not-offered") (case "assertion-failed") (case "settings-invalid") (case "own" string)))
    (export $reason "reason" (type $reason'))
    (type $failure' (record (field "reason" $reason) (field "message" string)))
    (export $failure "failure" (type $failure'))
    (type $host-and-port' (record (field "host" string) (field "port" string)
        (field "default-ports" (list u16))))
    (export $host-and-port "host-and-port" (type $host-and-port'))
    (type $target' (variant (case "host-and-port" $host-and-port) (case "url" string) (case "none")))
    (export $target "target" (type $target'))
    (type $description' (record (field "name" string) (field "version" string) (field "summary" string)
        (field "phases" (list string)) (field "settings-schema" string) (field "capabilities" (list string))
        (field "target" $target)))
    (export $description "description" (type $description'))"#;
