//! Queue, spool and journal against a simple map: whatever is done to them, in whatever order and however they are stopped,
//! damaged or left without room, they say what the map says.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::spool::Part;

/// Where a delivery stands, as the map has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Waiting,
    Sending,
    Delivered,
    Refused,
    Doubt,
    Damaged,
    /// Another visit says the same.
    Twice,
    Dropped,
    Superseded,
}

impl Is {
    fn of(state: &State) -> Self {
        match state {
            State::Waiting { .. } => Self::Waiting,
            State::Sending { .. } => Self::Sending,
            State::Delivered(_) => Self::Delivered,
            State::Superseded { .. } => Self::Superseded,
            State::Parked(reason) => match reason.kind {
                ReasonKind::InDoubt => Self::Doubt,
                ReasonKind::Damaged => Self::Damaged,
                ReasonKind::Twice => Self::Twice,
                ReasonKind::Dropped => Self::Dropped,
                _ => Self::Refused,
            },
        }
    }

    fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Dropped | Self::Superseded)
    }
}

#[derive(Debug, Clone)]
struct Known {
    record: RecordId,
    visit: u8,
    content: u8,
    export: u8,
    is: Is,
    /// Let go.
    gone: bool,
}

#[derive(Debug, Clone)]
enum Act {
    /// An export of these visits, each with its content; 0: not in it.
    Accept([u8; 4]),
    Take(usize),
    Settle(usize, Is),
    Retry(usize),
    Drop(usize),
    Found(usize),
    Resend(usize),
    /// The batch of the export of this delivery is overwritten, found so, and made anew.
    Damage(usize),
    Full(bool),
    LetGo,
    Compact,
    Snapshot,
    Stop(How),
}

#[derive(Debug, Clone, Copy)]
enum How {
    InOrder,
    AllAtOnce,
    WithoutIndex,
    BrokenIndex,
    WithoutSnapshots,
    BrokenSnapshot,
}

fn act() -> impl Strategy<Value = Act> {
    let end = prop_oneof![
        4 => Just(Is::Delivered),
        1 => Just(Is::Refused),
        1 => Just(Is::Doubt),
        1 => Just(Is::Waiting),
    ];
    let how = prop_oneof![
        Just(How::InOrder),
        Just(How::AllAtOnce),
        Just(How::WithoutIndex),
        Just(How::BrokenIndex),
        Just(How::WithoutSnapshots),
        Just(How::BrokenSnapshot),
    ];
    let nth = 0usize..64;
    prop_oneof![
        6 => proptest::array::uniform4(0u8..3).prop_map(Act::Accept),
        6 => (1usize..5).prop_map(Act::Take),
        8 => (nth.clone(), end).prop_map(|(nth, end)| Act::Settle(nth, end)),
        1 => nth.clone().prop_map(Act::Retry),
        1 => nth.clone().prop_map(Act::Drop),
        1 => nth.clone().prop_map(Act::Found),
        1 => nth.clone().prop_map(Act::Resend),
        2 => nth.prop_map(Act::Damage),
        2 => any::<bool>().prop_map(Act::Full),
        2 => Just(Act::LetGo),
        2 => Just(Act::Compact),
        1 => Just(Act::Snapshot),
        4 => how.prop_map(Act::Stop),
    ]
}

struct Model {
    world: World,
    known: Vec<Known>,
    /// Exports by their number, with the visits in them.
    exports: BTreeMap<u8, Vec<(u8, u8)>>,
    on_their_way: Vec<Taken>,
    full: bool,
}

impl Model {
    fn id(&self, nth: usize) -> Option<(usize, DeliveryId)> {
        let nth = nth.checked_rem(self.known.len())?;
        let record = self.known[nth].record;
        Some((
            nth,
            DeliveryId {
                record,
                endpoint: vhr(),
            },
        ))
    }

    fn has_newer(&self, nth: usize) -> bool {
        self.known[nth + 1..]
            .iter()
            .any(|other| other.visit == self.known[nth].visit)
    }

