//! In which form a visit's claim leaves, or its check-in: as received wherever that is possible.
//!
//! What stays true: bytes that came signed leave unchanged, or not at all. The gateway takes one visit per file: an unsigned
//! file of several is split; an unsigned file that is not in the gateway's form is rewritten into it, and the receipt says so.

use vhr_core::record::ClaimForm;

use crate::frame::{self, Cut, Opened, Survey};
use crate::plugin;

/// The form of one record's claim, and the file to send where it is not the export itself.
///
/// # Errors
/// When the plugin gave tables that make no claim file.
pub fn form(
    survey: &Survey,
    cut: &Cut,
    opened: &Opened,
    facility: &str,
    claim: plugin::Claim,
) -> Result<(ClaimForm, Option<Vec<u8>>), &'static str> {
    let named = Survey {
        signed: survey.signed || opened.signed,
        facility: survey.facility.clone().or_else(|| Some(facility.to_owned())),
        ..survey.clone()
    };
    let survey = &named;
    if opened.tables().eq(["XML0"]) {
        return check_in(survey, cut, opened, claim);
    }
    let envelope = |why: &str| {
        Ok((
            ClaimForm::Envelope { why: why.into() },
            Some(frame::envelope(survey, cut, opened)),
        ))
    };
    match claim {
        plugin::Claim::None => Ok((ClaimForm::None, None)),
        plugin::Claim::Tables(tables) => {
            let tables: Vec<(&str, &str)> = tables.iter().map(|t| (t.name.as_str(), t.xml.as_str())).collect();
            if tables.is_empty()
                || tables
                    .iter()
                    .any(|(name, xml)| !is_table_name(name) || xml.trim().is_empty())
            {
                return Err("bảng do plugin tạo không hợp lệ / the tables made by the plugin are not XML1 to XML15");
            }
            let why = "tables built by the plugin".to_owned();
            Ok((
                ClaimForm::Envelope { why },
                Some(frame::envelope_of_tables(facility, survey.made_on.as_deref(), &tables)),
            ))
        }
        plugin::Claim::AsReceived if survey.records > 1 && survey.signed => Ok((ClaimForm::SignedSeveral, None)),
        plugin::Claim::AsReceived if survey.records > 1 => envelope("split from a file of several visits"),
        plugin::Claim::AsReceived if survey.signed => Ok((ClaimForm::AsReceived, None)),
        plugin::Claim::AsReceived if !opened.in_form => {
            envelope("rewritten: tables were not plain base64 of UTF-8 XML under the gateway's names")
        }
        plugin::Claim::AsReceived if survey.declared != Some(1) => envelope("rewritten: SOLUONGHOSO was not 1"),
        plugin::Claim::AsReceived if !survey.utf8 => envelope("rewritten: the file was not UTF-8"),
        plugin::Claim::AsReceived if !survey.complete => envelope("rewritten: the file had no end"),
        plugin::Claim::AsReceived if !survey.in_form => {
            envelope("rewritten: around the tables the file was not well-formed, or had other names than the gateway's")
        }
        plugin::Claim::AsReceived => Ok((ClaimForm::AsReceived, None)),
    }
}

/// Of a record that holds the check-in table alone: the document itself, without the envelope of claims.
fn check_in(
    survey: &Survey,
    cut: &Cut,
    opened: &Opened,
    claim: plugin::Claim,
) -> Result<(ClaimForm, Option<Vec<u8>>), &'static str> {
    let as_received = survey.check_in && (survey.signed || survey.utf8);
    let (why, document) = match claim {
        plugin::Claim::None => return Ok((ClaimForm::None, None)),
        plugin::Claim::AsReceived if as_received => return Ok((ClaimForm::CheckIn { why: None }, None)),
        plugin::Claim::AsReceived if survey.check_in => (
            "rewritten: the file was not UTF-8",
            frame::check_in(survey, cut, opened),
        ),
        plugin::Claim::AsReceived => ("taken out of its envelope", frame::check_in(survey, cut, opened)),
        plugin::Claim::Tables(tables) => match tables.as_slice() {
            [table] if table.name == "XML0" && !table.xml.trim().is_empty() => {
                ("built by the plugin", Some(table.xml.clone().into_bytes()))
            }
            _ => ("", None),
        },
    };
    let document = document.ok_or("check-in cần đúng một bảng XML0 / a check-in is one table XML0")?;
    Ok((ClaimForm::CheckIn { why: Some(why.into()) }, Some(document)))
}

