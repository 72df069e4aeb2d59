//! All samples, and the figures drawn from them: medians over rounds, ratios inside a round.

use std::collections::{BTreeMap, BTreeSet};

use crate::measure::{Sample, Speed};
use crate::quiet::Latency;
use crate::servers::FLOOR;

type Key = (&'static str, &'static str);

/// Samples by scenario, server and round.
#[derive(Debug, Default)]
pub(crate) struct Results {
    samples: BTreeMap<Key, Vec<(u32, Sample)>>,
    failures: BTreeSet<Key>,
    /// In the order in which they first appeared.
    servers: Vec<&'static str>,
    /// What counted the system calls.
    pub(crate) tracer: Option<&'static str>,
}

/// A figure of one window.
pub(crate) type Figure = fn(&Speed) -> f64;

impl Results {
    pub(crate) fn add(
        &mut self,
        scenario: &'static str,
        server: &'static str,
        round: u32,
        sample: Sample,
    ) {
        if !self.servers.contains(&server) {
            self.servers.push(server);
        }
        let samples = self.samples.entry((scenario, server)).or_default();
        samples.push((round, sample));
    }

    /// The server did not get through this scenario: what it did before does not count either.
    pub(crate) fn add_failure(&mut self, scenario: &'static str, server: &'static str) {
        self.samples.remove(&(scenario, server));
        self.failures.insert((scenario, server));
    }

    pub(crate) fn has_failed(&self, scenario: &'static str, server: &'static str) -> bool {
        self.failures.contains(&(scenario, server))
    }

    /// Every sample, for the record.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Key, u32, Sample)> {
        self.samples.iter().flat_map(|(key, samples)| {
            samples
                .iter()
                .map(|(round, sample)| (*key, *round, *sample))
        })
    }

    /// Servers with a sample of this scenario.
    pub(crate) fn servers<'a>(
        &'a self,
        scenario: &'a str,
    ) -> impl Iterator<Item = &'static str> + 'a {
        let took_part = move |name: &&'static str| self.samples.contains_key(&(scenario, *name));
        self.servers.iter().copied().filter(took_part)
    }

    /// The windows of a speed scenario, by round.
    pub(crate) fn windows<'a>(
        &'a self,
        scenario: &'a str,
        server: &'a str,
    ) -> impl Iterator<Item = (u32, Speed)> + 'a {
        let samples = self.samples.get(&(scenario, server));
        samples
            .into_iter()
            .flatten()
            .filter_map(|(round, sample)| match sample {
                Sample::Speed(speed) => Some((*round, *speed)),
                _ => None,
            })
    }

    /// The one figure of a scenario that is not about speed.
    pub(crate) fn single(&self, scenario: &str, server: &str) -> Option<f64> {
        match self.samples.get(&(scenario, server))?.first()? {
            (_, Sample::SystemCalls(figure) | Sample::Memory(figure)) => Some(*figure),
            (_, Sample::Speed(_) | Sample::Latency(_)) => None,
        }
    }

    /// A figure's median over the rounds of a latency scenario.
    pub(crate) fn latency(
        &self,
        scenario: &str,
        server: &str,
        figure: fn(&Latency) -> f64,
    ) -> Option<f64> {
        let samples = self.samples.get(&(scenario, server)).into_iter().flatten();
        let figures = samples.filter_map(|(_, sample)| match sample {
            Sample::Latency(latency) => Some(figure(latency)),
            _ => None,
        });
        median(figures.collect())
    }

    /// A figure's median over rounds.
    pub(crate) fn median(&self, scenario: &str, server: &str, figure: Figure) -> Option<f64> {
        let windows = self.windows(scenario, server);
        median(windows.map(|(_, speed)| figure(&speed)).collect())
    }

    /// One server's figure over another's, in each round that both finished.
    pub(crate) fn ratios(
        &self,
        scenario: &str,
        server: &str,
        over: &str,
        figure: Figure,
    ) -> Vec<f64> {
        let others: BTreeMap<u32, Speed> = self.windows(scenario, over).collect();
        let ratio =
            |(round, speed): (u32, Speed)| Some(figure(&speed) / figure(others.get(&round)?));
        self.windows(scenario, server).filter_map(ratio).collect()
    }

    /// One server's figure over the best of some others', in each round that it and any of them
    /// finished.
    pub(crate) fn ratios_to_best(
        &self,
        scenario: &str,
        server: &str,
        others: &[&str],
        figure: Figure,
        best: fn(f64, f64) -> f64,
    ) -> Vec<f64> {
        let mut best_of_round: BTreeMap<u32, f64> = BTreeMap::new();
        for other in others {
            for (round, speed) in self.windows(scenario, other) {
                let figure = figure(&speed);
                let known = best_of_round.entry(round).or_insert(figure);
                *known = best(*known, figure);
            }
        }
        let ratio =
            |(round, speed): (u32, Speed)| Some(figure(&speed) / best_of_round.get(&round)?);
        self.windows(scenario, server).filter_map(ratio).collect()
    }

    /// The median of a server's ratios to the floor.
    pub(crate) fn over_floor(&self, scenario: &str, server: &str, figure: Figure) -> Option<f64> {
        median(self.ratios(scenario, server, FLOOR, figure))
    }

    /// User-space microseconds per answer over all rounds of some scenarios, and the standard
    /// error of it. The kernel samples where a process is, so rounds are added up first.
    pub(crate) fn user_us(&self, scenarios: &[&str], server: &str) -> Option<(f64, f64)> {
        let (mut seconds, mut answers, mut user, mut all) = (0.0, 0.0, 0.0, 0.0);
        for scenario in scenarios {
            for (_, speed) in self.windows(scenario, server) {
                let processor = speed.processor;
                seconds += processor.seconds;
                answers += speed.answers;
                user += processor.user_ticks as f64;
                all += (processor.user_ticks + processor.system_ticks) as f64;
            }
        }
        if answers == 0.0 || all == 0.0 {
            return None;
        }
        let (share, us) = (user / all, seconds / answers * 1e6);
        let samples = seconds * SAMPLES_PER_SECOND;
        Some((share * us, (share * (1.0 - share) / samples).sqrt() * us))
    }
}

