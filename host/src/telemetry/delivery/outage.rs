//! What is said of a way that does not work: that it begins, why, when the reason becomes another one, that it is over.
//! Pure.

use tokio::time::Instant;

use super::said::Said;

/// How a way is, and what was said of it.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Why it does not work at the moment.
    reason: Option<String>,
    /// The reason that was said last.
    told: Option<String>,
    said: Said,
}

impl Outage {
    /// Why it does not work, if it does not.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// It works; whether it did not before.
    pub(super) fn ends(&mut self) -> bool {
        std::mem::take(self).reason.is_some()
    }

    /// It does not work, for this reason, which somebody else says.
    pub(super) fn is_told(&mut self, reason: String) {
        self.told = Some(reason.clone());
        self.reason = Some(reason);
    }

    /// It does not work, for this reason, which is returned if it is to be said: it is another one than was said last,
    /// and nothing was said a moment ago.
    pub(super) fn fails(&mut self, reason: String, now: Instant) -> Option<&str> {
        let is_news = self.told.as_ref() != Some(&reason) && self.said.is_due(0, now).is_some();
        if is_news {
            self.told = Some(reason.clone());
        }
        let reason = self.reason.insert(reason);
        is_news.then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn fails<'o>(outage: &'o mut Outage, reason: &str, now: Instant) -> Option<&'o str> {
        outage.fails(reason.to_owned(), now)
    }

    #[test]
    fn a_reason_is_said_once_and_another_one_a_minute_later_at_the_latest() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(!outage.ends());
        assert_eq!(fails(&mut outage, "503", now), Some("503"));
        assert_eq!(fails(&mut outage, "503", after(3)), None);
        assert_eq!(fails(&mut outage, "401", after(6)), None);
        assert_eq!(outage.reason(), Some("401"));
        assert_eq!(fails(&mut outage, "401", after(60)), Some("401"));
        assert_eq!(fails(&mut outage, "401", after(600)), None);
        assert!(outage.ends());
        assert!(!outage.ends());
        assert_eq!(fails(&mut outage, "401", after(601)), Some("401"));
    }

    #[test]
    fn what_somebody_else_says_is_not_said_again_and_keeps_nothing_else_from_being_said() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        outage.is_told("401".to_owned());
        assert_eq!(fails(&mut outage, "401", now), None);
        assert_eq!(fails(&mut outage, "503", now), Some("503"));
    }
}
