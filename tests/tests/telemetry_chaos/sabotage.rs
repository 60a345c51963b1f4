//! What goes wrong in a trial: the collector's troubles, and those of the way there.

use bedcheck_tests::between::{Between, Way};
use bedcheck_tests::collector::Collector;

use super::trial::Chance;

/// What is going wrong at the moment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// The way to the collector is like this.
    Way(Way),
    /// The collector does nothing.
    Frozen,
    /// The collector is not there: it is killed, and started again at the end of it.
    Stopped,
}

impl Trouble {
    /// What collectors do. What they were asked before it is answered, unless they end.
    pub(crate) const OF_THE_COLLECTOR: [Self; 6] = [
        Self::Frozen,
        Self::Stopped,
        Self::Way(Way::Open),
        Self::Way(Way::Refusing),
        Self::Way(Way::Unavailable),
        Self::Way(Way::TakesHalf),
    ];

    /// The same, and what networks do, which lose answers too.
    pub(crate) const ALL: [Self; 9] = [
        Self::Frozen,
        Self::Stopped,
        Self::Way(Way::Open),
        Self::Way(Way::Refusing),
        Self::Way(Way::Silent),
        Self::Way(Way::CutsAnswers),
        Self::Way(Way::CutsRequests),
        Self::Way(Way::Unavailable),
        Self::Way(Way::TakesHalf),
    ];
}

/// The collector, and all that can happen to it.
pub(crate) struct Sabotage {
    pub(crate) collector: Collector,
    pub(crate) between: Between,
    troubles: &'static [Trouble],
    /// Those that have not been there since all were.
    to_come: Vec<Trouble>,
    trouble: Trouble,
}

impl Sabotage {
    pub(crate) fn start(troubles: &'static [Trouble]) -> Self {
        let collector = Collector::start();
        let between = Between::start(collector.http_address());
        Self {
            collector,
            between,
            troubles,
            to_come: Vec::new(),
            trouble: Trouble::Way(Way::Open),
        }
    }

    /// Ends the trouble there is.
    pub(crate) fn mend(&mut self) {
        match self.trouble {
            Trouble::Way(_) => self.between.turn(Way::Open),
            Trouble::Frozen => self.collector.freeze(false),
            Trouble::Stopped => self.collector.start_again(),
        }
        self.trouble = Trouble::Way(Way::Open);
    }

    /// Something else goes wrong, or nothing: each trouble once, in an order that chance has, and again.
    pub(crate) fn turn(&mut self, chance: &mut Chance) {
        if self.to_come.is_empty() {
            self.to_come = self.troubles.to_vec();
        }
        let index = chance.below(self.to_come.len() as u64) as usize;
        let trouble = self.to_come.swap_remove(index);
        self.turn_to(trouble);
    }

    pub(crate) fn turn_to(&mut self, trouble: Trouble) {
        self.mend();
        match trouble {
            Trouble::Way(way) => self.between.turn(way),
            Trouble::Frozen => self.collector.freeze(true),
            Trouble::Stopped => self.collector.stop(),
        }
        self.trouble = trouble;
    }
}
