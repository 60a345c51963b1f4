//! The functions of WASI that are left: the stream of errors, and the clock.

use std::time::{Duration, SystemTime};

use bindings::wasi::cli::stderr::get_stderr;
use bindings::wasi::clocks::wall_clock;

/// The most that the host takes in one call, in bytes.
const MAX_WRITE: usize = 4096;

/// Writes to standard error; a failure has nowhere to be told.
pub(crate) fn print_error(text: &str) {
    let stream = get_stderr();
    for piece in text.as_bytes().chunks(MAX_WRITE) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
}

/// The time of day; WASI knows none before 1970.
pub(crate) fn now() -> SystemTime {
    let since = wall_clock::now();
    SystemTime::UNIX_EPOCH + Duration::new(since.seconds, since.nanoseconds)
}

#[allow(
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated code"
)]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package bedcheck:bare;

            world bare {
                import wasi:cli/stderr@0.2.0;
                import wasi:clocks/wall-clock@0.2.0;
            }

            package wasi:cli@0.2.0 {
                interface stderr {
                    use wasi:io/streams@0.2.0.{output-stream};
                    get-stderr: func() -> output-stream;
                }
            }

            package wasi:clocks@0.2.0 {
                interface wall-clock {
                    record datetime { seconds: u64, nanoseconds: u32 }
                    now: func() -> datetime;
                }
            }

            package wasi:io@0.2.0 {
                interface error {
                    resource error;
                }

                interface streams {
                    use error.{error};
                    variant stream-error { last-operation-failed(error), closed }
                    resource output-stream {
                        blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                    }
                }
            }
        ",
        world: "bedcheck:bare/bare",
        generate_all,
    });
}