    /// Whether the other visit of its pair says the same at the endpoint, and nothing of its own does.
    fn has_twin(&self, visit: u8, content: u8) -> bool {
        let last = |known: &Known| self.known.iter().rposition(|other| other.visit == known.visit);
        let same = self.known.iter().enumerate().filter(|(nth, known)| {
            let replaced = last(known).is_some_and(|last| last > *nth && self.known[last].is == Is::Delivered);
            (known.visit.div_ceil(2), known.content) == (visit.div_ceil(2), content) && !replaced
        });
        let goes = |is| matches!(is, Is::Waiting | Is::Sending | Is::Delivered | Is::Doubt);
        let (own, others): (Vec<_>, Vec<_>) = same.map(|(_, known)| known).partition(|known| known.visit == visit);
        others.iter().any(|other| goes(other.is) || other.is == Is::Damaged) && !own.iter().any(|own| goes(own.is))
    }

    fn nth(&self, record: RecordId) -> usize {
        self.known.iter().position(|known| known.record == record).unwrap()
    }

    async fn act(mut self, act: Act) -> Self {
        match act {
            Act::Accept(contents) => self.accept(contents).await,
            Act::Take(want) => self.take(want).await,
            Act::Settle(nth, end) => self.settle(nth, end).await,
            Act::Retry(nth) => self.retry(nth).await,
            Act::Drop(nth) => {
                let may = |is| {
                    matches!(
                        is,
                        Is::Waiting | Is::Refused | Is::Doubt | Is::Damaged | Is::Twice | Is::Dropped
                    )
                };
                self.ask(nth, Is::Dropped, may, |state| state.drop_for("no".into(), at(0)))
                    .await;
            }
            Act::Found(nth) => {
                let may = |is| is == Is::Doubt;
                self.ask(nth, Is::Delivered, may, |state| state.found(receipt())).await;
            }
            Act::Resend(nth) => {
                let newer = self.id(nth).is_some_and(|(nth, _)| self.has_newer(nth));
                let may = |is| is == Is::Delivered && !newer;
                self.ask(nth, Is::Waiting, may, |state| state.resend(at(0))).await;
            }
            Act::Damage(nth) => self.damage(nth).await,
            Act::Full(full) => {
                self.full = full;
                self.world.queue.set_full(full);
            }
            Act::LetGo => self.let_go().await,
            Act::Compact if self.full => {}
            Act::Compact => while self.world.queue.compact(YEARS, at(6)).await.unwrap().is_some() {},
            Act::Snapshot => self.world.queue.snapshot(true).await.unwrap(),
            Act::Stop(how) => self = self.stop(how).await,
        }
        self
    }

    async fn accept(&mut self, contents: [u8; 4]) {
        let export = u8::try_from(self.exports.len() + 1).unwrap();
        let visits: Vec<(u8, u8)> = (0..4).zip(contents).filter(|(_, content)| *content > 0).collect();
        if self.full {
            let refused = self
                .world
                .try_accept_as(export, &visits, Begin::Once)
                .await
                .unwrap_err();
            assert!(refused.is_full());
            return;
        }
        let records = self.world.try_accept_as(export, &visits, Begin::Once).await.unwrap();
        self.exports.insert(export, visits.clone());
        for ((visit, content), record) in visits.into_iter().zip(records) {
            let newest = self.known.iter().rev().find(|known| known.visit == visit);
            let stands = |is| matches!(is, Is::Waiting | Is::Sending | Is::Delivered | Is::Doubt);
            if newest.is_some_and(|newest| newest.content == content && stands(newest.is)) {
                continue;
            }
            let is = if self.has_twin(visit, content) {
                Is::Twice
            } else {
                Is::Waiting
            };
            for older in self.known.iter_mut().filter(|known| known.visit == visit) {
                if !older.is.is_final() && older.is != Is::Sending {
                    older.is = Is::Superseded;
                }
            }
            self.known.push(Known {
                record,
                visit,
                content,
                export,
                is,
                gone: false,
            });
        }
    }

