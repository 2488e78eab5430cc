// A batch: what one turn of the loop writes, in our own encoding.
//
// rows      = row*
// row       = table (1 byte) op (1 byte: 1 put, 0 erase) key-length (4 bytes LE) key
//             [ value-length (4 bytes LE) value ]            -- the value only for put
// body      = XXH3-128 over rows
// hash      = XXH3-128 over previous-hash (16 bytes) sequence (8 LE) term (8 LE) body (low 8 LE, high 8 LE),
//             stored big-endian (canonical form)
//
// Rows stand in table and key order, at most one per key. The chain row (table
// meta, key "chain") is written after them and is not part of the hash: it holds
// sequence, term, previous hash and hash, so that whoever reads a batch back
// from a log can prove that it is whole and follows its predecessor.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "bus/core/table.h"

namespace pawl::core {

using Hash = std::array<uint8_t, 16>;

struct ChainLink {
  uint64_t sequence = 0;  // of the newest batch; 0: none yet
  uint64_t term = 1;
  Hash previous{};
  Hash hash{};

  bool operator==(const ChainLink&) const = default;
};

constexpr std::string_view chain_key = "chain";
std::string encode_chain(const ChainLink& link);
std::optional<ChainLink> decode_chain(std::string_view bytes);

void append_row(std::string& rows, Table table, std::string_view key, std::optional<std::string_view> value);
Hash hash_batch(const Hash& previous, uint64_t sequence, uint64_t term, std::string_view rows);

// value is nothing for an erase.
using BatchRowSink =
    std::function<void(Table table, std::string_view key, std::optional<std::string_view> value)>;

struct Batch {
  ChainLink link;
  std::string rows;  // encoded as above, without the chain row
  size_t row_count = 0;

  // Every row, then the chain row. False when the encoding is damaged.
  bool for_each(const BatchRowSink& sink) const;
};

}  // namespace pawl::core
