//! `provide stat`, and its older names `stats provide` and `stats reprovide`: how announcing stands, in Kubo's fields.
//!
//! This program announces CID by CID, where Kubo sweeps regions of the key space; regions stay empty, the rest counts
//! the same things.

use std::time::{Duration, SystemTime};

use merkury_api::ProvideStat as Stat;
use merkury_core::stamp::{Stamp, go_duration};

use super::prelude::*;
use crate::text::Table;

/// `provide stat`.
pub struct ProvideStat;
/// `stats provide`.
pub struct StatsProvide;
/// `stats reprovide`.
pub struct StatsReprovide;

/// Go's time that is none.
const NO_TIME: &str = "0001-01-01T00:00:00Z";
/// Records of a CID that a good announcement leaves.
const REPLICATION: u64 = 20;
/// As few free workers as this are said without being asked.
const FEW_WORKERS: u64 = 2;

/// The answer: one of the two.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProvideStats {
    /// With `Provide.DHT.SweepEnabled`.
    pub sweep: Option<Sweep>,
    /// Without.
    pub legacy: Option<Legacy>,
    /// Kubo's accelerated client; never here.
    #[serde(rename = "FullRT")]
    pub full_rt: bool,
}

macro_rules! fields {
    ($(#[$doc:meta] $name:ident { $($field:ident: $kind:ty),* $(,)? })*) => { $(
        #[$doc]
        #[derive(Debug, Default, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "the fields are Kubo's, and described in its provide-stats.md")]
        pub struct $name { $(pub $field: $kind),* }
    )* };
}

fields! {
    /// All there is.
    Sweep {
        closed: bool, connectivity: Connectivity, queues: Queues, schedule: Schedule, workers: Workers, timing: Timing,
        operations: Operations, network: Network,
    }
    /// Whether somebody could be told.
    Connectivity { status: String, since: String }
    /// What waits.
    Queues { pending_key_provides: u64, pending_region_provides: u64, pending_region_reprovides: u64 }
    /// What comes when.
    Schedule {
        keys: u64, regions: u64, avg_prefix_length: Float, next_reprovide_at: String, next_reprovide_prefix: String,
    }
    /// Who works.
    Workers {
        max: u64, active: u64, active_periodic: u64, active_burst: u64, dedicated_periodic: u64, dedicated_burst: u64,
        queued_periodic: u64, queued_burst: u64, max_provide_conns_per_worker: u64,
    }
    /// Times, in nanoseconds.
    Timing {
        uptime: u64, reprovides_interval: u64, cycle_start: String, current_time_offset: u64, max_reprovide_delay: u64,
    }
    /// What is and was done.
    Operations { ongoing: Ongoing, past: Past }
    /// What is being done.
    Ongoing { region_provides: u64, key_provides: u64, region_reprovides: u64, key_reprovides: u64 }
    /// What was done since the start.
    Past {
        records_provided: u64, keys_provided: u64, keys_failed: u64, keys_provided_per_minute: Float,
        keys_reprovided_per_minute: Float, reprovide_duration: u64, avg_keys_per_reprovide: Float,
        regions_reprovided_last_cycle: u64,
    }
    /// Who was told.
    Network {
        peers: u64, reachable: u64, complete_keyspace_coverage: bool, avg_region_size: Float, avg_holders: Float,
        replication_factor: u64,
    }
}

/// A number that Go writes without a fraction when it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Float(f64);