    async fn take(&mut self, want: usize) {
        let chosen = self
            .world
            .queue
            .choose(&vhr(), at(1), None, want, |_| true)
            .await
            .unwrap();
        let moving = |known: &Known| matches!(known.is, Is::Waiting | Is::Sending);
        let oldest = |known: &&Known| {
            let first = self
                .known
                .iter()
                .find(|other| other.visit == known.visit && moving(other));
            known.is == Is::Waiting && first.is_some_and(|first| first.record == known.record)
        };
        let wanted: Vec<RecordId> = self
            .known
            .iter()
            .filter(oldest)
            .map(|known| known.record)
            .take(want)
            .collect();
        let records: Vec<RecordId> = chosen.iter().map(|taken| taken.id.record).collect();
        assert_eq!(records, wanted);
        for taken in chosen {
            let begun = self.world.queue.start(&taken, Sync::Now, at(1)).await;
            assert_eq!(begun.is_err(), self.full);
            if self.full {
                self.world.queue.release(&taken.id);
                continue;
            }
            let nth = self.nth(taken.id.record);
            self.known[nth].is = Is::Sending;
            self.on_their_way.push(taken);
        }
    }

    async fn settle(&mut self, nth: usize, end: Is) {
        let Some(nth) = nth.checked_rem(self.on_their_way.len()) else {
            return;
        };
        let state = match end {
            Is::Delivered => State::Delivered(receipt()),
            Is::Waiting => State::Waiting {
                attempt: 1,
                not_before: at(0),
                last: None,
            },
            Is::Doubt => State::park(ReasonKind::InDoubt, "no answer".into(), at(0)),
            Is::Damaged => State::park(ReasonKind::Damaged, "damaged".into(), at(0)),
            _ => State::park(ReasonKind::Refused, "no".into(), at(0)),
        };
        let taken = self.on_their_way[nth].clone();
        let settled = self.world.queue.settle(&taken.id, state, at(2)).await;
        assert_eq!(settled.is_err(), self.full);
        if self.full {
            return;
        }
        self.on_their_way.remove(nth);
        let nth = self.nth(taken.id.record);
        let overtaken = end != Is::Delivered && self.has_newer(nth);
        self.known[nth].is = if overtaken { Is::Superseded } else { end };
    }

    async fn retry(&mut self, nth: usize) {
        let newer = self.id(nth).is_some_and(|(nth, _)| self.has_newer(nth));
        let parked = |is| {
            matches!(
                is,
                Is::Waiting | Is::Refused | Is::Doubt | Is::Damaged | Is::Twice | Is::Dropped
            )
        };
        self.ask(nth, Is::Waiting, |is| parked(is) && !newer, |state| state.retry(at(0)))
            .await;
    }

    /// A person's step, that must be taken where the map says so, and only there.
    async fn ask(
        &mut self,
        nth: usize,
        to: Is,
        may: impl Fn(Is) -> bool,
        step: impl FnOnce(&State) -> Result<State, vhr_core::delivery::IllegalStep>,
    ) {
        let Some((nth, id)) = self.id(nth) else { return };
        let may = !self.known[nth].gone && !self.full && may(self.known[nth].is);
        let asked = self.world.queue.ask(&id, Some("asked to"), at(0), step).await;
        assert_eq!(asked.is_ok(), may, "{:?}: {asked:?}", self.known[nth]);
        if may {
            self.known[nth].is = to;
        }
    }

    async fn damage(&mut self, nth: usize) {
        let Some((nth, _)) = self.id(nth) else { return };
        let Known { export, gone, .. } = self.known[nth];
        if gone || self.full {
            return;
        }
        let id = ExportId::from_bytes([export; 32]);
        let path = self.world.folder.path().join("spool/out").join(id.to_string());
        let size = std::fs::metadata(&path).unwrap().len() as usize;
        std::fs::write(&path, vec![0; size]).unwrap();
        for nth in (0..self.on_their_way.len()).rev() {
            if self.known[self.nth(self.on_their_way[nth].id.record)].export == export {
                self.settle(nth, Is::Damaged).await;
            }
        }
        assert!(self.world.spool.batch(id).is_err());
        self.world
            .spool
            .set_aside(Part::Out, id, "it does not read", at(3))
            .unwrap();
        let index = self.world.write_batch(export, &self.exports[&export]);
        self.world.queue.moved(id, &index.mapped, at(3)).await.unwrap();
        self.world.queue.mended(id, at(0)).await.unwrap();
        for nth in 0..self.known.len() {
            if (self.known[nth].export, self.known[nth].is) == (export, Is::Damaged) && !self.has_newer(nth) {
                self.known[nth].is = Is::Waiting;
            }
        }
    }

