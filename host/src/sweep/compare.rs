//! The cases of a sweep held against one another: where failures are alike, the plugin has no reason to go
//! another way after one of them. Pure.

use std::ops::Range;

use super::Case;
use super::kinds::Family;
use super::phase_keys::{PhaseKey, begun, shown};
use crate::fault::{FaultKind, HostCall, InjectedError};
use crate::outcome::{ErrorType, Outcome};

/// The phases that a run began, in order, and whether each ended well.
type Way = Vec<(PhaseKey, bool)>;

/// Compares all that can be compared. Cases of one host call stand together; `order` is that of the phases in the
/// good run.
pub(super) fn compare(cases: &mut [Case], order: &[PhaseKey]) {
    let sites = sites(cases);
    let mut found: Vec<(usize, String)> = Vec::new();
    for family in [Family::Broken, Family::Tls, Family::Refused] {
        let usual: Vec<Option<Way>> = sites
            .iter()
            .map(|site| most_common(&ways(cases, site, family)))
            .collect();
        for (site, usual) in sites.iter().zip(&usual) {
            let Some(usual) = usual else { continue };
            found.extend(unlike_the_others(cases, site, family, usual));
            if family == Family::Broken {
                found.extend(unlike_a_broken_connection(cases, site, usual));
            }
        }
        found.extend(unlike_the_phase(cases, &sites, family, &usual));
        found.extend(unlike_an_earlier_failure(cases, &sites, family, &usual, order));
    }
    for (index, problem) in found {
        cases[index].problems.push(problem);
    }
}

/// The cases of each host call.
fn sites(cases: &[Case]) -> Vec<Range<usize>> {
    let mut from = 0;
    let chunks = cases.chunk_by(|one, other| one.trial.at == other.trial.at);
    chunks
        .map(|chunk| {
            let site = from..from + chunk.len();
            from = site.end;
            site
        })
        .collect()
}

/// The ways of the cases of a family which failed and have nothing wrong so far. One that has dialled anew has
/// recovered, or tried to.
fn ways(cases: &[Case], site: &Range<usize>, family: Family) -> Vec<(usize, Way)> {
    site.clone()
        .filter(|&index| is_comparable(&cases[index]) && family_of(&cases[index]) == Some(family))
        .map(|index| (index, begun(&cases[index].report)))
        .collect()
}

fn is_comparable(case: &Case) -> bool {
    case.report.outcome != Outcome::Pass && case.problems.is_empty() && !case.has_dialled_anew
}

fn family_of(case: &Case) -> Option<Family> {
    match case.trial.fault.kind {
        FaultKind::Error(error) => Family::of(error),
        _ => None,
    }
}

/// What most of them have; none if there is no majority.
fn most_common(ways: &[(usize, Way)]) -> Option<Way> {
    let count = |way: &Way| ways.iter().filter(|(_, other)| other == way).count();
    let (_, usual) = ways.iter().max_by_key(|(_, way)| count(way))?;
    (count(usual) * 2 > ways.len()).then(|| usual.clone())
}

fn unlike_the_others(
    cases: &[Case],
    site: &Range<usize>,
    family: Family,
    usual: &Way,
) -> Vec<(usize, String)> {
    let ways = ways(cases, site, family);
    let others = ways.into_iter().filter(|(_, way)| way != usual);
    others
        .map(|(index, way)| {
            let problem = format!(
                "after this error the plugin {}, unlike after the others that {} here",
                difference(usual, &way),
                family.as_str()
            );
            (index, problem)
        })
        .collect()
}

/// The deadline and a peer that hangs up need no way of their own: calls fail at once after the one, and the
/// other is a connection that broke.
fn unlike_a_broken_connection(cases: &[Case], site: &Range<usize>, usual: &Way) -> Vec<(usize, String)> {
    let like_broken = site
        .clone()
        .filter(|&index| is_comparable(&cases[index]) && is_like_broken(&cases[index]));
    like_broken
        .filter_map(|index| {
            let key = first_missing(usual, &begun(&cases[index].report))?;
            let problem = format!(
                "after this failure the plugin never begins the phase {}, unlike after others that break the \
                 connection here",
                shown(&key)
            );
            Some((index, problem))
        })
        .collect()
}

fn is_like_broken(case: &Case) -> bool {
    let Some(error) = &case.report.error else {
        return false;
    };
    match case.trial.fault.kind {
        FaultKind::Error(InjectedError::DeadlineExceeded) => true,
        FaultKind::ResetAfter(_) | FaultKind::Truncate(_) => {
            let at = case.trial.at.phase.as_ref().map(|(name, _)| name);
            let is_of_connection = matches!(
                error.error_type,
                ErrorType::ConnectionReset | ErrorType::ConnectionClosed
            );
            is_of_connection && error.phase.as_ref() == at
        }
        _ => false,
    }
}

