// Typed values out of a TOML tree. Every mistake is kept with its line, so that one run shows all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/base/parse.h"
#include "bus/core/config.h"
#include "bus/pattern/pattern.h"
#include "cli/toml_tree.h"

namespace pawl::cli {

// Where a value stands, for messages: the header of its table.
struct Place {
  std::string name;  // "role.research"; empty at the top

  std::string of(const TomlNode& node) const {
    if (node.key.empty()) return name;
    return name.empty() ? node.key : name + "." + node.key;
  }
};

// A least and a most, both allowed.
struct Range {
  int64_t least;
  int64_t most;
};

class ConfigReader {
 public:
  // `path` is for messages.
  explicit ConfigReader(std::string path) : path_(std::move(path)) {}

  // The value, or nothing after a complaint. `example` shows how to write it.
  bool expect(const Place& place, const TomlNode& node, TomlKind kind, std::string_view example);
  std::optional<std::string> text(const Place& place, const TomlNode& node, std::string_view example);
  // A regular expression, compiled.
  std::optional<Pattern> pattern(const Place& place, const TomlNode& node, std::string_view example);
  std::optional<int64_t> duration(const Place& place, const TomlNode& node, Range range);  // milliseconds
  std::optional<int64_t> bytes(const Place& place, const TomlNode& node, Range range);
  std::optional<int64_t> integer(const Place& place, const TomlNode& node, Range range);
  std::optional<std::string> endpoint(const Place& place, const TomlNode& node);  // HOST:PORT or none
  std::optional<std::string> secret(const Place& place, const TomlNode& node);  // a text or { env = "NAME" }
  // Whole dollars or a fraction, in micro-dollars: whole dollars exactly, a fraction as the nearest
  // micro-dollar, which is exact for six decimals up to a billion dollars.
  std::optional<int64_t> dollars(const Place& place, const TomlNode& node, Range micro_dollars);
  // { base = "1s", max = "10m" }, either or both, in milliseconds; what is not there stays.
  void spans(const Place& place, const TomlNode& node, int64_t& base_ms, int64_t& max_ms);

  std::vector<std::string> names(const Place& place, const TomlNode& node);  // without repetitions
  // [ { what = "tokens", cap = 200000, per = "1h", estimate = 8000 } ]; at most one of a kind and window.
  std::vector<core::QuotaConfig> quotas(const Place& place, const TomlNode& node);
  std::optional<core::RateConfig> rate(const Place& place, const TomlNode& node);  // "10/s"

  // An argument vector, the program first; empty after a complaint.
  std::vector<std::string> command(const Place& place, const TomlNode& node);
  // "pawl.toml:12", for complaints that come later.
  std::string place_of(const TomlNode& node) const { return path_ + ":" + std::to_string(node.line); }

  // A table's unknown key, with the nearest of `known`.
  template <typename Names>
  void unknown_key(const Place& place, const TomlNode& node, const Names& known) {
    std::string all;
    for (const std::string_view name : known) all += " " + std::string(name);
    unknown_key(place, node, nearest_word(node.key, known), all);
  }
  void fail(int line, const std::string& text);
  void fail(const Place& place, const TomlNode& node, const std::string& text) {
    fail(node.line, place.of(node) + " " + text);
  }
  void notice(int line, const std::string& what);

  const std::vector<std::string>& notices() const { return notices_; }
  bool failed() const { return !errors_.empty(); }
  // All complaints by line, one a line.
  std::string errors() const;

 private:
  void unknown_key(const Place& place, const TomlNode& node, const std::string& nearest,
                   const std::string& all);
  std::optional<core::QuotaConfig> quota(const Place& place, const TomlNode& item);
  std::optional<core::QuotaKind> quota_kind(const Place& place, const TomlNode& node);
  std::optional<int64_t> quota_amount(const Place& place, const TomlNode& node, core::QuotaKind what,
                                      int64_t least);

  std::string path_;
  std::vector<std::pair<int, std::string>> errors_;
  std::vector<std::string> notices_;
};

}  // namespace pawl::cli
