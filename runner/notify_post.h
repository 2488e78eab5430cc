// An entry as its channel wants it, and what a target's answer means. Pure: time and randomness are given.
//
// Formats as their makers document them:
//   Slack      incoming webhooks, https://api.slack.com/messaging/webhooks: `text` is what a notification
//              shows, `blocks` what the channel shows; & < > are escaped; a section takes 3000 characters.
//   Discord    execute webhook, https://discord.com/developers/docs/resources/webhook#execute-webhook:
//              `content` of at most 2000 characters; `allowed_mentions` with an empty `parse` pings nobody.
//   webhook    the entry itself. The signature covers "TIMESTAMP.BODY", as Stripe's does
//              (https://docs.stripe.com/webhooks#verify-manually), and is written like GitHub's, sha256=HEX
//              (https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runner/http_post.h"
#include "runner/notify_rules.h"

namespace pawl::runner {

// For people: one line, and more lines below it; UTF-8, no control characters but line ends.
struct NotifyText {
  std::string title;
  std::string text;
};
NotifyText notify_text(const NotifyEntry& entry);

// What goes to the target: the body of a request, a command's stdin, a line of a file; without a line's end.
std::string notify_body(const NotifyChannel& channel, const NotifyEntry& entry);
// The whole request of a channel with a url. `wall_ms` is when it is sent: it is signed along.
HttpRequest notify_request(const NotifyChannel& channel, const NotifyEntry& entry, int64_t wall_ms);

struct PostOutcome {
  enum class End : uint8_t {
    posted,
    again,   // may work later
    failed,  // never will
  };
  End end = End::posted;
  std::string why;                  // empty when posted
  std::optional<int64_t> after_ms;  // again: the target said when
};
PostOutcome judge(const HttpAnswer& answer);

// How long to wait after the try that was the `failures`-th in a row to fail (from 1).
int64_t pause_before_retry_ms(const NotifyChannel& channel, uint32_t failures, const PostOutcome& outcome,
                              uint64_t random);

}  // namespace pawl::runner
