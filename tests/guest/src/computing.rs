//! Using up what a run may spend: time, fuel, memory, the stack.

use std::collections::HashSet;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bedcheck_sdk::{Connection, Failure, phase};

use crate::Settings;

/// Computes for ever.
pub(crate) fn spin() -> ! {
    let mut state = 1_u64;
    loop {
        state = step(state);
    }
}

/// Computes for ever, and says something now and then.
pub(crate) fn spin_between_calls() -> ! {
    let mut state = 1_u64;
    loop {
        for _ in 0..100_000 {
            state = step(state);
        }
        bedcheck_sdk::deadline_exceeded();
    }
}

fn step(state: u64) -> u64 {
    black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
}

/// Asks for the time for ever: calls that are not counted.
pub(crate) fn hammer_clocks() -> ! {
    loop {
        black_box((Instant::now(), SystemTime::now()));
    }
}

/// Prints for ever to both streams.
pub(crate) fn print_for_ever() -> ! {
    loop {
        println!("x");
        eprintln!("y");
    }
}

/// Sleeps through the deadline and asks for the network then.
pub(crate) fn sleep(settings: &Settings) -> Result<(), Failure> {
    phase("first", || {
        thread::sleep(Duration::from_secs(60));
        Connection::open(&settings.host, settings.port).map(drop)
    })
}

/// Sleeps through most of the time, and lets a peer that says nothing have the rest.
pub(crate) fn sleep_then_read(settings: &Settings) -> Result<(), Failure> {
    let mut connection = Connection::open(&settings.host, settings.port)?;
    phase("first", || {
        thread::sleep(bedcheck_sdk::remaining() * 9 / 10);
        connection.read_line_limited(1024).map(drop)
    })
}

/// Sleeps for a moment, and lets a peer that says nothing have the rest.
pub(crate) fn nap_then_read(settings: &Settings) -> Result<(), Failure> {
    let mut connection = Connection::open(&settings.host, settings.port)?;
    phase("first", || {
        thread::sleep(Duration::from_millis(5));
        connection.read_line_limited(1024).map(drop)
    })
}

/// Computes through most of the time, and lets a peer that says nothing have the rest.
pub(crate) fn compute_then_read(settings: &Settings) -> Result<(), Failure> {
    let mut connection = Connection::open(&settings.host, settings.port)?;
    phase("first", || {
        let until = Instant::now() + bedcheck_sdk::remaining() * 3 / 4;
        while Instant::now() < until {}
        connection.read_line_limited(1024).map(drop)
    })
}

/// Measures the time of day, a short sleep, and which of a thousand numbers comes first in a set that is seeded
/// at random.
pub(crate) fn clocks_and_chance() -> Result<(), Failure> {
    let begun = Instant::now();
    let numbers: HashSet<u16> = (0..1000).collect();
    thread::sleep(Duration::from_millis(5));
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let first = numbers.into_iter().next().unwrap_or_default();
    for (name, value, unit) in [
        ("guest.time_of_day", since_epoch.as_secs_f64(), "s"),
        ("guest.slept", begun.elapsed().as_secs_f64(), "s"),
        ("guest.first", f64::from(first), "1"),
    ] {
        bedcheck_sdk::measure(name, value, unit, &[])?;
    }
    phase("first", || Ok(()))
}

/// Measures the time of day.
pub(crate) fn time_of_day() -> Result<(), Failure> {
    let since_epoch = bedcheck_bare::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    bedcheck_sdk::measure("guest.time_of_day", since_epoch.as_secs_f64(), "s", &[])?;
    phase("first", || Ok(()))
}

/// Takes and gives back memory, from a byte to a quarter of a MiB, so many times: what is written at the ends of each part
/// is there when it grows and when it is given back, and what is to be zero is.
pub(crate) fn churn(count: u32) -> Result<(), Failure> {
    let mut parts: Vec<Vec<u8>> = vec![Vec::new(); 64];
    // A linear congruential generator; its upper bits are random enough.
    let mut random = 1_u32;
    let mut next = |bound: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) % bound
    };
    for _ in 0..count {
        let nth = next(64) as usize;
        let magnitude = next(19);
        let size = next(1 << magnitude) as usize + 1;
        let mark = (nth + 1) as u8;
        let part = &mut parts[nth];
        assert!(
            [part.first(), part.last()]
                .iter()
                .flatten()
                .all(|&&found| found == mark)
        );
        if next(2) == 0 {
            *part = vec![0; size];
            assert!(
                part.iter().all(|&byte| byte == 0),
                "memory that was to be zero was not"
            );
        } else {
            part.resize(part.len() + size, 0);
            part.shrink_to(size);
            part.truncate(size);
        }
        *part = black_box(std::mem::take(part));
        part[0] = mark;
        part[size - 1] = mark;
    }
    phase("first", || Ok(()))
}

/// Computes until the deadline has passed, and is told so.
pub(crate) fn overrun() -> Result<(), Failure> {
    while !bedcheck_sdk::deadline_exceeded() {}
    Ok(())
}

/// Computes until the deadline has passed by its own clock.
pub(crate) fn overrun_unasked() -> Result<(), Failure> {
    let deadline = Instant::now() + bedcheck_sdk::remaining();
    while Instant::now() <= deadline {}
    Ok(())
}

/// Asks for all the memory that can be addressed, does without, and has a mistake of its own.
pub(crate) fn refused_memory_and_panic() -> Result<(), Failure> {
    let mut none: Vec<u8> = Vec::new();
    let _refused = none.try_reserve(1 << 30);
    panic!("there are {} of 3", none.len())
}

/// Takes memory until there is none.
pub(crate) fn hoard() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
}

/// Takes `count` MiB of memory and sleeps on it.
pub(crate) fn hoard_and_sleep(count: u32) -> Result<(), Failure> {
    let hoard: Vec<Vec<u8>> = (0..count).map(|_| black_box(vec![1; 1 << 20])).collect();
    thread::sleep(Duration::from_secs(60));
    drop(black_box(hoard));
    Ok(())
}

/// Recurses without end.
#[expect(unconditional_recursion, reason = "the point of it")]
pub(crate) fn recurse(frame: &mut [u8; 64], depth: u64) -> Result<(), Failure> {
    let mut next = *frame;
    next[0] = next[0].wrapping_add(1);
    recurse(black_box(&mut next), depth.wrapping_sub(1))?;
    Ok(())
}