/// CONFIG_HZ of most kernels.
const SAMPLES_PER_SECOND: f64 = 250.0;

/// The middle one, or the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Processor;

    fn speed(answers: f64) -> Sample {
        Sample::Speed(Speed {
            answers,
            seconds: 1.0,
            processor: Processor::default(),
            load_busy: 1.0,
            disturbed: 0.0,
        })
    }

    #[test]
    fn the_median_of_ratios_is_not_the_ratio_of_medians() {
        let mut results = Results::default();
        for (round, floor, other) in [(0, 100.0, 50.0), (1, 10.0, 9.0), (2, 200.0, 160.0)] {
            results.add("s", FLOOR, round, speed(floor));
            results.add("s", "other", round, speed(other));
        }
        let ratio = results.over_floor("s", "other", Speed::per_second);
        assert_eq!(ratio, Some(0.8));
    }

    #[test]
    fn the_best_of_others_is_that_of_the_same_round() {
        let mut results = Results::default();
        for (round, ours, one, other) in [(0, 90.0, 100.0, 60.0), (1, 30.0, 20.0, 40.0)] {
            results.add("s", "ours", round, speed(ours));
            results.add("s", "one", round, speed(one));
            results.add("s", "other", round, speed(other));
        }
        let others = ["one", "other", "absent"];
        let ratios = results.ratios_to_best("s", "ours", &others, Speed::per_second, f64::max);
        assert_eq!(ratios, [0.9, 0.75]);
    }

    #[test]
    fn medians_of_even_and_of_no_values() {
        assert_eq!(median(vec![3.0, 1.0]), Some(2.0));
        assert_eq!(median(vec![]), None);
    }
}
