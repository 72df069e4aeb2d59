//! `Expect: 100-continue`: the moment to refuse a request's content before it is sent. (Any other
//! expectation is 417, in `heads.rs`; 100 itself is sent by the one who reads, in `pull.rs`.)

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use http::StatusCode;
use squall_http1::RequestHead;

use crate::Exchange;
use crate::serving::guard;
use crate::state::Inner;

type Check = dyn Fn(&RequestHead) -> Result<(), StatusCode> + Send + Sync;

/// Looks at requests whose sender waits, and may refuse them. See
/// [`Config::with_continue_hook`](crate::Config::with_continue_hook).
#[derive(Clone)]
pub(crate) struct ContinueHook(pub(crate) Arc<Check>);

impl fmt::Debug for ContinueHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContinueHook(..)")
    }
}

/// Answers in the service's place if the peer waits for `100 Continue` and the server's hook does
/// not want what it would send. The connection then ends: nobody knows whether it comes
/// nevertheless (RFC 9110, section 10.1.1).
pub(crate) fn is_refused(exchange: &Rc<Inner>) -> bool {
    if !exchange.incoming.is_awaited() {
        return false;
    }
    let Some(hook) = &exchange.link().server.config.request.continue_hook else {
        return false;
    };
    match guard(exchange, || (hook.0)(&exchange.head)) {
        Some(Ok(())) => false,
        Some(Err(status)) => {
            let is_final = !status.is_informational();
            Exchange::of(exchange).fail_with(if is_final {
                status
            } else {
                StatusCode::EXPECTATION_FAILED
            });
            true
        }
        // It has panicked, and that is answered.
        None => true,
    }
}