    async fn let_go(&mut self) {
        if self.full {
            return;
        }
        let mut ended: Vec<u8> = self.exports.keys().copied().collect();
        ended.retain(|export| {
            let mut of = self.known.iter().filter(|known| known.export == *export);
            of.all(|known| known.is.is_final() && !known.gone)
        });
        let resting = self.world.queue.resting(at(1_000_000)).unwrap();
        for export in &resting {
            assert!(self.world.queue.let_go(*export, &HashMap::new(), at(5)).await.unwrap());
            self.world.spool.remove(*export).unwrap();
        }
        for known in &mut self.known {
            known.gone |= ended.contains(&known.export);
        }
    }

    async fn stop(mut self, how: How) -> Self {
        if let How::InOrder = how {
            self.world.queue.snapshot(true).await.unwrap();
        }
        self.world = self.world.reopen_after(|state| match how {
            How::InOrder | How::AllAtOnce => {}
            How::WithoutIndex => std::fs::remove_dir_all(state.join("index")).unwrap(),
            How::BrokenIndex => {
                for file in std::fs::read_dir(state.join("index")).unwrap().flatten() {
                    if file.path().is_file() {
                        std::fs::write(file.path(), "not an index any more").unwrap();
                    }
                }
            }
            How::WithoutSnapshots => drop(std::fs::remove_dir_all(state.join("snapshots"))),
            How::BrokenSnapshot => break_newest(&state.join("snapshots")),
        });
        self.full = false;
        self.on_their_way.clear();
        self.check();
        let policy = RetryPolicy {
            first: Duration::ZERO,
            ..RetryPolicy::default()
        };
        self.world
            .queue
            .recover(&vhr(), InDoubt::Resend, &policy, at(0))
            .await
            .unwrap();
        for known in &mut self.known {
            if known.is == Is::Sending {
                known.is = Is::Waiting;
            }
        }
        self
    }

    /// They say the same.
    fn check(&self) {
        let mut tally = Tally::default();
        for known in &self.known {
            *match known.is {
                Is::Waiting => &mut tally.waiting,
                Is::Sending => &mut tally.sending,
                Is::Delivered => &mut tally.delivered,
                Is::Refused | Is::Doubt | Is::Damaged | Is::Twice => &mut tally.parked,
                Is::Dropped => &mut tally.dropped,
                Is::Superseded => &mut tally.superseded,
            } += 1;
            let id = DeliveryId {
                record: known.record,
                endpoint: vhr(),
            };
            let found = self.world.queue.delivery(&id).unwrap();
            let is = found.map(|row| Is::of(&row.state));
            assert_eq!(is, (!known.gone).then_some(known.is), "{known:?}");
            if !known.gone {
                let place = self.world.queue.place(known.record).unwrap().unwrap();
                let mut batch = self.world.spool.batch(place.export).unwrap();
                let record = batch.record(known.record, place.row.offset, place.row.length).unwrap();
                assert_eq!(record.head.key.visit, format!("LK{}", known.visit));
            }
        }
        assert_eq!(self.world.queue.tally(&vhr()), tally);
        for export in self.exports.keys() {
            assert!(
                self.world
                    .queue
                    .counts(ExportId::from_bytes([*export; 32]))
                    .unwrap()
                    .is_some()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn queue_spool_and_journal_say_what_a_simple_map_says(acts in proptest::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut model = Model {
                world: World::new(),
                known: Vec::new(),
                exports: BTreeMap::new(),
                on_their_way: Vec::new(),
                full: false,
            };
            for act in acts {
                model = model.act(act).await;
                model.check();
            }
        });
    }
}
