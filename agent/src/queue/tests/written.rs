//! A visit whose text was spoiled comes again in clean letters: another claim, and nothing new where the text is read.

use super::*;

/// Accepts visit 1 with content 1, written so, for a gateway and a FHIR endpoint; gives where something new goes.
async fn accept(world: &World, export: u8, written: Written) -> Vec<&'static str> {
    let mut index = world.write_batch(export, &[(1, 1)]);
    index.mapped[0].written = written;
    let lines = [("insurance", true), ("vhr", false)];
    let destinations = lines.map(|(name, as_written)| Destination {
        endpoint: EndpointId::new(name),
        as_written,
        first: vec![Begin::In(State::new(at(0)))],
    });
    let record = index.mapped[0].record;
    let export = ExportId::from_bytes([export; 32]);
    let accepted = world.queue.accept(export, "his", None, &index, &destinations, at(0));
    accepted.await.unwrap();
    let goes = lines.into_iter().filter(|(name, _)| {
        let id = DeliveryId {
            record,
            endpoint: EndpointId::new(*name),
        };
        world.queue.delivery(&id).unwrap().is_some()
    });
    goes.map(|(name, _)| name).collect()
}

async fn deliver_all(world: &World) {
    for name in ["insurance", "vhr"] {
        let endpoint = EndpointId::new(name);
        for taken in world.queue.choose(&endpoint, at(1), None, 9, |_| true).await.unwrap() {
            world.queue.start(&taken, Sync::Later, at(1)).await.unwrap();
            world.deliver(&taken).await;
        }
    }
}

#[tokio::test]
async fn what_is_written_otherwise_is_another_claim_and_the_same_to_read_before_it_left_and_after() {
    let (spoiled, other) = (Written::Spoiled([1; 16]), Written::Spoiled([2; 16]));
    for delivered in [false, true] {
        let mut world = World::new();
        for (export, written, goes) in [
            (1, spoiled, &["insurance", "vhr"][..]),
            (2, spoiled, &[]),
            (3, Written::AsRead, &["insurance"]),
            (4, Written::AsRead, &[]),
            (5, other, &["insurance"]),
            (6, other, &[]),
            (7, spoiled, &["insurance"]),
        ] {
            assert_eq!(accept(&world, export, written).await, goes, "{export} {delivered}");
            if delivered {
                deliver_all(&world).await;
            }
            world.queue.snapshot(true).await.unwrap();
            world = world.reopen();
        }
    }
}

#[tokio::test]
async fn of_what_an_older_version_wrote_down_only_what_is_read_is_compared() {
    let mut old = serde_json::to_value(World::new().write_batch(1, &[(1, 1)]).mapped.remove(0)).unwrap();
    old.as_object_mut().unwrap().remove("written");
    let old: RecordRow = serde_json::from_value(old).unwrap();
    assert_eq!(old.written, Written::Untold);
    for written in [Written::AsRead, Written::Spoiled([1; 16])] {
        let world = World::new();
        assert_eq!(accept(&world, 1, old.written).await.len(), 2);
        deliver_all(&world).await;
        assert!(accept(&world, 2, written).await.is_empty());
    }
}
