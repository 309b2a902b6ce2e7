//! Where patients' data and secrets must never be.

use std::fs;

use vhr_agent::demo::exports::Oddity;
use vhr_agent::demo::receivers::{Answer, GatewayOptions};

use crate::harness::{Service, Wish, World, changed, eventually, files_below, odd, one_visit};

/// People, ids and passwords that are nowhere else.
const NAME: &str = "Hoàng Yến Oanh Kanary";
const NOTE: &str = "ghi chú riêng Kanary";
const PASSWORD: &str = "mật khẩu Kanary 7f3a";

#[test]
fn no_name_no_id_and_no_password_gets_into_the_log_the_index_or_a_file_name() {
    let world = World::with(Wish {
        gateway_options: GatewayOptions {
            password: PASSWORD.into(),
            ..GatewayOptions::default()
        },
        ..Wish::default()
    });
    let inline = odd(401, Oddity::Inline);
    let text = String::from_utf8(inline.bytes.clone()).unwrap();
    let between = |open: &str, close: &str| {
        let from = text.find(open).unwrap() + open.len();
        text[from..from + text[from..].find(close).unwrap()].to_owned()
    };
    let key = between("<MA_LK>", "</MA_LK>");
    let (name, id) = (between("<HO_TEN>", "</HO_TEN>"), between("<SO_CCCD>", "</SO_CCCD>"));
    let (card, code) = (
        between("<MA_THE_BHYT>", "</MA_THE_BHYT>"),
        between("<MA_BN>", "</MA_BN>"),
    );
    let mut file = inline.clone();
    file.bytes = changed(&file, &name, NAME);
    file.bytes = changed(&file, "<PP_DIEU_TRI>", &format!("<PP_DIEU_TRI>{NOTE} "));
    // The HIS may put anything into a file's name.
    let file_name = format!("{NAME}_{id}.xml");
    // Everything that can go wrong and is told somewhere: refusals, doubts, damage, an account that is not let in.
    world.gateway.refuse([key.clone()]);
    world.fhir.script([
        Answer::Status(422, vec![], format!("{{\"resourceType\":\"OperationOutcome\",\"issue\":[{{\"severity\":\"error\",\"code\":\"invalid\",\"diagnostics\":\"{NAME} {id}\"}}]}}")),
        Answer::Status(503, vec![], NAME.into()),
    ]);
    world
        .gateway
        .script_tokens([Answer::Status(500, vec![], PASSWORD.into())]);
    let config = world.config().display().to_string();
    let log = "trace,hyper_util=info,sled=info,wasmtime=info,cranelift=info";
    let service = Service::start_logging(log, &["run", "--config", &config], &world.path("tmp")).running();
    world.drop_in(&file_name, &file.bytes);
    let broken = file.bytes.len() * 2 / 3;
    world.drop_in(&format!("{NAME}.xml"), &file.bytes[..broken]);
    world.drop_in("other.xml", &one_visit(402).bytes);
    eventually("all has come to an end", || {
        let status = world.run(&["status", "--json"]).json();
        let of = |nth: usize, key: &str| status["endpoints"][nth][key].as_u64().unwrap_or(0);
        of(0, "parked") == 1
            && of(0, "delivered") == 1
            && of(1, "parked") == 1
            && of(1, "delivered") == 1
            && status["sources"][0]["set_aside"] == 2
    });
    let log = service.terminate().with(0).err;

    let mut needles = vec![key, id, NAME.into(), NOTE.into(), PASSWORD.into(), "Kanary".into()];
    needles.extend([name, card, code].into_iter().filter(|needle| needle.len() > 4));
    let index = world.path("state").join("index");
    for needle in &needles {
        assert!(!log.contains(needle.as_str()), "{needle} is in the log: {log}");
        for path in files_below(&world.path("state")) {
            assert!(
                !path.display().to_string().contains(needle.as_str()),
                "{needle} is in a file's name: {path:?}"
            );
            if path.starts_with(&index) && path.is_file() {
                let bytes = fs::read(&path).unwrap();
                let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
                assert!(!found, "{needle} is in {path:?}");
            }
        }
        let status = fs::read_to_string(world.path("state").join("status.json")).unwrap();
        assert!(!status.contains(needle.as_str()), "{needle} is in the status");
    }
    assert!(log.contains("accepted"), "the log does tell the story: {log}");
}

#[cfg(unix)]
#[test]
fn nobody_else_on_the_machine_can_look_into_the_state() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.drop_in("a.xml", &one_visit(403).bytes);
    world.once().with(0);
    let mode = fs::metadata(world.path("state")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}
