//! Sessions of nodes that are gone, and what a node does that was thought to be.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::watch::SETTLED;
use super::{Away, Gone, Held, Hub, Table};
use crate::Role;
use crate::endpoint::Series;
use crate::line::Order;
use crate::resume::logical::{Debt, Logical};
use crate::resume::replay::Seq;
use crate::resume::store::{Adopted, Before, Detached, Record, Save};
use crate::sessions::Sessions;

/// A session of a node that is gone.
pub(super) struct Orphan {
    pub(super) record: Record,
    pub(super) series: Arc<Series>,
    /// When it was adopted.
    since: u64,
    /// Whether the store has to be asked whether it is still ours.
    is_in_doubt: bool,
}

impl Orphan {
    /// When it was last heard.
    pub(super) fn at(&self) -> u64 {
        let Record {
            detached, heard, ..
        } = &self.record;
        detached.map_or(*heard, |detached| detached.at)
    }

    pub(super) fn is_counted(&self) -> bool {
        self.record.detached.is_none_or(|detached| detached.counted)
    }

    /// Tells the store what it knows, and that we count it from now on, or not yet.
    fn save(&self, counts: bool) -> Save {
        let record = &self.record;
        let counted = |detached: Detached| Detached {
            counted: counts || detached.counted,
            ..detached
        };
        Save {
            sid: record.sid,
            node: record.node,
            generation: record.generation,
            confirmed: record.good == record.generation,
            heard: record.heard,
            sent: record.sent,
            acked: record.acked,
            base: record.acked,
            mark: None,
            complete: record.complete,
            detached: record.detached.map(counted),
            entries: Vec::new(),
        }
    }
}

impl Hub {
    pub(super) fn strange(&self, sid: u128, generation: u32) {
        if let Some(strangers) = &mut *self.strangers() {
            strangers.insert(sid, generation);
        }
    }

    fn strangers(&self) -> MutexGuard<'_, Option<HashMap<u128, u32>>> {
        let strangers = self.strangers.lock();
        strangers.unwrap_or_else(PoisonError::into_inner)
    }

    /// The store is about to be asked for orphans: one may be claimed from us before we know that
    /// we have it.
    pub(crate) fn expects_orphans(&self) {
        *self.strangers() = Some(HashMap::new());
    }

    pub(crate) fn adopted_all(&self, sessions: &Sessions, orphans: Vec<Adopted>) {
        for orphan in orphans {
            self.adopted(sessions, orphan.record);
        }
        *self.strangers() = None;
    }

    /// The node of this session is gone; it is ours to watch.
    fn adopted(&self, sessions: &Sessions, record: Record) {
        let series = sessions.series_named(&record.endpoint, Role::Server);
        let sid = record.sid;
        let mut table = self.lock();
        let held = table.held.get(&sid).and_then(Held::generation);
        let told = self
            .strangers()
            .as_ref()
            .and_then(|all| all.get(&sid).copied());
        let is_later = |other: u32| Seq(other).since(Seq(record.generation));
        // Its client was faster: it has claimed here or elsewhere what the store had just given us.
        let is_over = held.and_then(is_later).is_some_and(|ahead| ahead > 0);
        if is_over || self.is_gone(sid) {
            // That it lost the connection before is ours by now if it is nobody's yet.
            return self.owe(&table, &record);
        }
        if told.and_then(is_later).is_some() {
            return;
        }
        // Of one that only we know nobody else can count anything.
        let ours = table.held.get(&sid).and_then(Held::is_known) == Some(false);
        self.leave_behind(&mut table, sid, ours, Order::Elsewhere);
        self.watch(&mut table, series, record, false);
    }

    /// A session that was claimed for nothing waits on, and the store is told.
    pub(crate) fn put_back(&self, sessions: &Sessions, record: Record) {
        let series = sessions.series_named(&record.endpoint, Role::Server);
        let mut table = self.lock();
        if !table.held.contains_key(&record.sid) {
            self.watch(&mut table, series, record, true);
        }
    }

    fn watch(&self, table: &mut Table, series: Arc<Series>, record: Record, is_in_doubt: bool) {
        let sid = record.sid;
        let orphan = Orphan {
            record,
            series,
            since: self.now(),
            is_in_doubt,
        };
        if orphan.is_counted() {
            orphan.series.detached(1);
        }
        table.waiting.insert((orphan.at(), sid));
        table.held.insert(sid, Held::Adopted(Box::new(orphan)));
    }

    /// The store has given us what we have gone on with, or have ended.
    fn owe(&self, table: &Table, record: &Record) {
        let counted = record.is_counted();
        let settle = |debt: &mut Debt, series: &Series| match debt {
            Debt::Own | Debt::Return if counted => *debt = Debt::None,
            Debt::Own | Debt::Return => *debt = Debt::Own,
            Debt::Conflict if counted => {
                std::mem::take(debt).settle(Some(Before::Others { counted }), series);
            }
            Debt::None | Debt::Conflict | Debt::End => {}
        };
        let signal = table.held.get(&record.sid).and_then(Held::signal);
        if let Some(signal) = signal {
            signal.logical(|logical| settle(&mut logical.debt, &signal.series));
        }
        if let Some(Gone { debt, series, .. }) = self.gone().get_mut(&record.sid) {
            settle(debt, series);
        }
    }

    /// What the store is to be asked about orphans: that we count those that nobody has taken back,
    /// and whether those that are in doubt are still ours.
    pub(crate) fn orphans(&self, now: u64) -> Vec<Save> {
        let mut table = self.lock();
        let orphans = table.held.values_mut().filter_map(|held| match held {
            Held::Adopted(orphan) => Some(orphan),
            _ => None,
        });
        let asked = orphans.filter_map(|orphan| {
            let is_settled = now > orphan.since.saturating_add(SETTLED);
            let counts = is_settled && !orphan.is_counted();
            let is_asked = std::mem::take(&mut orphan.is_in_doubt) || counts;
            is_asked.then(|| orphan.save(is_settled))
        });
        asked.collect()
    }

    /// An orphan is still ours.
    pub(crate) fn is_settled(&self, save: &Save) {
        let mut table = self.lock();
        if let Some(Held::Adopted(orphan)) = table.held.get_mut(&save.sid)
            && orphan.record.generation == save.generation
            && !orphan.is_counted()
            && save.detached.is_some_and(|detached| detached.counted)
        {
            orphan.record.detached = save.detached;
            orphan.series.detached(1);
            orphan.series.detachment();
        }
    }

    /// The store could not be asked for these.
    pub(crate) fn doubt_orphans(&self, saves: &[Save]) {
        let mut table = self.lock();
        for save in saves {
            if let Some(Held::Adopted(orphan)) = table.held.get_mut(&save.sid) {
                orphan.is_in_doubt = true;
            }
        }
    }

    /// Our lease was over: the store has to be asked for everything that we hold.
    pub(crate) fn doubt(&self) {
        let mut table = self.lock();
        for held in table.held.values_mut() {
            match held {
                Held::Adopted(orphan) => orphan.is_in_doubt = true,
                Held::Attached(signal) | Held::Detached(Away { signal, .. }) => {
                    signal.logical(Logical::touch);
                }
            }
        }
    }
}