fn is_table_name(name: &str) -> bool {
    name.strip_prefix("XML")
        .and_then(|number| number.parse::<u8>().ok())
        .is_some_and(|number| (1..=15).contains(&number))
}

/// Digest of what the claim says, where that was written in spoiled letters and is read otherwise. Tables that a plugin builds are made
/// of what is read.
pub fn written(opened: &Opened, claim: &plugin::Claim) -> Option<[u8; 32]> {
    opened.written.filter(|_| !matches!(claim, plugin::Claim::Tables(_)))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    struct File {
        visits: usize,
        declared: &'static str,
        signature: &'static str,
        inline: bool,
        end: &'static str,
    }

    const PLAIN: File = File {
        visits: 1,
        declared: "1",
        signature: "",
        inline: false,
        end: "</GIAMDINHHS>",
    };

    fn text(file: &File) -> String {
        let table = "<TONG_HOP><MA_LK>LK1</MA_LK></TONG_HOP>";
        let content = if file.inline {
            table.to_owned()
        } else {
            STANDARD.encode(table)
        };
        let hoso =
            format!("<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>{content}</NOIDUNGFILE></FILEHOSO></HOSO>");
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><GIAMDINHHS><THONGTINDONVI><MACSKCB>79999</MACSKCB></THONGTINDONVI>\
             <THONGTINHOSO><NGAYLAP>20260301</NGAYLAP><SOLUONGHOSO>{}</SOLUONGHOSO><DANHSACHHOSO>{}</DANHSACHHOSO>\
             </THONGTINHOSO><CHUKYDONVI>{}</CHUKYDONVI>{}",
            file.declared,
            hoso.repeat(file.visits),
            file.signature,
            file.end,
        )
    }

    fn formed(file: &File, claim: plugin::Claim) -> (ClaimForm, Option<String>) {
        let text = text(file);
        let limits = frame::Limits::default();
        let survey = frame::survey(text.as_bytes(), &limits).unwrap();
        let cut = frame::records(text.as_bytes(), &limits).next().unwrap().unwrap();
        let opened = frame::open(&cut, &limits).unwrap();
        let (form, envelope) = form(&survey, &cut, &opened, "79999", claim).unwrap();
        (form, envelope.map(|bytes| String::from_utf8(bytes).unwrap()))
    }

    #[test]
    fn a_file_of_one_visit_in_the_gateways_form_goes_as_received() {
        assert_eq!(formed(&PLAIN, plugin::Claim::AsReceived), (ClaimForm::AsReceived, None));
    }

    /// Invariant 10: bytes that came signed leave unchanged.
    #[test]
    fn bytes_that_came_signed_leave_unchanged() {
        let signed = File {
            signature: "<Signature/>",
            inline: true,
            declared: "7",
            ..PLAIN
        };
        assert_eq!(
            formed(&signed, plugin::Claim::AsReceived),
            (ClaimForm::AsReceived, None)
        );
        let several = File { visits: 2, ..signed };
        assert_eq!(
            formed(&several, plugin::Claim::AsReceived),
            (ClaimForm::SignedSeveral, None)
        );
    }

    #[test]
    fn a_record_with_a_signature_of_its_own_is_not_split_off() {
        let formed = |seal: &str| {
            let several = text(&File { visits: 2, ..PLAIN });
            let file = several.replace("</FILEHOSO>", &format!("</FILEHOSO><CHUKYDONVI>{seal}</CHUKYDONVI>"));
            let limits = frame::Limits::default();
            let survey = frame::survey(file.as_bytes(), &limits).unwrap();
            let cut = frame::records(file.as_bytes(), &limits).next().unwrap().unwrap();
            let opened = frame::open(&cut, &limits).unwrap();
            form(&survey, &cut, &opened, "79999", plugin::Claim::AsReceived).unwrap()
        };
        assert_eq!(formed("MIIB"), (ClaimForm::SignedSeveral, None));
        assert_eq!(formed("<Signature/>"), (ClaimForm::SignedSeveral, None));
        assert!(matches!(formed(" "), (ClaimForm::Envelope { .. }, Some(_))));
    }

    #[test]
    fn an_unsigned_file_of_several_visits_is_split_into_files_of_one() {
        let (form, envelope) = formed(
            &File {
                visits: 3,
                declared: "1",
                ..PLAIN
            },
            plugin::Claim::AsReceived,
        );
        assert!(matches!(form, ClaimForm::Envelope { .. }));
        let envelope = envelope.unwrap();
        assert_eq!(envelope.matches("<HOSO>").count(), 1);
        assert!(envelope.contains("<SOLUONGHOSO>1</SOLUONGHOSO>") && envelope.contains("<MACSKCB>79999</MACSKCB>"));
    }

    #[test]
    fn only_what_is_not_in_the_gateways_form_is_rewritten_and_it_says_why() {
        for (file, word) in [
            (File { inline: true, ..PLAIN }, "base64"),
            (File { declared: "2", ..PLAIN }, "SOLUONGHOSO"),
            (File { end: "", ..PLAIN }, "end"),
        ] {
            let (form, envelope) = formed(&file, plugin::Claim::AsReceived);
            let ClaimForm::Envelope { why } = form else {
                panic!("{word}: {form:?}")
            };
            assert!(why.contains(word), "{why}");
            assert!(envelope.unwrap().contains(&STANDARD.encode("<TONG_HOP>")[..10]) || file.inline);
        }
    }

    #[test]
    fn tables_of_a_plugin_become_a_file_of_one_visit() {
        let table = plugin::Table {
            name: "XML1".into(),
            xml: "<TONG_HOP/>".into(),
            ext: vec![],
        };
        let (_, envelope) = formed(&PLAIN, plugin::Claim::Tables(vec![table]));
        assert!(envelope.unwrap().contains(&STANDARD.encode("<TONG_HOP/>")));
    }

    #[test]
    fn a_claim_says_what_was_written_unless_the_plugin_builds_it() {
        let spoiled = "<TONG_HOP><MA_LK>LK1</MA_LK><HO_TEN>NguyÔn V¨n H¹nh</HO_TEN></TONG_HOP>";
        let text = text(&PLAIN).replace(
            &STANDARD.encode("<TONG_HOP><MA_LK>LK1</MA_LK></TONG_HOP>"),
            &STANDARD.encode(spoiled),
        );
        let limits = frame::Limits::default();
        let cut = frame::records(text.as_bytes(), &limits).next().unwrap().unwrap();
        let opened = frame::open(&cut, &limits).unwrap();
        assert!(opened.written.is_some());
        assert_eq!(written(&opened, &plugin::Claim::AsReceived), opened.written);
        assert_eq!(written(&opened, &plugin::Claim::Tables(vec![])), None);
    }

    const CHECK_IN: &str = "<CHI_TIEU_TRANG_THAI_KCB><DSACH_TRANG_THAI_KCB><TRANG_THAI_KCB><MA_LK>LK1</MA_LK></TRANG_THAI_KCB>\
        </DSACH_TRANG_THAI_KCB><CHUKYDONVI></CHUKYDONVI></CHI_TIEU_TRANG_THAI_KCB>";

    fn check_in_of(file: &[u8], claim: plugin::Claim) -> Result<(ClaimForm, Option<String>), &'static str> {
        let limits = frame::Limits::default();
        let survey = frame::survey(file, &limits).unwrap();
        let cut = frame::records(file, &limits).next().unwrap().unwrap();
        let opened = frame::open(&cut, &limits).unwrap();
        let (form, document) = form(&survey, &cut, &opened, "79999", claim)?;
        Ok((form, document.map(|bytes| String::from_utf8(bytes).unwrap())))
    }

    fn taken_out() -> ClaimForm {
        ClaimForm::CheckIn {
            why: Some("taken out of its envelope".into()),
        }
    }

    #[test]
    fn a_check_in_by_itself_leaves_as_received_and_one_in_an_envelope_without_it_byte_for_byte() {
        let alone = check_in_of(CHECK_IN.as_bytes(), plugin::Claim::AsReceived).unwrap();
        assert_eq!(alone, (ClaimForm::CheckIn { why: None }, None));
        let document = format!("<?xml version='1.0'?>\n{CHECK_IN}\n");
        let hoso = |content: &str| {
            format!("<HOSO><FILEHOSO><LOAIHOSO>XML0</LOAIHOSO><NOIDUNGFILE>{content}</NOIDUNGFILE></FILEHOSO></HOSO>")
        };
        let wrapped = |content: &str| {
            let list = format!("<DANHSACHHOSO>{}</DANHSACHHOSO>", hoso(content).repeat(2));
            format!("<GIAMDINHHS><THONGTINHOSO>{list}</THONGTINHOSO><CHUKYDONVI/></GIAMDINHHS>")
        };
        let base64 = wrapped(&STANDARD.encode(&document));
        let (form, sent) = check_in_of(base64.as_bytes(), plugin::Claim::AsReceived).unwrap();
        assert_eq!((form, sent.as_deref()), (taken_out(), Some(document.as_str())));
        let (form, sent) = check_in_of(wrapped(CHECK_IN).as_bytes(), plugin::Claim::AsReceived).unwrap();
        assert_eq!(form, taken_out());
        assert!(sent.unwrap().ends_with(CHECK_IN));
    }

    #[test]
    fn only_the_check_in_table_alone_is_a_check_in_and_only_one_of_it() {
        let file = |names: &[&str]| {
            let tables = names.iter().map(|name| {
                let content = STANDARD.encode(CHECK_IN);
                format!("<FILEHOSO><LOAIHOSO>{name}</LOAIHOSO><NOIDUNGFILE>{content}</NOIDUNGFILE></FILEHOSO>")
            });
            let hoso = tables.collect::<String>();
            let count = "<SOLUONGHOSO>1</SOLUONGHOSO>";
            format!(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?><GIAMDINHHS><THONGTINDONVI><MACSKCB>79999</MACSKCB></THONGTINDONVI>\
                 <THONGTINHOSO><NGAYLAP>20260301</NGAYLAP>{count}<DANHSACHHOSO><HOSO>{hoso}</HOSO></DANHSACHHOSO></THONGTINHOSO>\
                 <CHUKYDONVI></CHUKYDONVI></GIAMDINHHS>"
            )
        };
        let form = |names: &[&str]| check_in_of(file(names).as_bytes(), plugin::Claim::AsReceived);
        assert_eq!(form(&["XML0"]).unwrap().0, taken_out());
        assert_eq!(form(&["XML0", "XML1"]).unwrap(), (ClaimForm::AsReceived, None));
        assert!(form(&["XML0", "XML0"]).unwrap_err().contains("XML0"));
        let none = check_in_of(file(&["XML0"]).as_bytes(), plugin::Claim::None).unwrap();
        assert_eq!(none, (ClaimForm::None, None));
        let table = plugin::Table {
            name: "XML0".into(),
            xml: CHECK_IN.into(),
            ext: vec![],
        };
        let built = check_in_of(file(&["XML0"]).as_bytes(), plugin::Claim::Tables(vec![table])).unwrap();
        assert_eq!(built.1.as_deref(), Some(CHECK_IN));
    }
}
