//! Three nodes that do what comes to mind, beside a model of what must come of it.

use std::collections::{BTreeMap, BTreeSet};

use campanile_ws::resume::store::{
    Before, Claimed, End, NodeId, Opened, Record, Save, Saved, SessionStore,
};

use crate::make::*;

/// Three nodes do what comes to mind; a model of a few lines knows who must win.
pub(crate) async fn random_histories_keep_their_identities(store: impl SessionStore) {
    for seed in 0..8 {
        history(&store, seed).await;
    }
}

async fn history(store: &impl SessionStore, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let nodes = [A, B, C].map(|node| NodeId(node.0 ^ (seed << 32)));
    for node in nodes {
        store.beat(node, now(), LONG).await.unwrap();
    }
    let base = u128::from(seed) << 64;
    let mut model: BTreeMap<u128, Record> = BTreeMap::new();
    let mut ended: BTreeMap<u128, u32> = BTreeMap::new();
    for step in 0..250 {
        let sid = base + u128::from(random.u32(0..6));
        let node = nodes[random.usize(0..3)];
        let known = model.get(&sid).cloned();
        match (random.u32(0..6), known) {
            (0, known) => {
                let generation = random.u32(1..6);
                let opened = Record {
                    generation,
                    ..record(sid, node)
                };
                let is_over = ended.get(&sid).is_some_and(|last| *last >= generation);
                let expected = match &known {
                    _ if is_over => Opened::Elsewhere,
                    Some(known) if known.generation > generation => Opened::Later,
                    Some(known) if known.generation == generation && known.node != node => {
                        Opened::Elsewhere
                    }
                    Some(known) if known.node != node => {
                        let counted = known.is_counted();
                        Opened::Kept(Before::Others { counted })
                    }
                    Some(_) => Opened::Kept(Before::Own),
                    None if ended.contains_key(&sid) => Opened::Kept(Before::Ended),
                    None => Opened::Kept(Before::Nothing),
                };
                assert_eq!(
                    store.open(&opened).await.unwrap(),
                    expected,
                    "{seed} {step}"
                );
                if matches!(expected, Opened::Kept(_)) {
                    model.insert(sid, opened);
                }
            }
            (1 | 2, Some(known)) => {
                let generation = known.generation + u32::from(random.u8(0..4) == 0);
                let holds = node == known.node && generation == known.generation;
                let news = Save {
                    node,
                    generation,
                    confirmed: random.bool(),
                    detached: random.bool().then(|| lost(now())).flatten(),
                    ..save(&known)
                };
                let expected = if holds { Saved::Kept } else { Saved::Fenced };
                let Save {
                    detached,
                    confirmed,
                    ..
                } = news;
                assert_eq!(save_one(store, news).await, expected, "{seed} {step}");
                if holds {
                    let good = if confirmed { generation } else { known.good };
                    let known = Record {
                        good,
                        detached,
                        ..known
                    };
                    model.insert(sid, known);
                }
            }
            (3 | 4, Some(known)) => {
                let generation = known.generation - random.u32(0..4).min(known.generation);
                let answer = store.claim(claim(sid, generation, node)).await.unwrap();
                let is_open = known.detached.is_none() && known.node != node;
                match answer {
                    Claimed::Replayed(_) => assert!(generation < known.good),
                    Claimed::Open(holder) => assert!(is_open && holder == known.node),
                    Claimed::Taken(taken) => {
                        assert!(!is_open && generation >= known.good);
                        assert_eq!(taken.before, known, "{seed} {step}");
                        assert_eq!(taken.generation, known.generation + 1);
                        let mut after = known;
                        after.generation += 1;
                        after.good = generation;
                        after.node = node;
                        after.complete = false;
                        after.detached = None;
                        // The store writes down when it was claimed; the model need not guess.
                        after.heard = now();
                        let news = Save {
                            confirmed: false,
                            ..save(&after)
                        };
                        assert_eq!(save_one(store, news).await, Saved::Kept);
                        model.insert(sid, after);
                    }
                    other => panic!("{seed} {step}: {other:?}"),
                }
            }
            (_, Some(known)) => {
                let generation = known.generation + random.u32(0..3) - 1;
                let closes = random.bool();
                let over = End {
                    closes,
                    ..end(node, sid, generation)
                };
                let before = store.end(over).await.unwrap();
                let closes = closes || generation > known.generation;
                let expected = match &known {
                    _ if generation < known.generation => None,
                    known if known.node == node => Some(Before::Own),
                    known => Some(Before::Others {
                        counted: closes && known.is_counted(),
                    }),
                };
                assert_eq!(before, expected, "{seed} {step}");
                if before.is_some() {
                    model.remove(&sid);
                    ended.insert(sid, generation);
                }
            }
            (_, None) => {
                let answer = store.claim(claim(sid, 1, node)).await.unwrap();
                assert!(matches!(answer, Claimed::Unknown));
            }
        }
    }
    for node in nodes {
        store.leave(node).await.unwrap();
    }
    let heir = NodeId(0xdead_0000 + seed);
    store.beat(heir, now(), LONG).await.unwrap();
    let adopted = store.adopt(heir, now(), 100).await.unwrap();
    let sids: BTreeSet<_> = adopted.iter().map(|one| one.record.sid).collect();
    assert_eq!(sids, model.keys().copied().collect());
    for one in adopted {
        let known = &model[&one.record.sid];
        assert_eq!(one.was_attached, known.detached.is_none());
        let over = end(heir, one.record.sid, one.record.generation);
        assert_eq!(store.end(over).await.unwrap(), Some(Before::Own));
    }
    store.leave(heir).await.unwrap();
}
