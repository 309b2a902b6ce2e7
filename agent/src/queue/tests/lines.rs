//! A check-in and a claim of one visit: two lines to one gateway, and one to everybody else.

use super::*;

/// Accepts one record of visit 1, with this content, for the gateway's two lines and another endpoint.
async fn accept(world: &World, export: u8, check_in: bool) -> Counts {
    let index = world.write_batch(export, &[(1, export)]);
    let wait = || State::new(at(0));
    let [claims, check_ins, fhir] = match check_in {
        true => [Begin::OfAnotherLine, Begin::In(wait()), Begin::IfNew(wait())],
        false => [Begin::In(wait()), Begin::OfAnotherLine, Begin::In(wait())],
    };
    let lines = [("insurance", claims), ("insurance.check-in", check_ins), ("vhr", fhir)];
    let destinations = lines.map(|(name, first)| Destination {
        endpoint: EndpointId::new(name),
        as_written: false,
        first: vec![first],
    });
    let export = ExportId::from_bytes([export; 32]);
    let accepted = world.queue.accept(export, "his", None, &index, &destinations, at(0));
    accepted.await.unwrap()
}

fn stand(world: &World) -> Vec<(String, &'static str)> {
    let all = world.queue.deliveries(true, 99, |_, _| true).unwrap();
    let mut all: Vec<_> = all
        .iter()
        .map(|(id, row)| (id.endpoint.to_string(), row.state.name()))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_check_in_and_its_claim_go_each_by_its_line_and_neither_takes_the_others_place() {
    let world = World::new();
    accept(&world, 1, true).await;
    accept(&world, 2, false).await;
    let named = |name: &str, state| (name.to_owned(), state);
    assert_eq!(
        stand(&world),
        [
            named("insurance", "waiting"),
            named("insurance.check-in", "waiting"),
            named("vhr", "superseded"),
            named("vhr", "waiting"),
        ]
    );
    // A corrected check-in takes the place of the first, and of nothing else; the other endpoint has the claim.
    accept(&world, 3, true).await;
    assert_eq!(
        stand(&world),
        [
            named("insurance", "waiting"),
            named("insurance.check-in", "superseded"),
            named("insurance.check-in", "waiting"),
            named("vhr", "superseded"),
            named("vhr", "waiting"),
        ]
    );
}

#[tokio::test]
async fn a_record_that_has_nowhere_to_go_is_not_called_known() {
    let world = World::new();
    let index = world.write_batch(1, &[(1, 1)]);
    let destinations = [Destination {
        endpoint: vhr(),
        as_written: false,
        first: vec![Begin::OfAnotherLine],
    }];
    let export = ExportId::from_bytes([1; 32]);
    let accepted = world.queue.accept(export, "his", None, &index, &destinations, at(0));
    assert_eq!(accepted.await.unwrap().known, 0);
    assert_eq!(accept(&world, 2, true).await.known, 0);
}
