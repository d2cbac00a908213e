//! Credentials on a request: a header that stays, or a token that is asked for, kept, renewed early and once more on 401.
//!
//! Keeps: they go to the client's own origin only; an assertion goes to the token address that it names, over TLS or on
//! this machine; of a refusal only status and error code are kept.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, Request, Response, Url};
use uuid::Uuid;

use super::session::{AccessToken, Slot};
use super::{Client, ClientError, is_loopback, refusal, trouble};
use crate::fhir::auth::{Assertion, Credentials, SignInError, discovered, granted};

/// How long a refusal stands before the token server is asked again.
const REFUSAL_STANDS: Duration = Duration::from_mins(1);

impl Client {
    /// Sends an attempt of a call with what the source signs in with; the answer's body is still to be read.
    ///
    /// # Errors
    /// No connection, or no token.
    pub(in crate::fhir) async fn open_call(
        &self,
        request: Request,
        call: Uuid,
    ) -> Result<Response, ClientError> {
        if request.url().origin() != self.base.origin() {
            return Err(ClientError::Settings(
                "a request would leave the server's own origin",
            ));
        }
        let again = request.try_clone();
        let (response, used) = self.attempt(request, call, None).await?;
        let expired = response.status().as_u16() == 401;
        match (again, used) {
            // The server did nothing with it, so a write may go again as well. Once: then it is not the token's age.
            (Some(again), Some(number)) if expired => {
                Ok(self.attempt(again, call, Some(number)).await?.0)
            }
            _ => Ok(response),
        }
    }

    async fn attempt(
        &self,
        mut request: Request,
        call: Uuid,
        refused: Option<u64>,
    ) -> Result<(Response, Option<u64>), ClientError> {
        let mut used = None;
        match &self.session.credentials {
            Credentials::None => {}
            Credentials::Fixed(name, value) => {
                request.headers_mut().insert(name.clone(), value.clone());
            }
            Credentials::Assertion(assertion) => {
                let token = self.token(assertion, refused).await?;
                request.headers_mut().insert(AUTHORIZATION, token.header);
                used = Some(token.number);
            }
        }
        self.session.put_headers(&mut request, call);
        self.session.take_turn().await;
        let response = self.http.execute(request).await;
        Ok((response.map_err(|error| trouble(&error))?, used))
    }

    /// Signs in where a token is needed, without asking anything of the FHIR server itself.
    ///
    /// # Errors
    /// There is no token to be had.
    pub(crate) async fn sign_in(&self) -> Result<(), ClientError> {
        if let Credentials::Assertion(assertion) = &self.session.credentials {
            self.token(assertion, None).await?;
        }
        Ok(())
    }

    /// The token in use, or a new one if it is old or was `refused`.
    async fn token(
        &self,
        assertion: &Assertion,
        refused: Option<u64>,
    ) -> Result<AccessToken, ClientError> {
        let address = assertion.token_url.as_deref().unwrap_or(self.base.as_str());
        let mut tokens = self.session.tokens.lock().await;
        let slot = tokens.entry(address.to_owned()).or_default();
        let running = self.session.timer.running();
        if let Some(token) = &slot.token
            && running < token.renewed_at
            && refused != Some(token.number)
        {
            return Ok(token.clone());
        }
        if let Some((error, until)) = &slot.refused
            && running < *until
        {
            return Err(error.clone());
        }
        let asked = self.new_token(assertion, slot).await;
        let running = self.session.timer.running();
        match asked {
            Ok(token) => {
                slot.refused = None;
                slot.token = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                slot.token = None;
                if !error.is_transient() {
                    slot.refused = Some((error.clone(), running + REFUSAL_STANDS));
                }
                Err(error)
            }
        }
    }

    async fn new_token(
        &self,
        assertion: &Assertion,
        slot: &mut Slot,
    ) -> Result<AccessToken, ClientError> {
        let url = match (&assertion.token_url, &slot.url) {
            (Some(url), _) | (None, Some(url)) => url.clone(),
            (None, None) => self.discover().await?,
        };
        let address = Url::parse(&url).map_err(|_| SignInError::Address)?;
        if address.scheme() != "https" && !is_loopback(&address) {
            return Err(SignInError::Address.into());
        }
        let session = &self.session;
        // The audience is the address as it was given, to the letter: a parsed URL may be written otherwise.
        let form = assertion.form(&url, session.timer.now(), session.uuid())?;
        let request = self
            .http
            .request(Method::POST, address)
            .header(ACCEPT, "application/json")
            .form(&form);
        // A token's life is counted from before it was asked for.
        let before = session.timer.running();
        let (status, body) = self.asked_of_token_server(request).await?;
        let granted = granted(status, &body, &assertion.scopes)?;
        slot.url = Some(url);
        slot.number += 1;
        Ok(AccessToken {
            number: slot.number,
            header: granted.header,
            renewed_at: before + granted.renewed_after,
        })
    }

    /// The token address that the FHIR server names.
    async fn discover(&self) -> Result<String, ClientError> {
        let url = self.base.join(".well-known/smart-configuration");
        let url = url.map_err(|_| ClientError::Name)?;
        let request = self
            .http
            .request(Method::GET, url)
            .header(ACCEPT, "application/json");
        let (status, body) = self.asked_of_token_server(request).await?;
        Ok(discovered(status, &body)?)
    }

    /// Status and body of a small answer. Trouble that may pass never reached the FHIR server: nothing was sent there.
    async fn asked_of_token_server(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<(u16, zeroize::Zeroizing<Vec<u8>>), ClientError> {
        self.session.take_turn().await;
        let unsent = |error| match error {
            ClientError::Transient {
                status,
                retry_after,
                ..
            } => ClientError::Transient {
                what: "no token could be had",
                status,
                retry_after,
                sent: false,
            },
            other => other,
        };
        let request = request.timeout(self.settings.sign_in_timeout);
        let response = request
            .send()
            .await
            .map_err(|error| unsent(trouble(&error)))?;
        let mut answer = self
            .read_answer(response, self.settings.sign_in_bytes_max)
            .await
            .map_err(unsent)?;
        match refusal(&answer) {
            error @ ClientError::Transient { .. } if answer.status >= 400 => Err(unsent(error)),
            _ => Ok((answer.status, std::mem::take(&mut answer.body).into())),
        }
    }
}
