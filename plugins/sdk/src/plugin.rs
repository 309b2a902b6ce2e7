//! From one mapping function to a plugin: the batch loop, the context, the resources, and the macro that exports it all.

use serde::de::DeserializeOwned;

use crate::{Answer, Context, Failure, FhirResource, Outcome, Record};

/// Registers the mapping function of a plugin crate.
///
/// `plugin!(map)` takes `fn map(&Context, &Record) -> Outcome`. `plugin!(State, open, map)` first calls
/// `fn open(&Context) -> Result<State, Failure>` once per batch and hands its result to
/// `fn map(&State, &Record) -> Outcome`. Either way the crate gets a `map_batch`, which does natively exactly what the
/// agent gets from the compiled plugin.
#[macro_export]
macro_rules! plugin {
    ($map:path) => {
        $crate::plugin!($crate::Context, $crate::context, $map);
    };
    ($state:ty, $open:path, $map:path) => {
        #[allow(unreachable_pub)]
        /// Maps a batch natively, with the code that runs in the sandbox.
        pub fn map_batch(
            context: &$crate::Context,
            batch: &[$crate::Record],
        ) -> ::std::result::Result<::std::vec::Vec<$crate::Answer>, $crate::Failure> {
            let state: $state = $open(context)?;
            Ok($crate::map_all(&state, batch, $map))
        }

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
            use $crate::glue::exports::vhr::mapper::transform::Guest;

            ::std::thread_local! {
                static VHR_MAPPER_STATE: ::std::cell::RefCell<::std::option::Option<$state>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            struct VhrMapperComponent;

            impl Guest for VhrMapperComponent {
                fn open(context: $crate::Context) -> ::std::result::Result<(), $crate::Failure> {
                    let state: $state = $open(&context)?;
                    VHR_MAPPER_STATE.set(::std::option::Option::Some(state));
                    Ok(())
                }

                fn map_batch(
                    batch: ::std::vec::Vec<$crate::Record>,
                ) -> ::std::result::Result<::std::vec::Vec<$crate::Answer>, $crate::Failure> {
                    VHR_MAPPER_STATE.with_borrow(|state| match state {
                        ::std::option::Option::Some(state) => Ok($crate::map_all(state, &batch, $map)),
                        ::std::option::Option::None => Err($crate::Failure {
                            code: "not-open".into(),
                            message: "Chưa gọi open (map-batch was called before open)".into(),
                        }),
                    })
                }

                fn finish() -> ::std::result::Result<::std::vec::Vec<$crate::Answer>, $crate::Failure> {
                    Ok(::std::vec::Vec::new())
                }
            }

    $crate::glue::export!(VhrMapperComponent with_types_in $crate::glue);
        };
    };
}

/// What [`Context::config_json`](Context) holds: the profile set to write, and the site's settings for this plugin.
#[derive(Debug, serde::Deserialize)]
pub struct Config<P, S> {
    /// The profile set, as in `configs/profiles`.
    pub profile: P,
    /// The site's settings.
    #[serde(default = "Option::default")]
    pub settings: Option<S>,
}

impl<P: DeserializeOwned, S: DeserializeOwned> Config<P, S> {
    /// Reads the configuration the agent handed over.
    pub fn read(context: &Context) -> Result<Self, Failure> {
        serde_json::from_str(&context.config_json).map_err(|cause| Failure {
            code: "config".into(),
            message: format!(
                "Không đọc được bộ hồ sơ \"{}\" hoặc cài đặt của plugin (profile set or settings not readable): {cause}",
                context.profile
            ),
        })
    }
}

/// Maps every record of a batch, each by itself.
pub fn map_all<S>(state: &S, batch: &[Record], map: impl Fn(&S, &Record) -> Outcome) -> Vec<Answer> {
    batch
        .iter()
        .map(|record| Answer {
            seq: record.seq,
            outcome: map(state, record),
        })
        .collect()
}

/// The state of a plugin that needs none but the context.
pub fn context(context: &Context) -> Result<Context, Failure> {
    Ok(context.clone())
}

/// A record as the agent hands it over: view `json`.
pub fn record(seq: u32, locator: &str, json: String) -> Record {
    Record {
        seq,
        locator: locator.to_owned(),
        payload: crate::Payload::Json(json),
        ext: Vec::new(),
    }
}

/// Who shares a resource: one visit, one facility, or everybody who knows an identifier of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Belongs to this visit.
    Visit,
    /// One per facility and key.
    Facility,
    /// One for all, found at the receiver by this identifier.
    Shared {
        /// The identifier's system.
        system: &'a str,
        /// The identifier's value.
        value: &'a str,
    },
}

/// Adds a resource to a record's resources, with its key and scope as the contract wants them.
pub fn put(resources: &mut Vec<FhirResource>, resource_type: &str, key: String, scope: Scope<'_>, json: String) {
    let ext = match scope {
        Scope::Visit => Vec::new(),
        Scope::Facility => vec![("scope".into(), "facility".into())],
        Scope::Shared { system, value } => {
            vec![
                ("scope".into(), "shared".into()),
                ("match".into(), format!("{system}|{value}")),
            ]
        }
    };
    resources.push(FhirResource {
        resource_type: resource_type.to_owned(),
        key,
        json,
        ext,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_field(context: &Context, record: &Record) -> Outcome {
        Outcome::Skipped(crate::Issues::issue(
            "information",
            "TEST",
            &record.locator,
            &context.facility,
            "test",
        ))
    }

    plugin!(first_field);

    fn a_context(config: &str) -> Context {
        Context {
            config_json: config.into(),
            received_at: String::new(),
            facility: "79999".into(),
            profile: "r4".into(),
            ext: Vec::new(),
        }
    }

    #[test]
    fn every_record_of_a_batch_gets_one_answer_with_its_number() {
        let batch = [record(7, "a", "{}".into()), record(9, "b", "{}".into())];
        let answers = map_batch(&a_context("{}"), &batch).unwrap();
        assert_eq!(answers.iter().map(|answer| answer.seq).collect::<Vec<_>>(), [7, 9]);
        let Outcome::Skipped(issue) = &answers[1].outcome else {
            panic!("skipped expected")
        };
        assert_eq!(
            (issue.source_path.as_str(), issue.message.as_str()),
            ("b", "79999 (test)")
        );
    }

    #[test]
    fn a_shared_resource_says_by_what_it_is_found() {
        let mut resources = Vec::new();
        put(
            &mut resources,
            "Organization",
            "79999".into(),
            Scope::Shared {
                system: "urn:x",
                value: "79999",
            },
            "{}".into(),
        );
        put(&mut resources, "Patient", "BN1".into(), Scope::Facility, "{}".into());
        put(&mut resources, "Encounter", "V".into(), Scope::Visit, "{}".into());
        assert_eq!(
            resources[0].ext,
            [
                ("scope".to_owned(), "shared".to_owned()),
                ("match".to_owned(), "urn:x|79999".to_owned())
            ]
        );
        assert_eq!(resources[1].ext, [("scope".to_owned(), "facility".to_owned())]);
        assert!(resources[2].ext.is_empty());
    }

    #[test]
    fn a_configuration_that_does_not_fit_is_a_failure_naming_the_profile() {
        type Empty = Config<std::collections::BTreeMap<String, String>, ()>;
        assert_eq!(Empty::read(&a_context("{}")).unwrap_err().code, "config");
        assert!(Empty::read(&a_context("{}")).unwrap_err().message.contains("\"r4\""));
        assert!(Empty::read(&a_context(r#"{"profile":{"name":"x"}}"#)).is_ok());
    }
}
