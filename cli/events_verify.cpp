// pawl events verify: proves over the wire that the chronicle is whole. The hashes are computed here, out of
// what the bus hands out; the bus is believed only where its chronicle begins.
#include "bus/base/parse.h"
#include "bus/core/chronicle.h"
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr std::string_view page_entries = "1000";

// "SEQ:SHA256", what an earlier run printed.
struct Known {
  int64_t number = 0;
  std::string hash;
};

std::optional<Known> read_known(std::string_view text) {
  const size_t colon = text.find(':');
  const auto number = parse_int(text.substr(0, colon));
  if (colon == std::string_view::npos || !number || *number < 1) return std::nullopt;
  const std::string_view hash = text.substr(colon + 1);
  const bool hex = hash.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (hash.size() != 64 || !hex) return std::nullopt;
  return Known{*number, std::string(hash)};
}

class Proof {
 public:
  explicit Proof(std::optional<Known> known) : known_(std::move(known)) {}

  // Of one reply to EVENTS … HASHES, in order.
  void take(const client::Reply& entry) {
    const std::string kind = entry.text_of("kind");
    if (kind == "chain") return take_chain(entry);
    if (kind == "gap") return;  // retention went on between two pages; the chain entry says from where
    const int64_t number = entry.int_of("seq").value_or(0);
    if (number != last_ + 1) fault(number, "entries before it are missing");
    last_ = number;
    core::Headers fields;
    std::string hash;
    // seq, at, kind; the fields; sha256.
    for (size_t i = 6; i + 1 < entry.items.size(); i += 2) {
      fields.emplace_back(entry.items[i].as_text(), entry.items[i + 1].as_text());
    }
    if (!fields.empty() && fields.back().first == "sha256") {
      hash = fields.back().second;
      fields.pop_back();
    }
    // From before there were hashes.
    if (hash.empty() && (chained_from_ == 0 || number < chained_from_)) return ++unproven_, void();
    if (hash != core::chronicle_hash(hash_, static_cast<uint64_t>(number), entry.int_of("at").value_or(0),
                                     kind, fields)) {
      fault(number, "its hash does not follow from it and the entry before");
    }
    hash_ = hash;
    ++proven_;
    if (known_ && known_->number == number) {
      known_seen_ = true;
      if (known_->hash != hash_) fault(number, "its hash is not the one expected");
    }
  }
  bool over() const { return last_ >= to_ || !fault_.empty(); }
  int64_t last() const { return last_; }

  void finish() {
    if (last_ != to_) fault(to_, "the newest entry is missing");
    if (proven_ > 0 && to_hash_ != hash_) fault(to_, "the bus has another hash for it on record");
    if (known_ && !known_seen_ && known_->number < from_) {
      fault(known_->number, "retention took the entry expected, nothing can be said of it");
    } else if (known_ && !known_seen_) {
      fault(known_->number, "the entry expected is not there");
    }
  }

  int print(Session* session) const {
    Json::Object document = {{"ok", Json(int64_t{fault_.empty() ? 1 : 0})},
                             {"from", Json(from_)},
                             {"to", Json(last_)},
                             {"proven", Json(proven_)},
                             {"unproven", Json(unproven_)},
                             {"sha256", Json(hash_)}};
    if (!fault_.empty()) document.emplace_back("problem", Json(fault_));
    const int code = fault_.empty() ? exit_ok : exit_failed;
    if (session->out.json()) return session->out.document(Json(std::move(document))), code;
    if (!fault_.empty()) return session->fail(exit_failed, "the chronicle is not whole: " + fault_);
    session->out.line(last_ < from_ ? "nothing in it yet"
                                    : "entries " + std::to_string(from_) + " to " + std::to_string(last_) +
                                          ": nothing was changed, nothing is missing");
    if (unproven_ > 0) {
      session->out.line(std::to_string(unproven_) + " of them are from a version without hashes");
    }
    if (proven_ > 0) session->out.line(std::to_string(last_) + ":" + hash_);
    return code;
  }

 private:
  void take_chain(const client::Reply& chain) {
    const int64_t from = chain.int_of("from").value_or(1);
    to_ = chain.int_of("to").value_or(0);
    to_hash_ = chain.text_of("sha256");
    chained_from_ = chain.int_of("chained_from").value_or(0);
    if (from_ != 0 && from <= last_ + 1) return;
    // The first page, or retention has overtaken this reader.
    if (from_ == 0) from_ = from;
    last_ = from - 1;
    hash_ = chain.text_of("before");
  }
  void fault(int64_t number, const std::string& what) {
    if (fault_.empty()) fault_ = "entry " + std::to_string(number) + ": " + what;
  }

  std::optional<Known> known_;
  bool known_seen_ = false;
  int64_t from_ = 0;
  int64_t last_ = 0;
  int64_t to_ = 0;
  int64_t chained_from_ = 0;
  int64_t proven_ = 0;
  int64_t unproven_ = 0;
  std::string hash_;
  std::string to_hash_;
  std::string fault_;
};

}  // namespace

int verify_events(Session* session) {
  std::optional<Known> known;
  if (const auto expected = session->arguments.text("expect")) {
    known = read_known(*expected);
    if (!known) {
      return session->fail(exit_usage,
                           "--expect takes SEQ:SHA256 as an earlier 'pawl events verify' printed it");
    }
  }
  Proof proof(std::move(known));
  do {
    const auto reply =
        session->ask({"EVENTS", std::to_string(proof.last()), "COUNT", std::string(page_entries), "HASHES"});
    if (!reply) return session->exit_code();
    if (reply->items.size() != 2 || reply->items[1].items.empty()) {
      return session->fail(exit_failed, "the bus answered EVENTS in a shape that this version does not know");
    }
    const int64_t before = proof.last();
    for (const client::Reply& entry : reply->items[1].items) proof.take(entry);
    if (proof.last() == before) break;
  } while (!proof.over());
  proof.finish();
  return proof.print(session);
}

}  // namespace pawl::cli
