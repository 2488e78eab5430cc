#include "runner/notify_post.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "runner/restart_policy.h"
#include "runner/signature.h"

namespace pawl::runner {
namespace {

using client::Json;

constexpr size_t title_characters_max = 200;
constexpr size_t value_characters_max = 1000;
constexpr size_t slack_section_characters_max = 3000;
constexpr size_t discord_content_characters_max = 2000;
constexpr int64_t retry_after_ms_max = 3'600'000;
constexpr size_t answer_characters_max = 200;
constexpr std::string_view ellipsis = "…";

size_t sequence_bytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte >= 0xF0) return 4;
  if (byte >= 0xE0) return 3;
  return byte >= 0xC0 ? 2 : 1;
}

// UTF-8 without control characters but line ends; what is none of it is shown as U+FFFD.
std::string clean(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const std::string_view one = bytes.substr(0, sequence_bytes(bytes[0]));
    if (!client::is_utf8(one)) {
      text += "\xEF\xBF\xBD";
      bytes.remove_prefix(1);
      continue;
    }
    const bool control = one.size() == 1 && (one[0] == 0x7f || (one[0] >= 0 && one[0] < ' '));
    if (!control || one[0] == '\n') {
      text += one;
    } else if (one[0] == '\t') {
      text += ' ';
    }
    bytes.remove_prefix(one.size());
  }
  return text;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string_view as_is(std::string_view character) { return character; }
std::string_view escaped_for_slack(std::string_view character) {
  if (character == "&") return "&amp;";
  if (character == "<") return "&lt;";
  if (character == ">") return "&gt;";
  return character;
}

// Characters as UTF-16 counts them, which is never less than another way of counting.
size_t units_of(std::string_view text) {
  size_t units = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = sequence_bytes(text[at]);
    units += bytes == 4 ? 2 : 1;
    at += bytes;
  }
  return units;
}

// Each character as `write` has it, cut with an ellipsis where it would pass `most`.
template <typename Write>
std::string fitted(std::string_view text, size_t most, Write write) {
  std::string whole;
  std::string cut;  // what still fits with an ellipsis behind it
  size_t used = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = sequence_bytes(text[at]);
    const std::string_view one = write(text.substr(at, bytes));
    used += units_of(one);
    if (used > most) return cut + std::string(ellipsis);
    whole += one;
    if (used < most) cut = whole;
    at += bytes;
  }
  return whole;
}

std::string utc_time(int64_t unix_ms) {
  const time_t seconds = unix_ms / 1000;
  tm parts{};
  std::array<char, 32> text{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "";
  return std::string(text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts));
}

// Where in the chronicle it stands: by it a reader knows that he has seen it before.
std::string footer(const NotifyEntry& entry) {
  std::string text = "pawl · " + one_line(clean(entry.kind));
  if (entry.seq > 0) text += " · #" + std::to_string(entry.seq);
  if (entry.at_ms > 0) text += " · " + utc_time(entry.at_ms);
  return text;
}

std::string lines_of_fields(const NotifyEntry& entry) {
  constexpr std::array<std::string_view, 5> shown_elsewhere = {"seq", "at", "kind", "tier", "title"};
  std::string text;
  const Json::Object* fields = entry.json.as_object();
  if (!fields) return text;
  for (const auto& [name, value] : *fields) {
    if (std::find(shown_elsewhere.begin(), shown_elsewhere.end(), name) != shown_elsewhere.end()) continue;
    const std::string plain = fitted(clean(entry.text_of(name)), value_characters_max, as_is);
    if (plain.empty()) continue;
    text += (text.empty() ? "" : "\n") + (name == "text" ? "" : one_line(clean(name)) + ": ") + plain;
  }
  return text;
}

std::string slack_body(const NotifyEntry& entry) {
  const NotifyText shown = notify_text(entry);
  const std::string title = fitted(shown.title, title_characters_max * 5, escaped_for_slack);
  std::string body = "*" + title + "*";
  if (!shown.text.empty()) {
    const size_t left = slack_section_characters_max - units_of(body) - 1;
    body += "\n" + fitted(shown.text, left, escaped_for_slack);
  }
  const auto markdown = [](std::string text) {
    Json object;
    object.set("type", "mrkdwn");
    object.set("text", std::move(text));
    return object;
  };
  Json section;
  section.set("type", "section");
  section.set("text", markdown(std::move(body)));
  Json context;
  context.set("type", "context");
  context.set("elements",
              Json::Array{markdown(fitted(footer(entry), title_characters_max, escaped_for_slack))});
  Json document;
  document.set("text", title);
  document.set("blocks", Json::Array{std::move(section), std::move(context)});
  return client::dump(document);
}

