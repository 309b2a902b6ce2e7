//! How a FHIR endpoint knows us: not at all, Basic, a fixed bearer token, or OAuth2 tokens asked for and renewed
//! (RFC 6749 section 4.4; SMART Backend Services with a signed assertion, RFC 7523).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use vhr_core::config::{self, Algorithm};
use vhr_core::retry::{FailureKind, Outcome};
use vhr_core::said;
use vhr_core::time::Timestamp;

use super::token::{Held, Tokens};
use super::{Answer, Call, Error, again, call, nothing_delivered, trouble, words};
use crate::clock;
use crate::secret::{self, Secret};

/// A token is renewed so long before it ends.
const MARGIN: Duration = Duration::from_secs(30);
/// The life of a token whose answer does not say.
const UNTOLD: Duration = Duration::from_secs(300);

/// Credentials of one endpoint, and the token at hand.
#[derive(Debug)]
pub(super) struct Auth {
    way: Way,
    client: reqwest::Client,
    tokens: Tokens<Secret>,
}

#[derive(Debug)]
enum Way {
    None,
    Basic {
        username: String,
        password: Secret,
    },
    Bearer(Secret),
    ClientSecret {
        token_url: String,
        client_id: String,
        client_secret: Secret,
        scope: Option<String>,
    },
    Assertion {
        token_url: String,
        client_id: String,
        key_id: String,
        key: Key,
        scope: Option<String>,
    },
}

