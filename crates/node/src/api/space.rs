//! [`Space`]: what keeps how much, and whether all is well.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt;
use merkury_api::{
    Answer, ApiError, Extent, Finding, Forgotten, Health, KeptAs, KeptDag, Mfs, MfsEntry, Peers, Space, SpaceUsage,
};
use merkury_core::Cid;

use crate::config::{self, View};
use crate::inner::{Handle, Inner, blocking, store_error};

/// Free space below which nothing should be added.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Open files a busy node needs.
const FILES_MIN: u64 = 2048;
/// Files from further in the future than this mean that a clock is wrong.
const CLOCK_SLACK: Duration = Duration::from_secs(300);

fn extent(of: merkury_store::Extent) -> Extent {
    Extent { blocks: of.blocks, bytes: of.bytes }
}

impl Inner {
    fn kept_dags(&self, mfs: Vec<(String, Cid)>) -> Result<SpaceUsage, ApiError> {
        let store = self.store()?;
        let mut kept = Vec::new();
        for pin in store.pins().list().map_err(store_error)? {
            let pin = pin.map_err(store_error)?;
            if pin.kind == merkury_store::PinKind::Recursive {
                kept.push((pin.cid, KeptAs::Pin { name: pin.name }));
            }
        }
        kept.extend(mfs.into_iter().map(|(path, cid)| (cid, KeptAs::File { path })));
        let roots: Vec<Cid> = kept.iter().map(|(cid, _)| cid.clone()).collect();
        let usage = store.usage(&roots).map_err(store_error)?;
        let stat = store.stat();
        let dag = |((cid, kept_as), dag): ((Cid, KeptAs), merkury_store::DagUsage)| KeptDag {
            cid,
            kept_as,
            total: extent(dag.total),
            unique: extent(dag.unique),
            has_holes: dag.has_holes,
        };
        Ok(SpaceUsage {
            dags: kept.into_iter().zip(usage.dags).map(dag).collect(),
            together: extent(usage.together),
            stored: Extent { blocks: stat.blocks, bytes: stat.block_bytes },
            disk_bytes: stat.disk_bytes,
        })
    }

    fn forget_pin(&self, cid: &Cid, preview: bool) -> Result<Forgotten, ApiError> {
        let store = self.store()?;
        let pin = store.pins().get(cid).map_err(store_error)?;
        let pin = pin.ok_or_else(|| {
            ApiError::not_found(format!("{cid} is not pinned"))
                .hint("merkury pin ls --names lists what is")
                .hint(format!("merkury why {cid} says what keeps it"))
        })?;
        let usage = store.usage(std::slice::from_ref(cid)).map_err(store_error)?;
        let total = usage.dags.first().map(|dag| extent(dag.total)).unwrap_or_default();
        let freed = if preview {
            store.only_kept_by(cid).map_err(store_error)?
        } else {
            store.pins().remove(cid).map_err(store_error)?;
            store.remove_below(cid).map_err(store_error)?
        };
        Ok(Forgotten { cid: pin.cid, name: pin.name, freed: extent(freed), total })
    }
}

impl Space for Handle {
    fn usage(&self) -> Answer<'_, SpaceUsage> {
        Box::pin(async move {
            let entries: Vec<MfsEntry> = Mfs::list(self, "/".into(), true).await?.try_collect().await?;
            let entries =
                entries.into_iter().filter_map(|entry| Some((format!("/{}", entry.name), entry.cid?))).collect();
            let inner = self.inner.clone();
            blocking(move || inner.kept_dags(entries)).await
        })
    }

    fn forget(&self, cid: Cid, preview: bool) -> Answer<'_, Forgotten> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || inner.forget_pin(&cid, preview)))
    }

    fn checkup(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(async move {
            let inner = self.inner.clone();
            let mut findings = blocking(move || Ok(inner.local_checkup())).await?;
            findings.push(self.network_checkup().await);
            Ok(findings)
        })
    }
}

/// Bytes for a person: `22.1 GiB`.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut scaled, mut unit) = (bytes as f64, 0);
    while scaled >= 1024.0 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{scaled:.1} {}", units[unit]) }
}

fn good(area: &'static str, what: impl Into<String>) -> Finding {
    Finding { area, health: Health::Good, what: what.into(), next: None }
}

fn warning(area: &'static str, what: impl Into<String>, next: impl Into<String>) -> Finding {
    Finding { area, health: Health::Warning, what: what.into(), next: Some(next.into()) }
}

fn bad(area: &'static str, what: impl Into<String>, next: impl Into<String>) -> Finding {
    Finding { area, health: Health::Bad, what: what.into(), next: Some(next.into()) }
}

impl Inner {
    fn local_checkup(&self) -> Vec<Finding> {
        let mut findings = vec![self.check_config(), self.check_rights(), self.check_disk(), self.check_clock()];
        findings.push(self.check_store());
        findings.push(check_files());
        findings.extend(self.check_ports());
        findings
    }

    fn check_config(&self) -> Finding {
        let document = self.config.read();
        let identity = config::identity::read(&document);
        match config::check(&document).and(identity.map(|_| ())) {
            Ok(()) => good("config", format!("{} is usable", self.repo.path().join("config").display())),
            Err(error) => bad("config", error.to_string(), "merkury config edit, or merkury config KEY VALUE"),
        }
    }