std::string discord_body(const NotifyEntry& entry) {
  const NotifyText shown = notify_text(entry);
  const std::string head = "**" + shown.title + "**\n";
  const std::string tail = "\n`" + fitted(footer(entry), title_characters_max, as_is) + "`";
  const size_t left = discord_content_characters_max - units_of(head) - units_of(tail);
  Json mentions;
  mentions.set("parse", Json::Array{});
  Json document;
  document.set("content", head + fitted(shown.text, left, as_is) + tail);
  document.set("allowed_mentions", std::move(mentions));
  return client::dump(document);
}

}  // namespace

NotifyText notify_text(const NotifyEntry& entry) {
  NotifyText shown;
  if (entry.kind == gap_kind) {
    const std::string reason = clean(entry.text_of("reason"));
    shown.title = "Entries " + entry.text_of("from") + " to " + entry.text_of("to") +
                  " of the chronicle could not be looked at";
    shown.text = reason.empty() ? "They went with their retention before this channel came to them." : reason;
  } else if (entry.kind == gate_kind) {
    shown.title = clean(entry.text_of("title"));
    shown.text = clean(entry.text_of("text"));
  } else {
    const std::string title = clean(entry.text_of("title"));
    shown.title = clean(entry.kind) + (title.empty() ? "" : ": " + title);
    shown.text = lines_of_fields(entry);
  }
  if (shown.title.empty()) shown.title = clean(entry.kind);
  const std::string tier = clean(entry.text_of("tier"));
  if (!tier.empty() && entry.kind != gate_kind) shown.title = "[" + tier + "] " + shown.title;
  shown.title = fitted(one_line(shown.title), title_characters_max, as_is);
  return shown;
}

std::string notify_body(const NotifyChannel& channel, const NotifyEntry& entry) {
  if (channel.to == NotifyTo::slack) return slack_body(entry);
  if (channel.to == NotifyTo::discord) return discord_body(entry);
  return client::dump(entry.json);
}

HttpRequest notify_request(const NotifyChannel& channel, const NotifyEntry& entry, int64_t wall_ms) {
  HttpRequest request;
  request.url = channel.url;
  request.timeout_ms = channel.timeout_ms;
  request.body = notify_body(channel, entry);
  const std::string timestamp = std::to_string(wall_ms / 1000);
  request.headers = {"Content-Type: application/json", "X-Pawl-Delivery: " + delivery_id(channel, entry)};
  if (channel.to != NotifyTo::webhook) return request;
  request.headers.push_back("X-Pawl-Timestamp: " + timestamp);
  if (!channel.secret.empty()) {
    request.headers.push_back("X-Pawl-Signature: sha256=" +
                              hmac_sha256_hex(channel.secret, timestamp + "." + request.body));
  }
  return request;
}

PostOutcome judge(const HttpAnswer& answer) {
  constexpr int request_timeout = 408;
  constexpr int too_many = 429;
  constexpr int unavailable = 503;
  using End = PostOutcome::End;
  if (answer.status == 0) return {End::again, answer.error.empty() ? "no answer" : answer.error, {}};
  const int hundreds = answer.status / 100;
  if (hundreds == 2) return {};
  std::string why = "answered " + std::to_string(answer.status);
  const std::string said = fitted(one_line(clean(answer.body)), answer_characters_max, as_is);
  if (!said.empty()) why += ": " + said;
  const bool again = hundreds != 4 || answer.status == request_timeout || answer.status == too_many;
  if (!again) return {End::failed, why, {}};
  if (answer.status == too_many || answer.status == unavailable) {
    return {End::again, why, answer.retry_after_ms};
  }
  return {End::again, why, {}};
}

int64_t pause_before_retry_ms(const NotifyChannel& channel, uint32_t failures, const PostOutcome& outcome,
                              uint64_t random) {
  const auto jitter = static_cast<int64_t>(random % (static_cast<uint64_t>(channel.backoff_base_ms) + 1));
  if (outcome.after_ms) return std::clamp<int64_t>(*outcome.after_ms, 0, retry_after_ms_max) + jitter;
  const uint32_t n = failures > 0 ? failures - 1 : 0;
  return backoff_ms(channel.backoff_base_ms, channel.backoff_max_ms, n) + jitter;
}

}  // namespace pawl::runner
