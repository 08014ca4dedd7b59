//! A request leaves with the credential that its upstream wants.

use http::{Request, Response, StatusCode};

use super::pipeline::Guard;
use super::places::Place;
use crate::identity;
use crate::upstream::{Body, SendError, SendLimits};

impl Guard {
    /// Sends a request that [`Place::address`] has addressed. A token that upstream does not take is not used
    /// again; the request is not sent again, since a create must not be.
    pub(super) async fn send(
        &self,
        place: &Place,
        mut request: Request<Body>,
        limits: SendLimits,
    ) -> Result<Response<Body>, SendError> {
        let Some(login) = place.login() else {
            return self.pool.send(request, limits).await;
        };
        let no_token = |cause: Box<dyn std::error::Error + Send + Sync>| SendError::NoToken {
            host: login.host().to_owned(),
            cause,
        };
        let token = login.token(&self.pool, self.clock.now()).await;
        let token = token.map_err(|cause| no_token(cause.into()))?;
        identity::bear(&token, request.headers_mut()).map_err(|cause| no_token(cause.into()))?;
        let answer = self.pool.send(request, limits).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            login.forget(&token);
        }
        Ok(answer)
    }
}
