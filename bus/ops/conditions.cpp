#include "bus/ops/conditions.h"

#include "bus/base/parse.h"

namespace pawl::ops {
namespace {

// Only the last '*' ever needs to be tried again: what an earlier one took is as good as any.
template <typename MatchOne>
bool walk(std::string_view glob, std::string_view text, MatchOne match_one) {
  std::string_view after_star;
  std::string_view star_text;
  bool star = false;
  while (true) {
    if (!glob.empty() && glob.front() == '*') {
      glob.remove_prefix(1);
      star = true;
      after_star = glob;
      star_text = text;
      continue;
    }
    if (text.empty() && glob.empty()) return true;
    if (!text.empty() && !glob.empty() && match_one(glob.front(), text.front())) {
      glob.remove_prefix(1);
      text.remove_prefix(1);
      continue;
    }
    if (!star || star_text.empty()) return false;
    star_text.remove_prefix(1);
    glob = after_star;
    text = star_text;
  }
}

}  // namespace

std::string span_text(const Span& span) {
  if (span.any()) return "anything";
  if (span.most == Span{}.most) return "at least " + std::to_string(span.least);
  if (span.least == Span{}.least) return "at most " + std::to_string(span.most);
  if (span.least == span.most) return std::to_string(span.least);
  return std::to_string(span.least) + "-" + std::to_string(span.most);
}

std::string spans_text(const std::vector<Span>& spans) {
  std::vector<std::string> words;
  for (const Span& span : spans) words.push_back(span_text(span));
  return or_list(words);
}

Result<Span> span_from(std::string_view text) {
  const size_t dash = text.find('-');
  const auto least = parse_int(text.substr(0, dash));
  const auto most = dash == std::string_view::npos ? least : parse_int(text.substr(dash + 1));
  if (!least || !most || *least < 0 || *most < 0) {
    return make_error(Code::badarg, "\"" + std::string(text) + "\" is no number and no range like \"64-78\"");
  }
  if (*least > *most) {
    return make_error(Code::badarg, "\"" + std::string(text) +
                                        "\" is empty: write the smaller number first, \"" +
                                        std::to_string(*most) + "-" + std::to_string(*least) + "\"");
  }
  return Span{*least, *most};
}

bool glob_matches(std::string_view glob, std::string_view text) {
  return walk(glob, text, [](char one, char c) { return one == '?' || one == c; });
}

bool glob_covers(std::string_view a, std::string_view b) {
  // b's own '*' and '?' stand for characters of names that a cannot spell out: only a's '*' takes a '*',
  // and only '*' and '?' take a '?'.
  return walk(a, b, [](char one, char c) { return c != '*' && (one == '?' || one == c); });
}

bool spans_hold(const std::vector<Span>& spans, int64_t value) {
  if (spans.empty()) return true;
  return std::any_of(spans.begin(), spans.end(), [&](const Span& span) { return span.holds(value); });
}

bool spans_cover(const std::vector<Span>& a, const std::vector<Span>& b) {
  if (a.empty()) return true;
  return !b.empty() && std::all_of(b.begin(), b.end(), [&](const Span& inner) {
    return std::any_of(a.begin(), a.end(), [&](const Span& outer) {
      return outer.least <= inner.least && inner.most <= outer.most;
    });
  });
}

std::string or_list(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

}  // namespace pawl::ops