    /// Private keys are for their owner alone.
    fn check_rights(&self) -> Finding {
        for name in ["config", "keystore"] {
            let path = self.repo.path().join(name);
            let Ok(stat) = std::fs::metadata(&path) else { continue };
            let mode = stat.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                let what =
                    format!("{} holds private keys and others may look into it (mode {mode:03o})", path.display());
                return warning("rights", what, format!("chmod go= {}", path.display()));
            }
        }
        good("rights", "private keys are for their owner alone")
    }

    fn check_disk(&self) -> Finding {
        let max = View(&self.config.read()).storage_max().unwrap_or(0);
        let used = self.store().map_or(0, |store| store.stat().disk_bytes);
        match self.repo.free_bytes() {
            Err(error) => bad("disk", format!("the file system does not answer: {error}"), "df -h"),
            Ok(free) if free < FREE_BYTES_MIN => {
                bad("disk", format!("{} are free on the disk", size(free)), "merkury repo gc, or make room on the disk")
            }
            Ok(_) if max > 0 && used > max => {
                let what = format!("the repository takes {}, over Datastore.StorageMax of {}", size(used), size(max));
                warning("disk", what, "merkury repo gc, or merkury config Datastore.StorageMax 50GB")
            }
            Ok(free) => good("disk", format!("{} used, {} free", size(used), size(free))),
        }
    }

    /// Nothing here was written in the future.
    fn check_clock(&self) -> Finding {
        let limit = SystemTime::now() + CLOCK_SLACK;
        for name in ["config", "version", "merkury/meta.log", "merkury/index"] {
            let path = self.repo.path().join(name);
            let Ok(written) = std::fs::metadata(&path).and_then(|stat| stat.modified()) else { continue };
            if written > limit {
                let what = format!("{} was written in the future: the clock is, or was, wrong", path.display());
                return warning("clock", what, "timedatectl status");
            }
        }
        good("clock", "nothing was written in the future")
    }

    fn check_store(&self) -> Finding {
        let store = match self.store() {
            Ok(store) => store,
            Err(error) => return bad("store", error.message, "merkury repo verify"),
        };
        let in_doubt = store.pins_in_doubt().ok().flatten();
        let metadata = store.metadata_damage().map(<[String]>::to_vec);
        let first = |damage: &[String]| damage.first().cloned();
        match (first(store.damage()), metadata, in_doubt) {
            (Some(damage), _, _) => bad("store", damage, "merkury repo verify"),
            (_, Err(error), _) => bad("store", error.to_string(), "merkury repo verify"),
            (_, _, Some(why)) => bad("store", format!("pins may be incomplete: {why}"), "merkury repo verify"),
            (_, Ok(damage), _) if !damage.is_empty() => {
                warning("store", damage.join("; "), "merkury pin ls, and pin again what is missing")
            }
            _ => good("store", format!("{} blocks, nothing found damaged", store.stat().blocks)),
        }
    }

    /// Without a network of our own the ports must be free; with one they are ours.
    fn check_ports(&self) -> Vec<Finding> {
        if self.net.get().is_some() {
            return Vec::new();
        }
        let document = self.config.read();
        let view = View(&document);
        let mut taken = Vec::new();
        for key in ["Addresses.API", "Addresses.Gateway", "Addresses.Swarm"] {
            for address in view.list(key).unwrap_or_default() {
                let Some(at) = tcp_address(&address) else { continue };
                if let Err(error) = TcpListener::bind(&at)
                    && error.kind() == std::io::ErrorKind::AddrInUse
                {
                    let what = format!("{at} ({key}) is taken by another program");
                    taken.push(warning(
                        "ports",
                        what,
                        format!("ss -ltnp 'sport = :{}'", at.rsplit(':').next().unwrap_or("")),
                    ));
                }
            }
        }
        if taken.is_empty() {
            taken.push(good("ports", "the ports of RPC, gateway and swarm are free"));
        }
        taken
    }
}

/// `host:port` of a multiaddr of plain TCP.
fn tcp_address(address: &str) -> Option<String> {
    let mut parts = address.split('/').skip(1);
    let (kind, host) = (parts.next()?, parts.next()?);
    let (transport, port) = (parts.next()?, parts.next()?);
    let is_plain = transport == "tcp" && parts.next().is_none() && port != "0";
    match kind {
        "ip4" if is_plain => Some(format!("{host}:{port}")),
        "ip6" if is_plain => Some(format!("[{host}]:{port}")),
        _ => None,
    }
}

/// How many files this process may open.
fn check_files() -> Finding {
    match merkury_store::open_files_max() {
        Some(limit) if limit < FILES_MIN => warning(
            "files",
            format!("only {limit} files may be open at a time"),
            format!("ulimit -n {}", 4 * FILES_MIN),
        ),
        Some(limit) => good("files", format!("{limit} files may be open at a time")),
        None => good("files", "any number of files may be open at a time"),
    }
}

impl Handle {
    async fn network_checkup(&self) -> Finding {
        if self.inner.net.get().is_none() {
            return warning(
                "network",
                "no daemon runs: this node neither asks peers nor answers them",
                "merkury daemon",
            );
        }
        let peers = self.connections().await.map_or(0, |peers| peers.len());
        let announced = self.announced().await.unwrap_or_default();
        let public = announced.iter().filter(|address| !address.contains("/127.0.0.1/") && !address.contains("/::1/"));
        match (peers, public.count()) {
            (0, _) => {
                warning("network", "no peer is connected", "merkury bootstrap list; merkury swarm connect ADDRESS")
            }
            (peers, 0) => warning(
                "network",
                format!("{peers} peers, and no address that others could reach this node at"),
                "merkury config --json Addresses.Announce '[\"/ip4/PUBLIC/tcp/4001\"]'",
            ),
            (peers, addresses) => good("network", format!("{peers} peers, announced at {addresses} addresses")),
        }
    }
}