impl Serialize for Float {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < 1e15 {
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

/// Numbers of the provider that Kubo had before.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Legacy {
    /// CIDs that cycles announced.
    pub total_reprovides: u64,
    /// Of the last cycle.
    pub last_reprovide_batch_size: u64,
    /// Between cycles, in nanoseconds.
    pub reprovide_interval: u64,
    /// Of a CID, in nanoseconds.
    pub avg_reprovide_duration: u64,
    /// Of the last cycle, in nanoseconds.
    pub last_reprovide_duration: u64,
    /// When that ended.
    pub last_run: String,
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn written(time: Option<SystemTime>) -> String {
    time.map_or_else(|| NO_TIME.to_owned(), |time| Stamp::of(time).rfc3339())
}

fn per(sum: u64, count: u64) -> Float {
    Float(if count == 0 { 0.0 } else { sum as f64 / count as f64 })
}

fn legacy(stat: &Stat) -> Legacy {
    Legacy {
        total_reprovides: stat.made_in_cycles,
        last_reprovide_batch_size: stat.made_in_cycles.checked_div(stat.cycles).unwrap_or(0),
        reprovide_interval: nanoseconds(stat.interval),
        avg_reprovide_duration: nanoseconds(stat.cycles_took).checked_div(stat.made_in_cycles).unwrap_or(0),
        last_reprovide_duration: nanoseconds(stat.last_cycle_took),
        last_run: written(stat.cycle_ended),
    }
}

fn sweep(stat: &Stat) -> Sweep {
    let since = stat.cycle_started.and_then(|started| SystemTime::now().duration_since(started).ok());
    let offset = nanoseconds(since.unwrap_or_default()).checked_rem(nanoseconds(stat.interval)).unwrap_or(0);
    let (in_cycle, at_once) = if stat.cycle { (stat.working, 0) } else { (0, stat.working) };
    let status = if stat.online { "online" } else { "offline" };
    let scheduled = if stat.interval.is_zero() { 0 } else { stat.scheduled };
    let next = stat.cycle_started.filter(|_| stat.online && !stat.interval.is_zero()).map(|at| at + stat.interval);
    Sweep {
        closed: false,
        connectivity: Connectivity { status: status.into(), since: NO_TIME.into() },
        queues: Queues { pending_key_provides: stat.waiting, ..Queues::default() },
        schedule: Schedule {
            keys: scheduled,
            avg_prefix_length: Float(-1.0),
            next_reprovide_at: written(next),
            ..Schedule::default()
        },
        workers: Workers {
            max: stat.workers,
            active: stat.working,
            active_periodic: in_cycle,
            active_burst: at_once,
            max_provide_conns_per_worker: REPLICATION,
            ..Workers::default()
        },
        timing: Timing {
            uptime: nanoseconds(stat.uptime),
            reprovides_interval: nanoseconds(stat.interval),
            cycle_start: written(stat.cycle_started.filter(|_| !stat.interval.is_zero())),
            current_time_offset: offset,
            max_reprovide_delay: 0,
        },
        operations: Operations {
            ongoing: Ongoing { key_provides: at_once, key_reprovides: in_cycle, ..Ongoing::default() },
            past: Past {
                records_provided: stat.records,
                keys_provided: stat.made,
                keys_failed: stat.failed,
                ..Past::default()
            },
        },
        network: Network {
            avg_holders: per(stat.records, stat.made),
            replication_factor: REPLICATION,
            ..Network::default()
        },
    }
}

const OPTIONS: &[Opt] = &[
    Opt::flag(&["lan"], "Those in the local network alone."),
    Opt::flag(&["all", "a"], "Everything."),
    Opt::flag(&["compact"], "In two columns, with --all."),
    Opt::flag(&["connectivity"], "Whether the DHT is reached."),
    Opt::flag(&["network"], "Who was told."),
    Opt::flag(&["schedule"], "What comes when."),
    Opt::flag(&["timings"], "Times."),
    Opt::flag(&["workers"], "Workers."),
    Opt::flag(&["operations"], "Work done and going on."),
    Opt::flag(&["queues"], "Length of the queues."),
];

async fn run(cx: Cx, call: Call) -> Result<Reply<ProvideStats>, ApiError> {
    let stat = cx.api(&call)?.routing.provide_stat().await?;
    if stat.legacy && call.options.flag("lan") {
        return Err(ApiError::invalid("LAN stats only available for Sweep provider with Dual DHT"));
    }
    Ok(Reply::One(match stat.legacy {
        true => ProvideStats { sweep: None, legacy: Some(legacy(&stat)), full_rt: false },
        false => ProvideStats { sweep: Some(sweep(&stat)), legacy: None, full_rt: false },
    }))
}

/// A number as Go's humanize shows it: digits cut, thousands with commas.
fn full(value: f64, decimals: u32) -> String {
    let text = format!("{value:.6}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut with_commas = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            with_commas.push(',');
        }
        with_commas.push(digit);
    }
    let rest: String = rest.chars().take(decimals as usize).collect();
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { with_commas } else { format!("{with_commas}.{rest}") }
}

fn short(value: u64, decimals: u32) -> String {
    let mut value = value as f64;
    let mut unit = "";
    for next in ["k", "M", "G", "T", "P"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    format!("{}{unit}", full(value, decimals))
}

fn number(value: u64) -> String {
    let (short, full) = (short(value, 0), full(value as f64, 0));
    if short == full { short } else { format!("{short}\t({full})") }
}

fn or_none(value: f64) -> String {
    if value <= 0.0 { "N/A".into() } else { full(value, 1) }
}

fn span(nanos: u64) -> String {
    let step = if nanos > 1_000_000_000 { 100_000_000 } else { 1_000 };
    go_duration(Duration::from_nanos(nanos - nanos % step))
}

/// `2006-01-02 15:04:05`, of what [`written`] wrote.
fn moment(text: &str) -> String {
    if text == NO_TIME { "N/A".into() } else { text.chars().take(19).collect::<String>().replace('T', " ") }
}

/// Lines of the sections that were asked for: those of the left column, then those of the right one.
struct Sections {
    /// No section was asked for by name.
    brief: bool,
    headings: bool,
    compact: bool,
    columns: [Vec<String>; 2],
}

impl Sections {
    fn line(&mut self, column: usize, text: String) {
        let indent = if self.brief || !self.headings { "" } else { "  " };
        let text = format!("{indent}{text}");
        match self.compact {
            true => self.columns[column].push(text),
            false => self.columns[0].push(text.replacen(": ", ":\t", 1).replacen(", ", ",\t", 1)),
        }
    }

    fn title(&mut self, column: usize, title: &str) {
        if !self.brief && self.headings {
            self.columns[if self.compact { column } else { 0 }].push(format!("{title}:"));
        }
    }

    fn blank(&mut self, column: usize) {
        if !self.brief {
            self.columns[if self.compact { column } else { 0 }].push(String::new());
        }
    }
}

fn show_legacy(item: &Legacy, call: &Call, out: &mut Out<'_>) -> TextResult {
    if OPTIONS.iter().any(|option| option.names.first().is_some_and(|name| call.options.flag(name))) {
        return Err(ApiError::invalid("cannot use flags with legacy provide stats").into());
    }
    let mut table = Table::new(0);
    table.row(["TotalReprovides:".to_owned(), number(item.total_reprovides)]);
    table.row(["AvgReprovideDuration:".to_owned(), span(item.avg_reprovide_duration)]);
    table.row(["LastReprovideDuration:".to_owned(), span(item.last_reprovide_duration)]);
    if item.last_run != NO_TIME {
        table.row(["LastReprovide:".to_owned(), moment(&item.last_run)]);
    }
    Ok(out.put(table.render())?)
}

fn show(item: &ProvideStats, call: &Call, out: &mut Out<'_>) -> TextResult {
    if let Some(legacy) = &item.legacy {
        return show_legacy(legacy, call, out);
    }
    let Some(sweep) = &item.sweep else { return Err(ApiError::internal("no provide stats available").into()) };
    let flag = |name: &str| call.options.flag(name);
    let names = ["all", "connectivity", "queues", "schedule", "network", "timings", "operations", "workers"];
    let asked = names.into_iter().filter(|name| flag(name)).count();
    let all = flag("all");
    if flag("compact") && !all {
        return Err(ApiError::invalid("--compact requires --all flag").into());
    }
    let mut sections = Sections {
        brief: asked == 0,
        headings: asked > 1 || all,
        compact: flag("compact"),
        columns: Default::default(),
    };
    let brief = sections.brief;
    if all || flag("connectivity") || (brief && sweep.connectivity.status != "online") {
        sections.title(1, "Connectivity");
        sections.line(1, format!("Status: {}", sweep.connectivity.status));
        sections.blank(1);
    }
    if all || flag("queues") || brief {
        queues(&mut sections, &sweep.queues);
    }
    if all || flag("schedule") || brief {
        schedule(&mut sections, &sweep.schedule);
    }
    if all || flag("timings") {
        timings(&mut sections, &sweep.timing);
    }
    if all || flag("network") || brief {
        network(&mut sections, &sweep.network);
    }
    if all || flag("operations") || brief {
        operations(&mut sections, &sweep.operations);
    }
    workers(&mut sections, &sweep.workers, all || flag("workers"));
    print(sections, out)
}

fn queues(sections: &mut Sections, queues: &Queues) {
    sections.title(1, "Queues");
    let (keys, regions) = (short(queues.pending_key_provides, 1), short(queues.pending_region_provides, 1));
    sections.line(1, format!("Provide queue: {keys} CIDs, {regions} regions"));
    sections.line(1, format!("Reprovide queue: {} regions", short(queues.pending_region_reprovides, 1)));
    sections.blank(1);
}

fn schedule(sections: &mut Sections, schedule: &Schedule) {
    sections.title(0, "Schedule");
    sections.line(0, format!("CIDs scheduled: {}", number(schedule.keys)));
    let regions = if schedule.regions == 0 { "N/A".into() } else { number(schedule.regions) };
    sections.line(0, format!("Regions scheduled: {regions}"));
    if !sections.brief {
        sections.line(0, format!("Avg prefix length: {}", or_none(schedule.avg_prefix_length.0)));
        let prefix = &schedule.next_reprovide_prefix;
        sections.line(0, format!("Next region prefix: {}", if prefix.is_empty() { "N/A" } else { prefix }));
        let next = moment(&schedule.next_reprovide_at);
        sections.line(0, format!("Next region reprovide: {}", next.rsplit(' ').next().unwrap_or("N/A")));
    }
    sections.blank(0);
}

fn timings(sections: &mut Sections, timing: &Timing) {
    sections.title(1, "Timings");
    let started = SystemTime::now().checked_sub(Duration::from_nanos(timing.uptime));
    sections.line(1, format!("Uptime: {} ({})", span(timing.uptime), moment(&written(started))));
    sections.line(1, format!("Current time offset: {}", span(timing.current_time_offset)));
    sections.line(1, format!("Cycle started: {}", moment(&timing.cycle_start)));
    sections.line(1, format!("Reprovide interval: {}", span(timing.reprovides_interval)));
    sections.blank(1);
}

fn network(sections: &mut Sections, network: &Network) {
    sections.title(0, "Network");
    sections.line(0, format!("Avg record holders: {}", or_none(network.avg_holders.0)));
    if sections.brief {
        return;
    }
    sections.line(0, format!("Peers swept: {}", full(network.peers as f64, 0)));
    sections.line(0, format!("Full keyspace coverage: {}", network.complete_keyspace_coverage));
    sections.line(0, format!("Reachable peers: {}", full(network.reachable as f64, 0)));
    sections.line(0, format!("Avg region size: {}", or_none(network.avg_region_size.0)));
    sections.line(0, format!("Replication factor: {}", number(network.replication_factor)));
    sections.blank(0);
}

fn operations(sections: &mut Sections, operations: &Operations) {
    sections.title(1, "Operations");
    let (now, past) = (&operations.ongoing, &operations.past);
    let (keys, regions) = (short(now.key_provides, 1), short(now.region_provides, 1));
    sections.line(1, format!("Ongoing provides: {keys} CIDs, {regions} regions"));
    let (keys, regions) = (short(now.key_reprovides, 1), short(now.region_reprovides, 1));
    sections.line(1, format!("Ongoing reprovides: {keys} CIDs, {regions} regions"));
    sections.line(1, format!("Total CIDs provided: {}", number(past.keys_provided)));
    if sections.brief {
        return;
    }
    sections.line(1, format!("Total records provided: {}", number(past.records_provided)));
    sections.line(1, format!("Total provide errors: {}", number(past.keys_failed)));
    sections.line(1, format!("CIDs provided/min/worker: {}", or_none(past.keys_provided_per_minute.0)));
    sections.line(1, format!("CIDs reprovided/min/worker: {}", or_none(past.keys_reprovided_per_minute.0)));
    let took = if past.reprovide_duration == 0 { "N/A".into() } else { span(past.reprovide_duration) };
    sections.line(1, format!("Region reprovide duration: {took}"));
    sections.line(1, format!("Avg CIDs/reprovide: {}", or_none(past.avg_keys_per_reprovide.0)));
    sections.line(1, format!("Regions reprovided (last cycle): {}", number(past.regions_reprovided_last_cycle)));
    sections.blank(1);
}

fn workers(sections: &mut Sections, workers: &Workers, is_asked: bool) {
    let taken =
        workers.dedicated_burst.max(workers.active_burst) + workers.dedicated_periodic.max(workers.active_periodic);
    let free = workers.max.saturating_sub(taken);
    let burst = free + workers.dedicated_burst.saturating_sub(workers.active_burst);
    let periodic = free + workers.dedicated_periodic.saturating_sub(workers.active_periodic);
    if !is_asked && (!sections.brief || (burst > FEW_WORKERS && periodic > FEW_WORKERS)) {
        return;
    }
    sections.title(0, "Workers");
    let word = if sections.compact { "" } else { " workers" };
    sections.line(0, format!("Active{word}: {} / {} (max)", workers.active, workers.max));
    if sections.brief {
        let (active, queued) = (workers.active_periodic, workers.queued_periodic);
        sections.line(0, format!("Periodic{word}: {active} active, {periodic} available, {queued} queued"));
        let (active, queued) = (workers.active_burst, workers.queued_burst);
        sections.line(0, format!("Burst{word}: {active} active, {burst} available, {queued} queued"));
        return;
    }
    sections.line(0, format!("Free{word}: {free}"));
    // Padded by hand: tabs do not reach into these.
    let mut row = |name: &str, left: String, right: String| {
        let indent = if sections.headings { "  " } else { "" };
        let text = format!("{indent}  {name:<14} {left:<9} {right}");
        sections.columns[0].push(text);
    };
    row("Workers stats:", "Periodic".into(), "Burst".into());
    row("Active:", workers.active_periodic.to_string(), workers.active_burst.to_string());
    row("Dedicated:", workers.dedicated_periodic.to_string(), workers.dedicated_burst.to_string());
    row("Available:", periodic.to_string(), burst.to_string());
    row("Queued:", workers.queued_periodic.to_string(), workers.queued_burst.to_string());
    sections.line(0, format!("Max connections/worker: {}", workers.max_provide_conns_per_worker));
    sections.blank(0);
}

fn print(sections: Sections, out: &mut Out<'_>) -> TextResult {
    let [mut left, right] = sections.columns;
    let mut table = Table::new(0);
    if sections.compact {
        let width = left.iter().map(|line| line.chars().count()).max().unwrap_or(0) + 2;
        // The last line of the longer column is empty.
        let rows = left.len().max(right.len()).saturating_sub(1);
        for row in 0..rows {
            let cell = |column: &[String]| column.get(row).cloned().unwrap_or_default();
            let line = format!("{:<width$} {}", cell(&left), cell(&right));
            table.row(line.split('\t'));
        }
        return Ok(out.put(table.render())?);
    }
    if !sections.brief {
        left.pop();
    }
    left.iter().for_each(|line| table.row(line.split('\t')));
    Ok(out.put(table.render())?)
}

macro_rules! op {
    ($name:ident, $path:literal, $example:literal, $tier:ident) => {
        impl Op for $name {
            const SPEC: &'static Spec = &Spec {
                path: $path,
                about: "Print how announcing stands.",
                examples: &[$example],
                options: OPTIONS,
                tier: Tier::$tier,
                ..Spec::READ
            };
            type Item = ProvideStats;
            type Text = ();

            fn run(cx: Cx, request: Request) -> Running<ProvideStats> {
                Box::pin(run(cx, request.call))
            }

            fn text(item: ProvideStats, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
                show(&item, call, out)
            }
        }
    };
}

op!(ProvideStat, "provide/stat", "ipfs provide stat --all", Common);
op!(StatsProvide, "stats/provide", "ipfs stats provide", Deprecated);
op!(StatsReprovide, "stats/reprovide", "ipfs stats reprovide", Deprecated);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_go_shows_them() {
        assert_eq!((number(999), number(1234)), ("999".to_owned(), "1k\t(1,234)".to_owned()));
        assert_eq!((short(1550, 1), short(0, 1)), ("1.5k".to_owned(), "0".to_owned()));
        assert_eq!((or_none(-1.0), or_none(19.96)), ("N/A".to_owned(), "19.9".to_owned()));
        assert_eq!(span(620_540_123), "620.54ms");
        assert_eq!(moment("2026-11-24T21:33:53.9Z"), "2026-11-24 21:33:53");
    }
}
