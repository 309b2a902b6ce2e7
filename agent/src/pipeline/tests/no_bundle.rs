//! What a plugin makes wrong keeps a visit from FHIR, and from nowhere else.

use serde_json::Value;

use super::*;

/// Writes a profile set by which the national plugin says of each visit's identifier that it is of this use.
fn write_set(name: &str, usage: &str) {
    let r4 = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/profiles/r4.json");
    let mut set: Value = serde_json::from_slice(&fs::read(r4).unwrap()).unwrap();
    set["identifiers"]["visit"]["use"] = usage.into();
    let profiles = PLUGINS.path().join("profiles");
    fs::create_dir_all(&profiles).unwrap();
    fs::write(profiles.join(format!("{name}.json")), set.to_string()).unwrap();
}

/// Asks to have all that is parked tried again; gives what is answered of each.
async fn retry(world: &World) -> Vec<String> {
    let list = Request::List {
        state: Some("parked".into()),
        endpoint: None,
        limit: 100,
    };
    let Reply::Items { items, .. } = crate::desk::answer(&world.agent.desk(), list).await else {
        panic!("no list")
    };
    let ids = items.into_iter().map(|item| item.id).collect();
    match crate::desk::answer(&world.agent.desk(), Request::Retry { ids }).await {
        Reply::Done { results } => results.into_iter().map(|done| done.why.unwrap_or_default()).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_fhir_does_not_stop_the_claim_and_goes_once_the_plugin_is_mended() {
    write_set("no-fhir", "not-a-use");
    let world = World::with("", "profile = \"no-fhir\"").await;
    let visit = exports::many(11, 1).next().unwrap();
    world.export("first.xml", std::slice::from_ref(&visit)).await;
    assert_eq!(
        (world.claims(), world.is_in_fhir(&visit)),
        (vec![visit.key.clone()], false)
    );
    let told = |texts: Vec<String>| {
        assert_eq!(texts.len(), 1, "{texts:?}");
        for words in [
            "Encounter.identifier[0].use",
            "báo bên làm plugin",
            "Tell the plugin's vendor",
        ] {
            assert!(texts[0].contains(words), "{words}: {texts:?}");
        }
    };
    told(world.parked().await);
    // Nobody can send what is not there.
    told(retry(&world).await);
    told(world.parked().await);

    // The same again by the same plugin waits in its place.
    world.export("second.xml", std::slice::from_ref(&visit)).await;
    told(world.parked().await);

    write_set("no-fhir", "official");
    let world = world.restarted();
    told(retry(&world).await);
    world.export("third.xml", std::slice::from_ref(&visit)).await;
    assert_eq!(
        (world.claims(), world.is_in_fhir(&visit)),
        (vec![visit.key.clone()], true)
    );
    assert_eq!(world.parked().await, Vec::<String>::new());
}
