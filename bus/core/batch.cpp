#include "bus/core/batch.h"

#include <xxhash.h>

#include <array>
#include <cstring>

namespace pawl::core {
namespace {

constexpr uint8_t chain_version = 1;
constexpr size_t chain_bytes = 1 + 8 + 8 + 16 + 16;

template <typename T>
size_t write_number(char* to, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<char>((value >> (8 * i)) & 0xff);
  return sizeof(T);
}

template <typename T>
void append_number(std::string& out, T value) {
  std::array<char, sizeof(T)> bytes;
  write_number(bytes.data(), value);
  out.append(bytes.data(), bytes.size());
}

template <typename T>
T read_number(std::string_view bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  return value;
}

bool take(std::string_view& rest, size_t count, std::string_view& piece) {
  if (rest.size() < count) return false;
  piece = rest.substr(0, count);
  rest.remove_prefix(count);
  return true;
}

bool take_sized(std::string_view& rest, std::string_view& piece) {
  std::string_view size;
  return take(rest, 4, size) && take(rest, read_number<uint32_t>(size), piece);
}

}  // namespace

std::string encode_chain(const ChainLink& link) {
  std::string out;
  out.reserve(chain_bytes);
  out += static_cast<char>(chain_version);
  append_number(out, link.sequence);
  append_number(out, link.term);
  out.append(reinterpret_cast<const char*>(link.previous.data()), link.previous.size());
  out.append(reinterpret_cast<const char*>(link.hash.data()), link.hash.size());
  return out;
}

std::optional<ChainLink> decode_chain(std::string_view bytes) {
  if (bytes.size() != chain_bytes || static_cast<uint8_t>(bytes[0]) != chain_version) return std::nullopt;
  ChainLink link;
  link.sequence = read_number<uint64_t>(bytes.substr(1));
  link.term = read_number<uint64_t>(bytes.substr(9));
  std::memcpy(link.previous.data(), bytes.data() + 17, link.previous.size());
  std::memcpy(link.hash.data(), bytes.data() + 33, link.hash.size());
  return link;
}

void append_row(std::string& rows, Table table, std::string_view key, std::optional<std::string_view> value) {
  std::array<char, 6> head{static_cast<char>(table), value ? '\1' : '\0'};
  write_number(head.data() + 2, static_cast<uint32_t>(key.size()));
  rows.append(head.data(), head.size());
  rows.append(key);
  if (!value) return;
  append_number(rows, static_cast<uint32_t>(value->size()));
  rows.append(*value);
}

Hash hash_batch(const Hash& previous, uint64_t sequence, uint64_t term, std::string_view rows) {
  // The prefix and the rows are hashed apart so that the rows need no copy.
  const XXH128_hash_t body = XXH3_128bits(rows.data(), rows.size());
  std::array<char, sizeof(Hash) + 4 * sizeof(uint64_t)> prefix;
  std::memcpy(prefix.data(), previous.data(), previous.size());
  size_t at = previous.size();
  for (const uint64_t number : {sequence, term, uint64_t{body.low64}, uint64_t{body.high64}}) {
    at += write_number(prefix.data() + at, number);
  }
  const XXH128_hash_t whole = XXH3_128bits(prefix.data(), prefix.size());
  Hash hash;
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, whole);
  std::memcpy(hash.data(), canonical.digest, hash.size());
  return hash;
}

bool Batch::for_each(const BatchRowSink& sink) const {
  std::string_view rest = rows;
  while (!rest.empty()) {
    std::string_view head;
    std::string_view key;
    std::string_view value;
    if (!take(rest, 2, head) || !take_sized(rest, key)) return false;
    const auto table = static_cast<uint8_t>(head[0]);
    if (table >= table_count) return false;
    if (head[1] == '\0') {
      sink(static_cast<Table>(table), key, std::nullopt);
    } else {
      if (!take_sized(rest, value)) return false;
      sink(static_cast<Table>(table), key, value);
    }
  }
  sink(Table::meta, chain_key, encode_chain(link));
  return true;
}

}  // namespace pawl::core
