//! bench/RESULTS.md: what was measured, beside the goals.

use super::Outcome;
use super::measure::{self, Measure};
use super::rows::Rival;
use crate::exec::Exec;
use crate::peer::install::KUBO_VERSION;
use crate::{Res, paths};
use std::fmt::Write;

/// Everything the table is made from.
pub(super) struct Report<'a> {
    pub(super) outcomes: &'a [Outcome],
    /// What was typed after `bench`.
    pub(super) arguments: String,
    /// Kubo keeps its blocks in pebble, not in files.
    pub(super) pebble: bool,
    pub(super) quick: bool,
    pub(super) rounds: u32,
    pub(super) load_before: String,
}

impl Report<'_> {
    pub(super) fn text(&self) -> Res<String> {
        let commit = Exec::new("git").args(["rev-parse", "--short", "HEAD"]).dir(paths::root()).text()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut text = String::new();
        let size = if self.quick { "a tenth of the size the rows name" } else { "full size" };
        let (own, rivals): (Vec<&Outcome>, Vec<&Outcome>) =
            self.outcomes.iter().partition(|outcome| outcome.row.rival == Rival::Nobody);
        let (title, rounds) = match rivals.is_empty() {
            true => ("Measured".to_owned(), String::new()),
            false => (
                format!(
                    "Measured against Kubo {KUBO_VERSION}{}",
                    if self.pebble { " with the pebble profile" } else { "" }
                ),
                format!(" {} rounds of ours, Kubo, Kubo, ours,", self.rounds),
            ),
        };
        let _ = write!(
            text,
            "# {title}\n\n\
             Written by `cargo xtask bench{}` at commit {commit}:{rounds} {size}; {cores} cores, load\n\
             average {} before and {} after. Do not edit.\n\n\
             Seconds are medians; \"times\" is the median of the paired ratios Kubo / ours, with the smallest and largest. CPU is user and\n\
             system time of command lines and daemons together, with a `sync` of the file system inside the window. Merkury has\n\
             everything on disk when it returns; Kubo as shipped has not.\n",
            self.arguments,
            self.load_before,
            measure::load_average(),
        );
        if !rivals.is_empty() {
            text.push_str("\n| row | work | ours s | Kubo s | times | goal | ours CPU-s | Kubo CPU-s | times | goal | peak MiB ours / Kubo | |\n");
            text.push_str("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
            rivals.iter().for_each(|outcome| text.push_str(&line(outcome)));
            text.push_str("\nPeak memory goal: at most 64 MiB in every row.\n");
        }
        if !own.is_empty() {
            text.push_str("\nOurs alone:\n\n| row | work | s | CPU-s | peak MiB | |\n|---|---|---|---|---|---|\n");
            own.iter().for_each(|outcome| text.push_str(&own_line(outcome)));
        }
        Ok(text)
    }
}

fn own_line(outcome: &Outcome) -> String {
    let row = outcome.row;
    match &outcome.own {
        Some(m) => format!(
            "| {} | {} | {:.3} | {:.3} | {} | {} |\n",
            row.name,
            row.work,
            m.wall.as_secs_f64(),
            m.cpu.as_secs_f64(),
            m.rss_max_kib >> 10,
            m.proof.replace('|', "/")
        ),
        None => {
            let reason = outcome.failure.as_deref().unwrap_or("not measured").replace('|', "/").replace('\n', " ");
            format!("| {} | {} | | | | **could not be measured**: {reason} |\n", row.name, row.work)
        }
    }
}

fn line(outcome: &Outcome) -> String {
    let row = outcome.row;
    if outcome.rounds.is_empty() {
        let reason = outcome.failure.as_deref().unwrap_or("not measured").replace('|', "/").replace('\n', " ");
        return format!(
            "| {} | {} | | | | {} | | | | {} | | **could not be measured**: {reason} |\n",
            row.name, row.work, row.goal_wall, row.goal_cpu
        );
    }
    let wall = Score::of(outcome, |m| m.wall.as_secs_f64());
    let cpu = Score::of(outcome, |m| m.cpu.as_secs_f64());
    let peak = |ours: bool| sides(outcome, ours).map(|m| m.rss_max_kib >> 10).max().unwrap_or(0);
    let met = wall.times >= row.goal_wall && cpu.times >= row.goal_cpu;
    let verdict = match (met, outcome.failure.is_some()) {
        (_, true) => "broken off",
        (true, false) => "met",
        (false, false) => "**missed**",
    };
    format!(
        "| {} | {} | {:.3} | {:.3} | {} | ≥ {} | {:.3} | {:.3} | {} | ≥ {} | {} / {} | {verdict} |\n",
        row.name,
        row.work,
        wall.ours,
        wall.kubo,
        wall.shown(),
        row.goal_wall,
        cpu.ours,
        cpu.kubo,
        cpu.shown(),
        row.goal_cpu,
        peak(true),
        peak(false),
    )
}

/// Ours or Kubo's measurements of a row; the order in a round is ours, Kubo, Kubo, ours.
fn sides(outcome: &Outcome, ours: bool) -> impl Iterator<Item = &Measure> {
    outcome.rounds.iter().flat_map(move |[a, b, c, d]| if ours { [a, d] } else { [b, c] })
}

struct Score {
    ours: f64,
    kubo: f64,
    times: f64,
    least: f64,
    most: f64,
}

impl Score {
    fn of(outcome: &Outcome, value: impl Fn(&Measure) -> f64) -> Self {
        let ours: Vec<f64> = sides(outcome, true).map(&value).collect();
        let kubo: Vec<f64> = sides(outcome, false).map(&value).collect();
        // CPU of a daemon is counted in hundredths of a second; less than one is one.
        let ratios: Vec<f64> = ours.iter().zip(&kubo).map(|(ours, kubo)| kubo / ours.max(0.000_1)).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        Self { ours: median(ours), kubo: median(kubo), times: median(ratios), least, most }
    }

    fn shown(&self) -> String {
        format!("{:.1} ({:.1} to {:.1})", self.times, self.least, self.most)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }
}
