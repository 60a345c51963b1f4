//! The memory of this process and of others.

use std::fs;

/// What a process holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Every page as many times as it is mapped, by whomever: what most tools show.
    pub resident: u64,
    /// A page that is mapped several times counts for one: what the process would give back if it ended.
    pub proportional: u64,
}

/// What this process holds.
///
/// # Errors
///
/// A sentence when the kernel does not tell.
pub fn own() -> Result<Memory, String> {
    let file = "/proc/self/smaps_rollup";
    let text = fs::read_to_string(file).map_err(|error| format!("`{file}` cannot be read: {error}"))?;
    parse(&text).ok_or_else(|| format!("`{file}` is not as expected"))
}

fn parse(rollup: &str) -> Option<Memory> {
    let bytes = |key: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(key))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Memory {
        resident: bytes("Rss:")?,
        proportional: bytes("Pss:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found_among_the_others() {
        let rollup = "00400000-7ffc000 ---p 00000000 00:00 0  [rollup]\nRss:       884 kB\nPss:       385 kB\nPss_Dirty: 68 kB\n";
        let expected = Memory {
            resident: 884 * 1024,
            proportional: 385 * 1024,
        };
        assert_eq!(parse(rollup), Some(expected));
        assert_eq!(parse("Rss: 884 kB\n"), None);
    }

    #[test]
    fn what_is_written_to_is_held() {
        let before = own().expect("Linux");
        let held = std::hint::black_box(vec![1_u8; 32 * 1024 * 1024]);
        let now = own().expect("Linux");
        assert!(
            now.proportional >= before.proportional + held.len() as u64 / 2,
            "{now:?} {before:?}"
        );
    }
}
