//! The end of a route to static files.

use std::future::ready;
use std::rc::Rc;

use http::{Method, StatusCode};

use super::served::Served;
use crate::error::{HttpError, Result};
use crate::exchange::Exchange;
use crate::target::{Serving, Target};

/// Answers with files: that of the path argument `path`, or one and the same.
pub(crate) struct StaticTarget {
    pub(super) files: Rc<Served>,
    pub(super) only: Option<Rc<str>>,
}

impl Target for StaticTarget {
    /// What is in memory is answered on the spot, and waits for nothing.
    fn serve(&self, http: Exchange, _: bool) -> Serving {
        let answered =
            path(&http, self.only.as_deref()).and_then(|path| self.files.answer_now(&http, path));
        match answered {
            Ok(true) => http.finish(),
            Ok(false) => {
                let (files, only) = (Rc::clone(&self.files), self.only.clone());
                return Box::pin(async move {
                    let answer = async {
                        let path = path(&http, only.as_deref())?;
                        files.answer(&http, path).await
                    };
                    match answer.await {
                        Ok(()) => http.finish(),
                        Err(error) => http.send_error(error),
                    }
                });
            }
            Err(error) => http.send_error(error),
        }
        Box::pin(ready(()))
    }

    fn methods(&self) -> Option<Vec<Method>> {
        Some(vec![Method::GET])
    }
}

fn path<'a>(http: &'a Exchange, only: Option<&'a str>) -> Result<&'a str> {
    let path = only.or_else(|| http.encoded_path_argument("path"));
    path.ok_or_else(|| {
        let error = HttpError::new(StatusCode::INTERNAL_SERVER_ERROR);
        let message = "a route to static files has no path argument `path`";
        error.with_log_message(message).into()
    })
}
