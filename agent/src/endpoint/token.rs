//! A token at hand: asked for once however many deliveries need it, and the answer shared, a refusal too.
//!
//! Each request for a token shows a password: a wrong one shown by every delivery at once would lock the account.

use std::time::Instant;

use tokio::sync::Mutex;
use vhr_core::retry::Outcome;
use vhr_core::time::Timestamp;

use crate::clock;

/// The token of one endpoint.
#[derive(Debug)]
pub(super) struct Tokens<T>(Mutex<Last<T>>);

#[derive(Debug)]
struct Last<T> {
    asked: Option<Instant>,
    answer: Option<Result<(T, Timestamp), Outcome>>,
}

/// A token, and whether it was asked for just now: then another one would be no better.
#[derive(Debug, Clone)]
pub(super) struct Held<T> {
    pub(super) token: T,
    pub(super) fresh: bool,
}

impl<T: Clone + PartialEq> Tokens<T> {
    pub(super) fn none() -> Self {
        Self(Mutex::new(Last {
            asked: None,
            answer: None,
        }))
    }

    /// The token at hand, or the answer to `ask`: a token and until when it may be used.
    pub(super) async fn get(
        &self,
        ask: impl AsyncFnOnce() -> Result<(T, Timestamp), Outcome>,
    ) -> Result<Held<T>, Outcome> {
        let began = Instant::now();
        let mut last = self.0.lock().await;
        // Somebody else asked while we waited: his answer is ours.
        let shared = last.asked.is_some_and(|asked| asked >= began);
        match &last.answer {
            Some(Ok((token, until))) if clock::now() < *until => {
                let token = token.clone();
                return Ok(Held { token, fresh: shared });
            }
            Some(Err(outcome)) if shared => return Err(outcome.clone()),
            _ => {}
        }
        let answer = ask().await;
        // When the answer came: who waits now began before it.
        last.asked = Some(Instant::now());
        last.answer = Some(answer.clone());
        answer.map(|(token, _)| Held { token, fresh: true })
    }

    /// Forgets a token that was refused, unless another one has taken its place meanwhile.
    pub(super) async fn forget(&self, token: &T) {
        let mut last = self.0.lock().await;
        if matches!(&last.answer, Some(Ok((held, _))) if held == token) {
            last.answer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;
    use vhr_core::retry::FailureKind;

    use super::super::again;
    use super::*;

    #[tokio::test]
    async fn however_many_wait_for_a_token_the_password_is_shown_once_and_a_refusal_is_everybodys() {
        let (tokens, asked) = (Arc::new(Tokens::<u8>::none()), Arc::new(AtomicUsize::new(0)));
        let mut all = JoinSet::new();
        for _ in 0..64 {
            let (tokens, asked) = (Arc::clone(&tokens), Arc::clone(&asked));
            all.spawn(async move {
                let ask = async || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    // Meanwhile all the others have begun to wait.
                    for _ in 0..200 {
                        tokio::task::yield_now().await;
                    }
                    Err(again(FailureKind::NotLetIn, None, "no".into()))
                };
                tokens.get(ask).await.unwrap_err()
            });
        }
        assert_eq!(all.join_all().await.len(), 64);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // Who comes later asks anew.
        let got = tokens.get(async || Ok((7, Timestamp::MAX))).await.unwrap();
        assert!(got.fresh);
        let got = tokens.get(async || Ok((8, Timestamp::MAX))).await.unwrap();
        assert_eq!((got.token, got.fresh), (7, false));
        tokens.forget(&9).await;
        assert_eq!(tokens.get(async || Ok((8, Timestamp::MAX))).await.unwrap().token, 7);
        tokens.forget(&7).await;
        assert_eq!(tokens.get(async || Ok((8, Timestamp::MAX))).await.unwrap().token, 8);
    }
}