enum Key {
    Es384(Box<EcdsaKeyPair>),
    Rs384(Box<RsaKeyPair>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Auth {
    pub(super) fn new(auth: &config::Auth, client: reqwest::Client, endpoint: &str) -> Result<Self, Error> {
        let read = |source| {
            secret::read(source).map_err(|source| Error::Secret {
                endpoint: endpoint.to_owned(),
                source,
            })
        };
        let way = match auth {
            config::Auth::None => Way::None,
            config::Auth::Basic { username, password } => Way::Basic {
                username: username.clone(),
                password: read(password)?,
            },
            config::Auth::Bearer { token } => Way::Bearer(read(token)?),
            config::Auth::OAuth2Client {
                token_url,
                client_id,
                client_secret,
                scope,
            } => Way::ClientSecret {
                token_url: token_url.as_str().to_owned(),
                client_id: client_id.clone(),
                client_secret: read(client_secret)?,
                scope: scope.clone(),
            },
            config::Auth::SmartBackend {
                token_url,
                client_id,
                private_key,
                key_id,
                algorithm,
                scope,
            } => Way::Assertion {
                token_url: token_url.as_str().to_owned(),
                client_id: client_id.clone(),
                key_id: key_id.clone(),
                key: Key::read(&read(private_key)?, *algorithm).map_err(|why| Error::SigningKey {
                    endpoint: endpoint.to_owned(),
                    why,
                })?,
                scope: Some(scope.clone()),
            },
        };
        Ok(Self {
            way,
            client,
            tokens: Tokens::none(),
        })
    }

    /// Adds what the endpoint wants to see; asks for a token where none is at hand. Gives the token that was used.
    pub(super) async fn sign(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<(reqwest::RequestBuilder, Option<Held<Secret>>), Outcome> {
        Ok(match &self.way {
            Way::None => (request, None),
            Way::Basic { username, password } => (request.basic_auth(username, Some(password.reveal())), None),
            Way::Bearer(token) => (request.bearer_auth(token.reveal()), None),
            Way::ClientSecret { .. } | Way::Assertion { .. } => {
                let held = self.tokens.get(async || self.ask(clock::now()).await).await?;
                (request.bearer_auth(held.token.reveal()), Some(held))
            }
        })
    }

    /// Forgets a token that was refused.
    pub(super) async fn forget(&self, token: &Secret) {
        self.tokens.forget(token).await;
    }

    /// Asks for a token, and says until when it may be used.
    async fn ask(&self, now: Timestamp) -> Result<(Secret, Timestamp), Outcome> {
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        let (token_url, scope) = match &self.way {
            Way::ClientSecret { token_url, scope, .. } => (token_url, scope),
            Way::Assertion {
                token_url,
                client_id,
                key_id,
                key,
                scope,
            } => {
                let assertion = key
                    .assertion(client_id, key_id, token_url, now)
                    .map_err(|why| again(FailureKind::OurSide, None, why))?;
                form.push((
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
                ));
                form.push(("client_assertion", assertion));
                (token_url, scope)
            }
            _ => {
                return Err(again(
                    FailureKind::OurSide,
                    None,
                    "no token is asked for with this kind of auth".into(),
                ));
            }
        };
        form.extend(scope.as_ref().map(|scope| ("scope", scope.clone())));
        let mut request = self
            .client
            .post(token_url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Accept", "application/json")
            .body(super::form::form(
                form.iter().map(|(name, value)| (*name, value.as_str())),
            ));
        if let Way::ClientSecret {
            client_id,
            client_secret,
            ..
        } = &self.way
        {
            request = request.basic_auth(client_id, Some(client_secret.reveal()));
        }
        read_token(call(request).await, now)
    }
}

fn read_token(called: Call, now: Timestamp) -> Result<(Secret, Timestamp), Outcome> {
    if let Call::Answered(answer) = &called
        && let (400 | 401 | 403, Some(error)) = (answer.status, error_of(answer))
    {
        let said = said!(
            "nơi cấp token không nhận tài khoản: kiểm tra client_id và khóa bí mật rồi khởi động lại dịch vụ; chỉ thử lại thưa để không bị khóa",
            "whoever gives tokens does not let our account in: check client_id and the secret, then restart the service; tried rarely, so that it is not locked"
        );
        let text = words::with(&said, &format!("token: HTTP {}, {error}", answer.status));
        return Err(again(FailureKind::NotLetIn, answer.retry_after, text));
    }
    let answer = trouble(called).map_err(nothing_delivered)?;
    let json = answer.json().unwrap_or_default();
    match (answer.status, json["access_token"].as_str()) {
        (200..=299, Some(token)) if !token.is_empty() => {
            let life = json["expires_in"].as_u64().map_or(UNTOLD, Duration::from_secs);
            Ok((Secret::new(token), now.plus(life.saturating_sub(MARGIN))))
        }
        _ => Err(again(
            FailureKind::NotTheInterface,
            answer.retry_after,
            format!("token: {}", words::of_status(&answer)),
        )),
    }
}

/// The error's name (RFC 6749 section 5.2), without whatever else is said.
fn error_of(answer: &Answer) -> Option<String> {
    let json = answer.json()?;
    Some(json["error"].as_str()?.chars().take(60).collect())
}

impl Key {
    fn read(pem: &Secret, algorithm: Algorithm) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes()).map_err(|e| e.to_string())?;
        let PrivateKeyDer::Pkcs8(der) = der else {
            return Err("it is not a PKCS#8 key (BEGIN PRIVATE KEY)".into());
        };
        let bytes = der.secret_pkcs8_der();
        match algorithm {
            Algorithm::Es384 => {
                let way = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
                EcdsaKeyPair::from_pkcs8(way, bytes, &SystemRandom::new())
                    .map(|key| Self::Es384(Box::new(key)))
                    .map_err(|e| e.to_string())
            }
            Algorithm::Rs384 => RsaKeyPair::from_pkcs8(bytes)
                .map(|key| Self::Rs384(Box::new(key)))
                .map_err(|e| e.to_string()),
        }
    }

    /// The signed statement of who we are, for five minutes.
    fn assertion(&self, client_id: &str, key_id: &str, audience: &str, now: Timestamp) -> Result<String, String> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|e| e.to_string())?;
        let seconds = now.millis() / 1000;
        let algorithm = match self {
            Self::Es384(_) => "ES384",
            Self::Rs384(_) => "RS384",
        };
        let head = json!({"alg": algorithm, "typ": "JWT", "kid": key_id});
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": audience, "exp": seconds + 300, "iat": seconds,
            "jti": URL_SAFE_NO_PAD.encode(id),
        });
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(head.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let random = SystemRandom::new();
        let signature = match self {
            Self::Es384(key) => key
                .sign(&random, text.as_bytes())
                .map_err(|e| e.to_string())?
                .as_ref()
                .to_vec(),
            Self::Rs384(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA384, &random, text.as_bytes(), &mut signature)
                    .map_err(|e| e.to_string())?;
                signature
            }
        };
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P384_SHA384_FIXED, KeyPair, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_smart_assertion_is_signed_by_our_key_and_says_who_we_are() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let key = Key::read(&Secret::new(pair.serialize_pem()), Algorithm::Es384).unwrap();
        let token = key
            .assertion(
                "agent-79999",
                "k1",
                "https://example.org/token",
                Timestamp::from_millis(1_000_000),
            )
            .unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let Key::Es384(own) = &key else { panic!("not ES384") };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, own.public_key())
            .verify(text.as_bytes(), &signature)
            .unwrap();
        let claims = URL_SAFE_NO_PAD.decode(text.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["iss"], &claims["exp"]), (&json!("agent-79999"), &json!(1300)));
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        assert!(Key::read(&Secret::new(pair.serialize_pem()), Algorithm::Es384).is_err());
        assert!(Key::read(&Secret::new("not a key"), Algorithm::Rs384).is_err());
    }
}
