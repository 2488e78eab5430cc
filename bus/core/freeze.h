// The state that the kill switch puts the fleet in (contract, "Freeze, command by command").
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pawl::core {

enum class FreezeKind : uint8_t { none, soft, hard };
constexpr std::array<std::string_view, 3> freeze_kind_names = {"none", "soft", "hard"};
// Each stops what the one before it stops, and more.
enum class FreezeScope : uint8_t { intake, claims, all };
constexpr std::array<std::string_view, 3> freeze_scope_names = {"intake", "claims", "all"};

constexpr std::string_view freeze_kind_name(FreezeKind kind) {
  return freeze_kind_names[static_cast<size_t>(kind)];
}
constexpr std::string_view freeze_scope_name(FreezeScope scope) {
  return freeze_scope_names[static_cast<size_t>(scope)];
}
std::optional<FreezeScope> freeze_scope_from(std::string_view word);

// The row "freeze" of table meta. Cleared, it keeps its number: a flag file with that number is an old one.
struct FreezeRecord {
  static constexpr uint8_t version_now = 1;
  uint64_t number = 0;  // of the newest freeze; 0: there never was one
  FreezeKind kind = FreezeKind::none;
  FreezeScope scope = FreezeScope::all;
  std::string reason;
  std::string by;        // who: a user, a client's name, "file", "guard:NAME"
  int64_t since_ms = 0;  // wall
  int64_t until_ms = 0;  // wall; 0: until somebody clears it
  bool flagged = false;  // its flag file is there: when it is missing after a restart, somebody removed it

  bool frozen() const { return kind != FreezeKind::none; }
  // Scope `all`: leases and everything that time does stand still.
  bool all() const { return frozen() && scope == FreezeScope::all; }
  // Whether the other one is the very same freeze, without a look at the texts.
  bool same_as(const FreezeRecord& other) const {
    return number == other.number && kind == other.kind && flagged == other.flagged;
  }
  bool stops_claims() const { return frozen() && scope >= FreezeScope::claims; }
};

class ReplyWriter;
// The map that KILL SET, CLEAR and STATUS answer.
void write_freeze(const FreezeRecord& freeze, bool durable, ReplyWriter& writer);
// What a FROZEN error says: what stands, why, and what ends it.
std::string freeze_text(const FreezeRecord& freeze);

}  // namespace pawl::core
