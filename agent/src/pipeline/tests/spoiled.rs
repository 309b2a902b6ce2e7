//! A visit that came with spoiled text and comes again without, or the other way round.

use vhr_core::spoiled::Encoding;

use super::*;

/// The same visit, its UTF-8 read as windows-1252 on the way.
fn spoiled(visit: &Visit) -> Visit {
    let mut visit = visit.clone();
    for table in &mut visit.tables {
        let bytes = Encoding::Mojibake.encode(&table.xml).unwrap();
        table.xml = String::from_utf8(bytes).unwrap();
    }
    visit
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_written_otherwise_is_one_more_claim_and_nothing_more_for_fhir() {
    let clean = exports::many(11, 1).next().unwrap();
    let spoiled = spoiled(&clean);
    for (first, second) in [(&spoiled, &clean), (&clean, &spoiled)] {
        let world = World::new("").await;
        let arrived = || (world.claims().len(), world.fhir.encounters()[&clean.key].clone());
        world.export("1.xml", std::slice::from_ref(first)).await;
        assert_eq!(arrived(), (1, vec![1]));
        world.export("2.xml", std::slice::from_ref(second)).await;
        assert_eq!(arrived(), (2, vec![1]));
        world.export("3.xml", std::slice::from_ref(second)).await;
        assert_eq!(arrived(), (2, vec![1]));
        assert_eq!(world.parked().await, Vec::<String>::new());
    }
}