/// Within a phase it does not matter which of its calls failed.
fn unlike_the_phase(
    cases: &[Case],
    sites: &[Range<usize>],
    family: Family,
    usual: &[Option<Way>],
) -> Vec<(usize, String)> {
    let known: Vec<(&Range<usize>, &Way)> = sites
        .iter()
        .zip(usual)
        .filter_map(|(site, usual)| Some((site, usual.as_ref()?)))
        .collect();
    let mut found = Vec::new();
    for (site, way) in &known {
        let at = &cases[site.start].trial.at;
        let same_phase = known.iter().filter(|(other, _)| {
            let other = &cases[other.start].trial.at;
            at.phase.is_some() && other.phase == at.phase && other != at
        });
        let missing = same_phase
            .into_iter()
            .find_map(|(other, usual)| Some((first_missing(usual, way)?, &cases[other.start].trial.at)));
        let Some((key, other)) = missing else { continue };
        let problem = format!(
            "after this error the plugin never begins the phase {}, unlike after the same at `{}#{}` in the same \
             phase",
            shown(&key),
            other.call,
            other.nth
        );
        found.extend(usual_cases(cases, site, family, way).map(|index| (index, problem.clone())));
    }
    found
}

/// What is begun although an earlier phase failed, and one in between came to nothing, depends on neither: it has
/// to be begun as well when only the one in between fails.
fn unlike_an_earlier_failure(
    cases: &[Case],
    sites: &[Range<usize>],
    family: Family,
    usual: &[Option<Way>],
    order: &[PhaseKey],
) -> Vec<(usize, String)> {
    let place = |key: &PhaseKey| order.iter().position(|other| other == key);
    // After TLS has failed, a plugin may keep silent.
    let known: Vec<(&Range<usize>, usize, &Way)> = (sites.iter().zip(usual))
        .filter(|(site, _)| cases[site.start].trial.at.call != HostCall::NetStartTls)
        .filter_map(|(site, usual)| {
            let phase = cases[site.start].trial.at.phase.as_ref()?;
            Some((site, place(phase)?, usual.as_ref()?))
        })
        .collect();
    let mut found = Vec::new();
    for (site, at, way) in &known {
        let is_independent = |earlier: &Way, key: &PhaseKey| {
            let came_to_nothing = !earlier.contains(&(order[*at].clone(), true));
            came_to_nothing && place(key).is_some_and(|place| place > *at)
        };
        let missing = known.iter().find_map(|(_, before, earlier)| {
            let forgotten = earlier
                .iter()
                .map(|(key, _)| key)
                .find(|key| is_independent(earlier, key) && !way.iter().any(|(other, _)| other == *key));
            (before < at).then_some((forgotten?, &order[*before]))
        });
        let Some((key, before)) = missing else { continue };
        let problem = format!(
            "after this error the plugin never begins the phase {}, unlike after the same in the earlier phase {}",
            shown(key),
            shown(before)
        );
        found.extend(usual_cases(cases, site, family, way).map(|index| (index, problem.clone())));
    }
    found
}

/// The cases of a site that go the usual way.
fn usual_cases(
    cases: &[Case],
    site: &Range<usize>,
    family: Family,
    usual: &Way,
) -> impl Iterator<Item = usize> {
    let ways = ways(cases, site, family).into_iter();
    ways.filter(move |(_, way)| way == usual).map(|(index, _)| index)
}

fn difference(usual: &Way, way: &Way) -> String {
    if let Some(key) = first_missing(usual, way) {
        return format!("never begins the phase {}", shown(&key));
    }
    if let Some(key) = first_missing(way, usual) {
        return format!("begins the phase {}", shown(&key));
    }
    match usual.iter().zip(way).find(|(usual, way)| usual != way) {
        Some(((usual, _), (key, true))) if usual == key => format!("ends the phase {} well", shown(key)),
        Some(((usual, _), (key, false))) if usual == key => format!("fails in the phase {}", shown(key)),
        _ => "goes through its phases in another order".into(),
    }
}

/// The first phase of one way that the other has not.
fn first_missing(usual: &Way, way: &Way) -> Option<PhaseKey> {
    let has = |key: &PhaseKey| way.iter().any(|(other, _)| other == key);
    usual.iter().map(|(key, _)| key).find(|key| !has(key)).cloned()
}
