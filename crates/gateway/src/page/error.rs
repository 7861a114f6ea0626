//! Errors for people: what happened, the exact words, what to do next.

use http::StatusCode;

use super::text;

pub(crate) fn render(status: StatusCode, message: &str, hints: &[String]) -> String {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    let mut out = super::start(&title);
    out.push_str("<h1>");
    text(&mut out, heading(status));
    out.push_str("</h1>\n<p class=\"about\">");
    text(&mut out, &title);
    out.push_str("</p>\n<p>");
    text(&mut out, explanation(status));
    out.push_str("</p>\n<pre>");
    text(&mut out, message);
    out.push_str("</pre>\n");
    if !hints.is_empty() {
        out.push_str("<p>What you can do:</p>\n<ul>\n");
        for hint in hints {
            out.push_str("<li>");
            text(&mut out, hint);
            out.push_str("</li>\n");
        }
        out.push_str("</ul>\n");
    }
    super::end(&mut out);
    out
}

fn heading(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "This address is not right",
        StatusCode::NOT_FOUND => "Nothing is here",
        StatusCode::NOT_ACCEPTABLE | StatusCode::NOT_IMPLEMENTED => "Not in this form",
        StatusCode::GONE => "This content is blocked here",
        StatusCode::PRECONDITION_FAILED => "Not stored here",
        StatusCode::RANGE_NOT_SATISFIABLE => "There is no such part",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests at once",
        StatusCode::GATEWAY_TIMEOUT => "The content did not come in time",
        StatusCode::SERVICE_UNAVAILABLE => "Not available now",
        _ => "This did not work",
    }
}

fn explanation(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The gateway cannot read what was asked for. Check that the whole link was copied.",
        StatusCode::NOT_FOUND => "The path leads to nothing: a name in it does not exist, or a block is missing.",
        StatusCode::NOT_ACCEPTABLE | StatusCode::NOT_IMPLEMENTED => {
            "The content exists, but this gateway does not send it in the form that was asked for."
        }
        StatusCode::GONE => "The operator of this gateway does not serve this content.",
        StatusCode::PRECONDITION_FAILED => "Only content that is stored here already was asked for, and it is not.",
        StatusCode::RANGE_NOT_SATISFIABLE => "The part that was asked for lies behind the end of the file.",
        StatusCode::TOO_MANY_REQUESTS => "The gateway is busy. It will answer again in a moment.",
        StatusCode::GATEWAY_TIMEOUT => {
            "The gateway asked the network for this content, and nobody who has it answered in time. The address may \
             be right: content is reachable only while a computer that keeps it is online."
        }
        StatusCode::SERVICE_UNAVAILABLE => "The node behind this gateway cannot do this now.",
        _ => "Something went wrong while the content was read. The words below say more.",
    }
}
